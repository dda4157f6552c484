"""The article's claims, each with a verdict computed from what was measured here.

Source of the claims: `article.py`. The one place, beside it, where the article's backends are named.

A rule collects findings. A finding speaks for the claim (True), against it (False) or leaves it open (None), as a tie,
an undecided ratio and an unnoticeable time do.

- All findings speak for the claim: it is confirmed.
- All findings speak against it: it is refuted.
- Else it depends, and the evidence says on what.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import sub, truediv

from scripts.report import corrections, wording
from scripts.report.compare import trends
from scripts.report.compare.answers import MEASURES
from scripts.report.compare.article import KILOBYTES
from scripts.report.compare.results import Results
from scripts.report.outcomes import DIFFERENT, TIED, UNDECIDED, Bounded, Ratio, exact
from scripts.report.rows import MeasuredRow

CONFIRMED, REFUTED, DEPENDS, NOT_MEASURED = "confirmed", "refuted", "depends", "not measured"
PNG, LMDB, HDF5 = "png", "lmdb", "hdf5"
ARTICLE_BACKENDS = tuple(KILOBYTES)
WRITE, READ, RANDOM, WORKERS = "write", "read-warm", "random-warm", "workers-warm"
SMALL = 10
"""The article's claims call at most this many images few."""
TENFOLD = (8.0, 12.5)
"""Ratios between these two pass for ten times as long."""
AS_FAST = TENFOLD[0] / 10
"""At least this share of k times the rate of one process passes for k times as fast."""
HARDLY_FASTER = 1.2
"""Up to this many times the rate of one process, several processes wait for each other."""
SPAWN = "spawn"
PARALLEL_FILE_SYSTEMS = {"beegfs", "ceph", "gpfs", "lustre", "pvfs2"}
LARGE_PIXELS = 256 * 256 * 3
MUCH_LARGER = 1.2
NOBODY = " (too short for anybody to notice)"


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: the verdict and, in a sentence or two, the numbers behind it."""

    verdict: str
    evidence: str


def judge(results: Results) -> dict[str, Verdict]:
    """Every claim in the article's order, with its verdict."""
    return {says: rule(results) for says, rule in CLAIMS.items()}


def _single_image_disk(results: Results) -> Verdict:
    found, holds = [], []
    for measure in MEASURES:
        sizes = results.tables.sizes(measure, 1)
        if any(name not in sizes for name in ARTICLE_BACKENDS):
            return _missing(results, cutoff=1)
        holds.append(_all(_more(exact(sizes[LMDB] / sizes[name])) for name in (PNG, HDF5)))
        numbers = wording.join(f"{name} {wording.size(sizes[name])}" for name in ARTICLE_BACKENDS)
        found.append(f"{_measure(measure)}: {numbers}.")
    return _verdict(holds, " ".join(found), "apparent or allocated size")


def _overtakes(results: Results) -> Verdict:
    holds, found = [], []
    for operation in (WRITE, READ):
        compared = {
            cutoff: results.ratio_if_measured(operation, cutoff, HDF5, LMDB) for cutoff in results.tables.cutoffs
        }
        leads = {cutoff: ratio for cutoff, ratio in compared.items() if ratio}
        if not leads or min(leads) > SMALL or max(leads) < 10 * min(leads):
            return _missing(results, WRITE, READ, backends=(LMDB, HDF5))
        few, many = leads[min(leads)], leads[max(leads)]
        noticed = [results.noticeable(operation, cutoff) for cutoff in (min(leads), max(leads))]
        found_at = [_more(few) if noticed[0] else None, _more(many.inverse) if noticed[1] else None]
        holds.append(_all(found_at))
        at = [f" {crossover.sentence}" for crossover in trends.crossovers_between(results, operation, HDF5, LMDB)]
        found.append(
            f"{wording.operation(operation)}: {wording.compared(HDF5, LMDB, few)} at {wording.images(min(leads))}"
            f"{'' if noticed[0] else NOBODY}, {wording.compared(HDF5, LMDB, many)} at {wording.images(max(leads))}"
            f"{'' if noticed[1] else NOBODY}.{''.join(at)}"
        )
    return _verdict(holds, " ".join(found), "whether one writes or reads")


def _largest_gap(results: Results) -> Verdict:
    measured = (
        cutoff
        for cutoff in reversed(results.tables.cutoffs)
        if all((name, cutoff, kind) in results.times for name in ARTICLE_BACKENDS for kind in (WRITE, READ))
    )
    cutoff = next(measured, None)
    if cutoff is None:
        return _missing(results, WRITE, READ)
    rows = {name: [results.row((name, cutoff, kind)) for kind in (WRITE, READ)] for name in ARTICLE_BACKENDS}
    apart, factors = ({name: _apart(pair, by) for name, pair in rows.items()} for by in (sub, truediv))
    numbers = wording.join(
        f"{name} {wording.seconds(apart[name].value)} or a factor of {wording.significant(factors[name].value, 2)}"
        for name in ARTICLE_BACKENDS
    )
    evidence = f"Between writing and warm reading of {wording.images(cutoff)}: {numbers}."
    return _verdict([_largest(PNG, apart), _largest(PNG, factors)], evidence, "seconds or factors")


def _epoch(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        rows = (results.tables.cell(name, cutoff, READ) for name in ARTICLE_BACKENDS)
        times = {row.backend: row.median_seconds for row in rows if row}
        if len(times) < 2:
            continue
        slow, fast = max(times, key=times.__getitem__), min(times, key=times.__getitem__)
        ratio = results.ratio(READ, cutoff, slow, fast)
        low, high = TENFOLD
        evidence = (
            f"One warm pass over {wording.images(cutoff)}: {fast} {wording.seconds(times[fast])}, {slow} "
            f"{wording.seconds(times[slow])}, {wording.factor(ratio)}. "
        )
        if not results.noticeable(READ, cutoff) or ratio.high < 2:
            return Verdict(REFUTED, f"{evidence}The choice of store hardly matters here.")
        if ratio.outcome == UNDECIDED:
            return Verdict(DEPENDS, f"{evidence}That is undecided: this run can't tell whether they differ.")
        size = "about ten times" if ratio.low <= high and ratio.high >= low else "not ten times"
        return Verdict(
            DEPENDS, f"{evidence}That is {size}, and depends on how much of its time a training waits for images."
        )
    return _missing(results, READ)


def _large_images(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        lmdb, hdf5 = (results.tables.store(name, cutoff) for name in (LMDB, HDF5))
        if not (lmdb and hdf5 and lmdb.allocated_ratio_to_raw and hdf5.allocated_ratio_to_raw):
            continue
        pixels = lmdb.apparent_bytes_per_image / lmdb.apparent_ratio_to_raw
        if pixels < LARGE_PIXELS:
            return Verdict(NOT_MEASURED, f"The images of this run have {wording.size(pixels)} of pixels each.")
        ratios = {LMDB: lmdb.allocated_ratio_to_raw, HDF5: hdf5.allocated_ratio_to_raw}
        numbers = wording.join(f"{name} {wording.times(ratio)}" for name, ratio in ratios.items())
        much_larger = ratios[LMDB] > MUCH_LARGER * ratios[HDF5]
        return _verdict([much_larger], f"Allocated bytes over raw pixels: {numbers}.")
    return _missing(results, backends=(LMDB, HDF5))


def _processes(results: Results) -> Verdict:
    cutoff, rows = _most_processes(results, LMDB)
    if not rows:
        return _missing(results, WORKERS, backends=(LMDB,))
    holds = [_beyond(found, AS_FAST * row.processes) for row, found in rows.items()]
    evidence = f"{_shared(LMDB, cutoff, rows)} Readers beside a writer were not measured."
    return _verdict(holds, evidence, "how the processes are started")


def _serialised(results: Results) -> Verdict:
    cutoff, rows = _most_processes(results, HDF5)
    rows = {row: found for row, found in rows.items() if row.start_method == SPAWN}
    if not rows:
        return _missing(results, WORKERS, backends=(HDF5,))
    store = results.tables.store(HDF5, cutoff)
    file_system = store.file_system if store else None
    if file_system in PARALLEL_FILE_SYSTEMS:
        return Verdict(NOT_MEASURED, f"The stores are on {file_system}, a parallel file system.")
    faster = [_beyond(found, HARDLY_FASTER) for found in rows.values()]
    where = f" The stores are on {file_system}." if file_system else ""
    return _verdict([None if found is None else not found for found in faster], _shared(HDF5, cutoff, rows) + where)


def _sequential(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        ratios = {
            name: corrections.ratio(drawn, in_order)
            for name in (LMDB, HDF5)
            if (drawn := results.time_of_all(name, cutoff, RANDOM))
            and (in_order := results.time_of_all(name, cutoff, READ))
        }
        if len(ratios) < 2:
            continue
        numbers = wording.join(
            f"{name} ties"
            if found.outcome == TIED
            else f"{name} takes {wording.factor(found)}{', undecided' if found.outcome == UNDECIDED else ''}"
            for name, found in ratios.items()
        )
        evidence = (
            f"An image read alone, in random order, compared with one of all read in order, of "
            f"{wording.images(cutoff)}, both warm: {numbers}."
        )
        return _verdict([_more(found) for found in ratios.values()], evidence, "the store")
    return _missing(results, RANDOM, READ, backends=(LMDB, HDF5))


def _more_than_png(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        holds, evidence = [], []
        for measure in MEASURES:
            sizes = results.tables.sizes(measure, cutoff)
            if all(name in sizes for name in (PNG, LMDB, HDF5)):
                ratios = {name: exact(sizes[name] / sizes[PNG]) for name in (LMDB, HDF5)}
                holds += [_more(ratio) for ratio in ratios.values()]
                numbers = wording.join(f"{name} {wording.times(ratio.value)}" for name, ratio in ratios.items())
                evidence.append(f"{_measure(measure)} over png's at {wording.images(cutoff)}: {numbers}.")
        if len(holds) == 4:
            return _verdict(holds, " ".join(evidence), "the store and apparent or allocated size")
    return _missing(results)


CLAIMS: dict[str, Callable[[Results], Verdict]] = {
    "LMDB takes the most disk for a single image.": _single_image_disk,
    "HDF5 is slower than LMDB with few images and overtakes it as they become more.": _overtakes,
    "PNG files have the largest gap between reading and writing.": _largest_gap,
    "A store that is ten times slower to read turns forty minutes of training into six hours.": _epoch,
    "With larger images LMDB's disk use goes off the chart, HDF5's stays smaller.": _large_images,
    "Ten processes read an LMDB ten times as fast, and readers don't wait for the writer.": _processes,
    "Access to HDF5 is serialised unless the file system is parallel.": _serialised,
    "Appending to an LMDB can fail because its map is full.": lambda results: Verdict(
        NOT_MEASURED, "Stores are written whole here, and the map grows by itself."
    ),
    "Sequential keys favour LMDB; reading ranges from HDF5 beats reading one by one.": _sequential,
    "HDF5 and LMDB take more disk than PNG files.": _more_than_png,
}
"""What the article says, in this project's words, and the rule that judges it."""


def _verdict(holds: Sequence[bool | None], evidence: str, what: str = "") -> Verdict:
    """The verdict that findings lead to. Where they speak for and against the claim, it depends on `what`."""
    if all(holds):
        return Verdict(CONFIRMED, evidence)
    if not any(holds) and None not in holds:
        return Verdict(REFUTED, evidence)
    why = (
        f"It depends on {what}."
        if True in holds and False in holds
        else "What ties, is undecided or too short to notice leaves it open."
    )
    return Verdict(DEPENDS, f"{evidence} {why}")


def _all(holds: Iterable[bool | None]) -> bool | None:
    """Whether all findings hold: False where one doesn't, else None where one is open."""
    found = list(holds)
    return False if False in found else None if None in found else True


def _more(ratio: Ratio) -> bool | None:
    """Whether a ratio is surely above 1; None where it ties or is undecided."""
    return ratio.value > 1 if ratio.outcome == DIFFERENT else None


def _beyond(number: Bounded, limit: float) -> bool | None:
    """Whether a number is above a limit; None where that is open."""
    return True if number.low >= limit else False if number.high < limit else None


def _apart(rows: Iterable[MeasuredRow], by: Callable[[float, float], float]) -> Bounded:
    """How far writing and reading are apart, in seconds or by a factor: the typical, and the least and most that both
    intervals allow."""
    short, long = sorted(rows, key=lambda row: row.median_seconds)
    return Bounded(
        by(long.median_seconds, short.median_seconds),
        low=max(by(1.0, 1.0), by(long.interval_low_seconds, short.interval_high_seconds)),
        high=by(long.interval_high_seconds, short.interval_low_seconds),
    )


def _largest(name: str, found: dict[str, Bounded]) -> bool | None:
    """Whether the interval of one of several numbers is above the intervals of all others; None where that is open."""
    others = [number for other, number in found.items() if other != name]
    if all(found[name].low > other.high for other in others):
        return True
    return False if any(found[name].high < other.low for other in others) else None


def _most_processes(results: Results, backend: str) -> tuple[int, dict[MeasuredRow, Bounded]]:
    """The largest cutoff that several processes read; its row with most processes for each way of starting them, with
    how many times as fast these processes are as one."""
    for cutoff in reversed(results.tables.cutoffs):
        cell = (backend, cutoff, WORKERS)
        shared = [row for row in results.tables.measured_rows if row.cell == cell and row.processes > 1 and row.speedup]
        most = {row.start_method: row for row in sorted(shared, key=lambda row: row.processes)}.values()
        if most:
            return cutoff, {row: row.speedup for row in most if row.speedup}
    return 0, {}


def _shared(backend: str, cutoff: int, rows: dict[MeasuredRow, Bounded]) -> str:
    """How much faster several processes read than one, in words."""
    said = [
        f"{row.processes} processes ({row.start_method}) read {wording.times(found.value)} as fast as one "
        f"({row.interval_kind} {wording.times_between(found.low, found.high)})"
        for row, found in rows.items()
    ]
    return f"From {backend} with {wording.images(cutoff)}, {wording.join(said)}."


def _measure(name: str) -> str:
    return f"{name.split('_')[0].capitalize()} size"


def _missing(
    results: Results, *operations: str, backends: Sequence[str] = ARTICLE_BACKENDS, cutoff: int | None = None
) -> Verdict:
    """Why a claim can't be judged: backends or operations that this run is without, or numbers."""
    for asked, known in ((backends, results.tables.backends), (operations, results.tables.operations)):
        if absent := [name for name in asked if name not in known]:
            return Verdict(NOT_MEASURED, f"This run is without {wording.join(absent)}.")
    where = f" at {wording.images(cutoff)}" if cutoff else ""
    return Verdict(NOT_MEASURED, f"This run has no numbers for it{where}.")
