"""Runs of planted times, as the answers and claims read them."""

from scripts.report import tables
from scripts.report.compare.results import Results
from scripts.report.rows import TimingRow
from scripts.report.tables import Tables
from tests.support.report_run import Run

OPERATIONS = ("write", "read-warm")


def load(run: Run) -> Results:
    """The results of a run as its files are now."""
    read = Tables.load(run.summarise().directory)
    return Results(read, tables.load(TimingRow, run.directory))


def results(run: Run) -> Results:
    return load(run.write())


def planted(tmp_path, times, **more) -> Results:
    """A run whose reads and writes take times[backend][cutoff] seconds."""
    cutoffs = tuple(next(iter(times.values())))
    more = {"operations": OPERATIONS, **more}
    run = Run(tmp_path, tuple(times), cutoffs, seconds=lambda name, n, _: times.get(name, {}).get(n, 1e-3), **more)
    return results(run)
