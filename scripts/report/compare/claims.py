"""The article's claims, each with a verdict computed from what was measured here. Their source is `article.py`.

A rule collects findings. A finding speaks for the claim (True), against it (False) or leaves it open (None), as a tie,
an undecided ratio and an unnoticeable time do. Where all findings speak for the claim, it is confirmed; where all speak
against it, it is refuted. Else it depends, and the evidence says on what.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import sub, truediv

from scripts.report import corrections, wording
from scripts.report.compare import trends
from scripts.report.compare.answers import MEASURES
from scripts.report.compare.article import KILOBYTES
from scripts.report.compare.results import Results
from scripts.report.rows import MeasuredRow
from scripts.report.tables import pixels
from scripts.report.ties import DIFFERENT, UNDECIDED, Bounded, Ratio, exact

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
LARGE_PIXELS = 256 * 256
"""Images of at least this many pixels are large."""
MUCH_LARGER = 1.2
ONE_ALONE, ONE_OF_ALL = "an image read alone, in random order,", "one of all read in order"
NOBODY = " (too short for anybody to notice)"


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: the verdict and, in a sentence or two, the numbers behind it."""

    verdict: str
    evidence: str


@dataclass(frozen=True)
class Rule:
    """`judge` gives a claim's verdict from the numbers at a cutoff, or None where some are missing. `needs` are the
    backends and operations of these numbers."""

    judge: Callable[[Results, int], Verdict | None]
    needs: tuple[str, ...] = ARTICLE_BACKENDS

    def verdict(self, results: Results) -> Verdict:
        """The verdict at the largest cutoff that has all numbers, or what the run lacks."""
        for cutoff in reversed(results.tables.cutoffs):
            if verdict := self.judge(results, cutoff):
                return verdict
        absent = [name for name in self.needs if name not in (*results.tables.backends, *results.tables.operations)]
        lacks = f"is without {wording.join(absent)}" if absent else "has no numbers for it"
        return Verdict(NOT_MEASURED, f"This run {lacks}.")


def judge(results: Results) -> dict[str, Verdict]:
    """Every claim in the article's order, with its verdict."""
    return {says: rule.verdict(results) for says, rule in CLAIMS.items()}


def _disk(results: Results, cutoff: int, larger: Sequence[str], smaller: Sequence[str]) -> Verdict | None:
    """Whether each of the `larger` stores takes more disk than all of the `smaller` ones, by both measures."""
    holds, found = [], []
    for measure in MEASURES:
        sizes = results.tables.sizes(measure, cutoff)
        if any(name not in sizes for name in ARTICLE_BACKENDS):
            return None
        holds += [_all(_more(exact(sizes[name] / sizes[other])) for other in smaller) for name in larger]
        numbers = wording.join(f"{name} {wording.size(sizes[name])}" for name in ARTICLE_BACKENDS)
        found.append(f"{measure.split('_')[0].capitalize()} size of {wording.images(cutoff)}: {numbers}.")
    return _verdict(holds, " ".join(found), "which sizes one compares")


def _overtakes(results: Results, cutoff: int) -> Verdict | None:
    holds, found = [], []
    for operation in (WRITE, READ):
        measured = [size for size in results.tables.cutoffs if results.ratio_if_measured(operation, size, HDF5, LMDB)]
        if cutoff not in measured or measured[0] > SMALL or cutoff < 10 * measured[0]:
            return None
        slower, said = [], []
        among = next(names for names in results.tables.groups.values() if LMDB in names)
        for size, one, other in ((measured[0], HDF5, LMDB), (cutoff, LMDB, HDF5)):
            ratio, noticeable = results.ratio(operation, size, one, other), results.noticeable(operation, size, among)
            slower.append(_more(ratio) if noticeable else None)
            said.append(
                f"{wording.compared(one, other, ratio)} at {wording.images(size)}{'' if noticeable else NOBODY}"
            )
        holds.append(_all(slower))
        said += [crossover.phrase for crossover in trends.crossovers(results, operation, HDF5, LMDB, among)]
        found.append(f"{wording.operation(operation)}: {', '.join(said)}.")
    return _verdict(holds, " ".join(found), "whether one writes or reads")


def _largest_gap(results: Results, cutoff: int) -> Verdict | None:
    cells = {name: [(name, cutoff, kind) for kind in (WRITE, READ)] for name in ARTICLE_BACKENDS}
    if any(cell not in results.times for pair in cells.values() for cell in pair):
        return None
    rows = {name: [results.row(cell) for cell in pair] for name, pair in cells.items()}
    apart, factors = ({name: _apart(pair, by) for name, pair in rows.items()} for by in (sub, truediv))
    numbers = wording.join(
        f"{name} {wording.seconds(apart[name].value)} or a factor of {wording.significant(factors[name].value, 2)}"
        for name in ARTICLE_BACKENDS
    )
    evidence = f"Between writing and warm reading of {wording.images(cutoff)}: {numbers}."
    return _verdict([_largest(PNG, apart), _largest(PNG, factors)], evidence, "seconds or factors")


def _epoch(results: Results, cutoff: int) -> Verdict | None:
    rows = [row for row in results.tables.measured(READ, cutoff) if row.backend in ARTICLE_BACKENDS]
    if len(rows) < 2:
        return None
    fast, slow = rows[0], rows[-1]
    ratio = results.ratio(READ, cutoff, slow.backend, fast.backend)
    low, high = TENFOLD
    times = ", ".join(f"{row.backend} {results.tables.time(row)}" for row in (fast, slow))
    evidence = f"One warm pass over {wording.images(cutoff)}: {times}, {wording.factor(ratio)}."
    if not results.noticeable(READ, cutoff) or ratio.high < 2:
        return Verdict(REFUTED, f"{evidence} The choice between these hardly matters.")
    if ratio.outcome == UNDECIDED:
        return Verdict(DEPENDS, f"{evidence} That is undecided: this run can't tell whether they differ.")
    size = "about ten times" if ratio.low <= high and ratio.high >= low else "not ten times"
    why = "depends on how much of its time a training waits for images"
    return Verdict(DEPENDS, f"{evidence} That is {size}, and {why}.")


def _large_images(results: Results, _cutoff: int) -> Verdict | None:
    """Each image size at its largest cutoff. Sizes of `LARGE_PIXELS` and more decide; the others show how disk use
    grows."""
    holds, found = [], []
    for size, tables in results.tables.by_size.items():
        stores = ((tables.store(LMDB, most), tables.store(HDF5, most)) for most in reversed(tables.cutoffs))
        lmdb, hdf5 = next(filter(all, stores), (None, None))
        if not (lmdb and hdf5):
            continue
        said, largest = [], size
        for measure in MEASURES:
            column = measure.replace("_bytes", "_ratio_to_raw")
            ratios = {row.backend: ratio for row in (lmdb, hdf5) if (ratio := getattr(row, column))}
            if len(ratios) == 2:
                numbers = wording.join(f"{name} {wording.times(ratio)}" for name, ratio in ratios.items())
                said.append(f"{measure.removesuffix('_bytes')} {numbers}")
                holds += [ratios[LMDB] > MUCH_LARGER * ratios[HDF5]] if pixels(size) >= LARGE_PIXELS else []
        found.append(f"{wording.images(lmdb.cutoff_images)} of {wording.pixels(size)}: {', '.join(said)}")
    if not found:
        return None
    if not holds:
        return Verdict(NOT_MEASURED, f"The largest images that both stores hold here have {wording.pixels(largest)}.")
    return _verdict(
        holds, f"Bytes over raw pixels, {'; '.join(found)}.", "the image size, and on which bytes one compares"
    )


def _processes(results: Results, cutoff: int) -> Verdict | None:
    rows = _most_processes(results, LMDB, cutoff)
    if not rows:
        return None
    holds = [_beyond(found, AS_FAST * row.processes) for row, found in rows.items()]
    evidence = f"{_shared(LMDB, cutoff, rows)} Readers beside a writer were not measured."
    return _verdict(holds, evidence, "how the processes are started")


def _serialised(results: Results, cutoff: int) -> Verdict | None:
    rows = _most_processes(results, HDF5, cutoff)
    rows = {row: found for row, found in rows.items() if row.start_method == SPAWN}
    if not rows:
        return None
    store = results.tables.store(HDF5, cutoff)
    file_system = store.file_system if store else None
    if file_system in PARALLEL_FILE_SYSTEMS:
        return Verdict(NOT_MEASURED, f"The stores are on {file_system}, a parallel file system.")
    faster = [_beyond(found, HARDLY_FASTER) for found in rows.values()]
    where = f" The stores are on {file_system}." if file_system else ""
    return _verdict([None if found is None else not found for found in faster], _shared(HDF5, cutoff, rows) + where)


def _sequential(results: Results, cutoff: int) -> Verdict | None:
    ratios = {}
    for name in (LMDB, HDF5):
        drawn, in_order = (results.time_of_all(name, cutoff, operation) for operation in (RANDOM, READ))
        if not (drawn and in_order):
            return None
        ratios[name] = corrections.ratio(drawn, in_order)
    said = (f"from {name}, {wording.compared(ONE_ALONE, ONE_OF_ALL, ratio)}" for name, ratio in ratios.items())
    evidence = f"Of {wording.images(cutoff)}, warm: {'; '.join(said)}."
    return _verdict([_more(ratio) for ratio in ratios.values()], evidence, "the store")


CLAIMS = {
    "LMDB takes the most disk for a single image.": Rule(
        lambda results, cutoff: _disk(results, cutoff, (LMDB,), (PNG, HDF5)) if cutoff == 1 else None
    ),
    "HDF5 is slower than LMDB with few images and overtakes it as they become more.": Rule(
        _overtakes, (LMDB, HDF5, WRITE, READ)
    ),
    "PNG files have the largest gap between reading and writing.": Rule(_largest_gap, (*ARTICLE_BACKENDS, WRITE, READ)),
    "A store that is ten times slower to read turns forty minutes of training into six hours.": Rule(
        _epoch, (*ARTICLE_BACKENDS, READ)
    ),
    "With larger images LMDB's disk use goes off the chart, HDF5's stays smaller.": Rule(_large_images, (LMDB, HDF5)),
    "Ten processes read an LMDB ten times as fast, and readers don't wait for the writer.": Rule(
        _processes, (LMDB, WORKERS)
    ),
    "Access to HDF5 is serialised unless the file system is parallel.": Rule(_serialised, (HDF5, WORKERS)),
    "Appending to an LMDB can fail because its map is full.": Rule(
        lambda *_: Verdict(NOT_MEASURED, "Stores are written whole here, and the map grows by itself.")
    ),
    "Sequential keys favour LMDB; reading ranges from HDF5 beats reading one by one.": Rule(
        _sequential, (LMDB, HDF5, RANDOM, READ)
    ),
    "HDF5 and LMDB take more disk than PNG files.": Rule(
        lambda results, cutoff: _disk(results, cutoff, (HDF5, LMDB), (PNG,))
    ),
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


def _most_processes(results: Results, backend: str, cutoff: int) -> dict[MeasuredRow, Bounded]:
    """The row with most processes for each way of starting them, with how many times as fast they read as one."""
    most = {}
    for row in sorted(results.tables.measured_rows, key=lambda row: row.processes):
        if row.cell == (backend, cutoff, WORKERS) and row.processes > 1 and row.speedup:
            most[row.start_method] = row, row.speedup
    return dict(most.values())


def _shared(backend: str, cutoff: int, rows: dict[MeasuredRow, Bounded]) -> str:
    """How much faster several processes read than one, in words."""
    said = [
        f"{row.processes} processes ({row.start_method}) read {wording.times(found.value)} as fast as one "
        f"({row.interval_kind} {wording.times_between(found.low, found.high)})"
        for row, found in rows.items()
    ]
    return f"From {backend} with {wording.images(cutoff)}, {wording.join(said)}."
