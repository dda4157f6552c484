"""Two runs of the same cells: which cells take longer, or less long, in the second, beyond noise.

Noise within a job is the business of `scripts.report.corrections`: cells that tie or are undecided don't differ. Noise
between jobs shows in how the cutoffs of one backend and operation differ (`estimates.spread`). Among many cells some
differ by chance: `estimates.p_value` and `estimates.discoveries` decide. See docs/method.md for why.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.common.errors import UserError
from scripts.measure.stopping import CONFIDENCE
from scripts.report import corrections, estimates, tables, wording
from scripts.report.compare.results import LONGER, Results
from scripts.report.corrections import Timed
from scripts.report.rows import CellName, SummaryRow, TimingRow
from scripts.report.tables import Tables
from scripts.report.ties import DIFFERENT, RANGE, TIED, UNDECIDED, Ratio

FACTOR = 1.1
ASSUMED_NOISE = 0.042
"""The standard deviation of the logarithm of a ratio of two jobs, where no two cells show it. On a shared virtual
machine of two cores, ratios to the reference file had one of 3 % from job to job, and here are two jobs."""
MOST_UNDECIDED = 10
"""At most this many undecided cells are named."""
HEADINGS = ("backend", "images", "operation", "A", "B", "B over A", "95 % interval", "disturbed")


@dataclass(frozen=True)
class Differences:
    """What two runs differ in.

    - `times` and `ratios`: of each cell compared the two times, and how many times as long it takes in the second run.
    - `unlike`: the number of cells that can't be compared, as their samples were taken otherwise.
    - `listed` and `open_still`: the cells that surely differ by as much as counts, and undecided ones that look so.
    - `noise`: the factor by which jobs typically differ without a cause, assumed where `noise_known` is false.
    """

    before: Results
    after: Results
    times: Mapping[CellName, tuple[Timed, Timed]]
    ratios: Mapping[CellName, Ratio]
    unlike: int
    listed: list[CellName]
    open_still: list[CellName]
    noise: float
    noise_known: bool

    @property
    def slower(self) -> int:
        """How many of the listed cells are slower in the second run."""
        return sum(self.ratios[name].value > 1 for name in self.listed)


def load(directory: Path) -> Results:
    """The cells of a run and their samples, from the tables in a directory. Raises UserError as `tables.load` does."""
    summary, timings = tables.load(SummaryRow, directory), tables.load(TimingRow, directory)
    return Results(Tables.of_run(summary, [], []), timings)


def by_size(before: Results, after: Results, factor: float = FACTOR) -> dict[str, Differences]:
    """What `find` finds at each image size that both runs have, the smallest first. Raises UserError as `find` does,
    and where the runs have no image size in common."""
    sizes = [size for size in before.by_size if size in after.by_size]
    if not sizes:
        each = (wording.join(run.by_size) for run in (before, after))
        raise UserError(f"A is of images of {next(each)} pixels, B of {next(each)}; compare runs on the same images")
    return {size: find(before.by_size[size], after.by_size[size], factor) for size in sizes}


def find(before: Results, after: Results, factor: float = FACTOR) -> Differences:
    """The cells of the main groups that take at least `factor` times as long in the one run as in the other.

    Runs of different machines are compared by how many times as long as the reference file each takes. Raises UserError
    where the runs are of different images or have no cell in common.
    """
    _refuse_other_images(before.tables, after.tables)
    one_machine = before.tables.machines == after.tables.machines
    common = [name for name in before.jobs if name in after.jobs]
    alike = [name for name in common if _alike(name, before, after, one_machine)]
    if not alike:
        raise UserError("the two runs have no cell in common that can be compared; measure the same cells in both")
    times = _times(alike, before, after, one_machine)
    ratios = {name: corrections.ratio(second, first) for name, (first, second) in times.items()}
    known_noise = _between_jobs(ratios)
    noise = ASSUMED_NOISE if known_noise is None else known_noise
    found = estimates.discoveries([estimates.p_value(ratio, noise) for ratio in ratios.values()])
    beyond_chance = dict(zip(ratios, found, strict=True))
    apart = {name: abs(math.log(ratio.value)) for name, ratio in ratios.items()}
    enough = [name for name in ratios if apart[name] >= math.log(factor)]
    looking_different = [name for name in enough if ratios[name].outcome == UNDECIDED]
    return Differences(
        before,
        after,
        times,
        ratios,
        unlike=len(common) - len(alike),
        listed=[name for name in enough if beyond_chance[name] and ratios[name].outcome == DIFFERENT],
        open_still=sorted(looking_different, key=lambda name: -apart[name])[:MOST_UNDECIDED],
        noise=math.exp(noise),
        noise_known=known_noise is not None,
    )


def lines(found: Differences) -> list[str]:
    """The differences as a table of text, then how many there are of what, in one line."""
    said = []
    runs = (found.before, found.after)
    machines, measuring = zip(
        *((run.tables.machines, {row.measuring_digest for row in run.tables.main}) for run in runs), strict=True
    )
    if machines[0] != machines[1]:
        first, second = map(wording.join, machines)
        said.append(f"A is of machine {first}, B of {second}: A and B are in times of the reference file of each.")
    if measuring[0] != measuring[1]:
        said.append("Other code or versions of its libraries measured B than A: differences may come from that.")
    if found.listed:
        say = wording.seconds if machines[0] == machines[1] else wording.times
        rows = [HEADINGS, *(_row(found, name, say) for name in found.listed)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        said += [*("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows), ""]
    else:
        said.append("No cell surely differs.")
    if found.open_still:
        said.append("Undecided, though they look different:")
        for backend, cutoff, operation in found.open_still:
            ratio = found.ratios[backend, cutoff, operation]
            between = wording.undecided(ratio.value, ratio.low, ratio.high)
            said.append(f"{backend}  {cutoff:,}  {operation}  {between}")
        cells = " ".join(found.after.row(name).full_cell.name for name in found.open_still)
        sampled = (row.started_seconds for run in runs for row in run.timings if row.cell in found.open_still)
        seconds = LONGER * math.ceil(max(sampled))
        said += ["", f"To decide, in the checkout of each: python scripts again {cells} --seconds {seconds}", ""]
    outcomes = Counter(ratio.outcome for ratio in found.ratios.values())
    counts = {
        "slower in B": found.slower,
        "faster": len(found.listed) - found.slower,
        "surely alike": outcomes[TIED],
        "undecided (more seconds for each would decide)": outcomes[UNDECIDED],
        "different by too little to count or by chance": outcomes[DIFFERENT] - len(found.listed),
        "only in A": len(found.before.jobs.keys() - found.after.jobs.keys()),
        "only in B": len(found.after.jobs.keys() - found.before.jobs.keys()),
        "sampled otherwise (other images, batches, threads or eviction)": found.unlike,
    }
    noise = f"jobs differ by a factor of {wording.significant(found.noise)} without a cause"
    if not found.noise_known:
        noise += ", assumed, for so few cells don't show it"
    by_chance = round((1 - CONFIDENCE) * len(found.ratios))
    said.append(
        f"{len(found.ratios)} cells compared: {', '.join(f'{count} {what}' for what, count in counts.items())}. "
        f"At 95 % each, chance makes about {by_chance} differ, usually none by the stricter rule used here; {noise}."
    )
    return said


def _times(
    names: Sequence[CellName], before: Results, after: Results, one_machine: bool
) -> dict[CellName, tuple[Timed, Timed]]:
    """The times of cells in both runs, corrected by what the reference file usually takes in the two together; of two
    machines, in times of the reference file of the same round."""
    jobs = {(name, place): run.jobs[name] for name in names for place, run in enumerate((before, after))}
    found = {job: Timed(own.ratios, own.ratios) for job, own in jobs.items()}
    if one_machine:
        found = corrections.correct(jobs, alike=lambda job: (job[0][1:], before.row(job[0]).way))
    return {name: (found[name, 0], found[name, 1]) for name in names}


def _refuse_other_images(before: Tables, after: Tables) -> None:
    if before.image_sets != after.image_sets:
        names = [wording.join(run.image_sets) for run in (before, after)]
        raise UserError(f"A is of {names[0]}, B of {names[1]}; compare runs on the same images")
    counts = [{row.cutoff_images: row.distinct_images for row in run.main} for run in (before, after)]
    for cutoff in sorted(set(counts[0]) & set(counts[1])):
        if counts[0][cutoff] != counts[1][cutoff]:
            raise UserError(
                f"at {wording.images(cutoff)} A has {counts[0][cutoff]:,} different images, B {counts[1][cutoff]:,}; "
                "compare runs on the same images"
            )


def _alike(name: CellName, before: Results, after: Results, one_machine: bool) -> bool:
    """Whether the samples of a cell were taken alike in both runs, and have what they are compared by."""
    rows = [run.row(name) for run in (before, after)]
    conditions = {(row.images, row.eviction, row.threads, row.batch_size, row.way) for row in rows}
    return len(conditions) == 1 and (one_machine or bool(before.jobs[name].ratios and after.jobs[name].ratios))


def _between_jobs(ratios: dict[CellName, Ratio]) -> float | None:
    """The standard deviation of the logarithms of ratios from job to job: among the cutoffs of each backend and
    operation or, of one cutoff, among the operations of each backend; None where there is one operation too."""
    cutoffs = {cutoff for _, cutoff, _ in ratios}
    groups = defaultdict(list)
    for (backend, _, operation), ratio in ratios.items():
        groups[backend, operation if len(cutoffs) > 1 else None].append(math.log(ratio.value))
    return estimates.spread(groups.values())


def _row(found: Differences, name: CellName, say: Callable[[float], str]) -> tuple[str, ...]:
    """The fields of a cell, its two times in words as `say` has them."""
    backend, cutoff, operation = name
    ratio = found.ratios[name]
    disturbed = [
        letter for letter, run in zip("AB", (found.before, found.after), strict=True) if run.row(name).disturbances
    ]
    return (
        backend,
        f"{cutoff:,}",
        operation,
        *(say(time.estimate.value) for time in found.times[name]),
        wording.times(ratio.value),
        wording.times_between(ratio.low, ratio.high) + (f" ({RANGE})" if ratio.kind == RANGE else ""),
        wording.join(disturbed),
    )
