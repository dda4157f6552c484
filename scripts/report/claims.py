"""The article's claims, each with a verdict computed from what was measured here.

Source of the claims: see `scripts.report.article`. The one place, beside it, where the article's backends are named.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scripts.report import wording
from scripts.report.answers import MEASURES, Results
from scripts.report.article import KILOBYTES
from scripts.report.statistics import Ratio

CONFIRMED, REFUTED, DEPENDS, NOT_MEASURED = "confirmed", "refuted", "depends", "not measured"
PNG, LMDB, HDF5 = "png", "lmdb", "hdf5"
WRITE, READ = "write", "read-warm"
SMALL = 10
"""At most so many images are what the article's claims call few."""
TENFOLD = (8.0, 12.5)
"""What passes for ten times as long."""
LARGE_PIXELS = 256 * 256 * 3


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: the verdict and, in a sentence or two, the numbers behind it."""

    verdict: str
    evidence: str


@dataclass(frozen=True)
class Claim:
    """What the article says, and what was found here."""

    says: str
    verdict: str
    evidence: str


def judge(results: Results) -> list[Claim]:
    """Every claim with its verdict, in the article's order."""
    verdicts = {says: rule(results) for says, rule in CLAIMS.items()}
    return [Claim(says, found.verdict, found.evidence) for says, found in verdicts.items()]


def _single_image_disk(results: Results) -> Verdict:
    found = {}
    for measure in MEASURES:
        sizes = {name: row[measure] for name in (PNG, LMDB, HDF5) if (row := results.tables.store(name, 1))}
        if len(sizes) < 3:
            return _missing(results, 1)
        found[measure] = sizes
    holds = [sizes[LMDB] > max(sizes[PNG], sizes[HDF5]) for sizes in found.values()]
    evidence = " ".join(
        f"{_measure(measure)}: {wording.join(f'{name} {wording.size(value)}' for name, value in sizes.items())}."
        for measure, sizes in found.items()
    )
    return Verdict(_of(holds), evidence + _on(holds, "apparent or allocated size"))


def _overtakes(results: Results) -> Verdict:
    holds, fails, evidence = [], [], []
    for operation in (WRITE, READ):
        leads = {}
        for cutoff in results.tables.cutoffs:
            compared = results.ratio(operation, cutoff, HDF5, LMDB)
            if compared:
                leads[cutoff] = compared
        if not leads or min(leads) > SMALL or max(leads) < 10 * min(leads):
            return _missing(results, None)
        few, many = leads[min(leads)], leads[max(leads)]
        holds.append(not few.tie and few.value > 1 and not many.tie and many.value < 1)
        fails.append((not few.tie and few.value < 1) or (not many.tie and many.value > 1))
        evidence.append(
            f"{wording.operation(operation)}: {_compared(HDF5, LMDB, few)} at {wording.images(min(leads))}, "
            f"{_compared(HDF5, LMDB, many)} at {wording.images(max(leads))}."
        )
    if not any(holds) and not all(fails):
        return Verdict(DEPENDS, f"{' '.join(evidence)} A tie leaves it open.")
    return Verdict(_of(holds), " ".join(evidence) + _on(holds, "whether one writes or reads"))


def _largest_gap(results: Results) -> Verdict:
    times = {}
    for cutoff in results.tables.cutoffs:
        pairs = {name: [results.seconds(name, cutoff, kind) for kind in (WRITE, READ)] for name in (PNG, LMDB, HDF5)}
        if all(None not in pair for pair in pairs.values()):
            times[cutoff] = pairs
    if not times:
        return _missing(results, None)
    cutoff = max(times)
    apart = {name: abs(write - read) for name, (write, read) in times[cutoff].items()}
    factors = {name: max(pair) / min(pair) for name, pair in times[cutoff].items()}
    holds = [max(values, key=values.__getitem__) == PNG for values in (apart, factors)]
    numbers = wording.join(
        f"{name} {wording.seconds(apart[name])} or a factor of {wording.significant(factors[name], 2)}"
        for name in apart
    )
    evidence = f"Between writing and warm reading of {wording.images(cutoff)}: {numbers}."
    return Verdict(_of(holds), evidence + _on(holds, "seconds or factors"))


def _epoch(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        times = {name: results.seconds(name, cutoff, READ) for name in (PNG, LMDB, HDF5)}
        times = {name: time for name, time in times.items() if time is not None}
        if len(times) < 2:
            continue
        slow, fast = max(times, key=times.__getitem__), min(times, key=times.__getitem__)
        ratio = results.ratio(READ, cutoff, slow, fast)
        low, high = TENFOLD
        evidence = (
            f"One warm pass over {wording.images(cutoff)}: {fast} {wording.seconds(times[fast])}, {slow} "
            f"{wording.seconds(times[slow])}, {wording.factor(ratio)}. "
        )
        if ratio.high < 2:
            return Verdict(REFUTED, f"{evidence}The choice of store hardly matters here.")
        size = "about ten times" if low <= ratio.value <= high else "not ten times"
        return Verdict(
            DEPENDS, f"{evidence}That is {size}, and depends on how much of its time a training waits for images."
        )
    return _missing(results, None)


def _large_images(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        rows = {name: results.tables.store(name, cutoff) for name in (LMDB, HDF5)}
        if not all(rows.values()):
            continue
        pixels = rows[LMDB]["apparent_bytes_per_image"] / rows[LMDB]["apparent_ratio_to_raw"]
        if pixels < LARGE_PIXELS:
            return Verdict(NOT_MEASURED, f"The images of this run have {wording.size(pixels)} of pixels each.")
        ratios = {name: row["allocated_ratio_to_raw"] for name, row in rows.items()}
        numbers = wording.join(f"{name} {wording.times(ratio)}" for name, ratio in ratios.items())
        much_larger = ratios[LMDB] > 1.2 * ratios[HDF5]
        return Verdict(CONFIRMED if much_larger else REFUTED, f"Allocated bytes over raw pixels: {numbers}.")
    return _missing(results, None)


def _more_than_png(results: Results) -> Verdict:
    for cutoff in reversed(results.tables.cutoffs):
        holds, evidence = [], []
        for measure in MEASURES:
            ratios = {name: results.size_ratio(measure, cutoff, name, PNG) for name in (LMDB, HDF5)}
            if all(ratios.values()):
                holds += [ratio.value > 1 and not ratio.tie for ratio in ratios.values()]
                numbers = wording.join(f"{name} {wording.times(ratio.value)}" for name, ratio in ratios.items())
                evidence.append(f"{_measure(measure)} over png's at {wording.images(cutoff)}: {numbers}.")
        if len(holds) == 4:
            return Verdict(_of(holds), " ".join(evidence) + _on(holds, "the store and apparent or allocated size"))
    return _missing(results, None)


def _never(why: str) -> Callable[[Results], Verdict]:
    return lambda results: Verdict(NOT_MEASURED, why)


CLAIMS: dict[str, Callable[[Results], Verdict]] = {
    "LMDB takes the most disk for a single image.": _single_image_disk,
    "HDF5 is slower than LMDB with few images and overtakes it as they become more.": _overtakes,
    "PNG files have the largest gap between reading and writing.": _largest_gap,
    "A store that is ten times slower to read turns forty minutes of training into six hours.": _epoch,
    "With larger images LMDB's disk use goes off the chart, HDF5's stays smaller.": _large_images,
    "Ten processes read an LMDB ten times as fast, and readers don't wait for the writer.": _never(
        "This run reads with one process at a time."
    ),
    "Access to HDF5 is serialised unless the file system is parallel.": _never(
        "This run reads with one process at a time."
    ),
    "Appending to an LMDB can fail because its map is full.": _never(
        "Stores are written whole here, and the map grows by itself."
    ),
    "Sequential keys favour LMDB; reading ranges from HDF5 beats reading one by one.": _never(
        "This run reads all images in order; it has no operation with random or single reads."
    ),
    "HDF5 and LMDB take more disk than PNG files.": _more_than_png,
}
"""What the article says, in this project's words, and the rule that judges it."""


def _of(holds: list[bool]) -> str:
    if all(holds):
        return CONFIRMED
    return DEPENDS if any(holds) else REFUTED


def _on(holds: list[bool], what: str) -> str:
    return f" It depends on {what}." if _of(holds) == DEPENDS else ""


def _measure(name: str) -> str:
    return f"{name.split('_')[0].capitalize()} size"


def _compared(one: str, other: str, ratio: Ratio) -> str:
    """How long one takes by the other, in words: `hdf5 takes 0.31 times as long as lmdb (...)`."""
    if ratio.tie:
        return f"{one} and {other} tie"
    return f"{one} takes {wording.factor(ratio, f'as long as {other}')}"


def _missing(results: Results, cutoff: int | None) -> Verdict:
    absent = [name for name in KILOBYTES if name not in results.tables.backends]
    if absent:
        return Verdict(NOT_MEASURED, f"This run is without {wording.join(absent)}.")
    where = f" at {wording.images(cutoff)}" if cutoff else ""
    return Verdict(NOT_MEASURED, f"This run has no numbers for it{where}.")
