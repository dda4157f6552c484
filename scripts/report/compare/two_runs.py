"""Two runs of the same cells: which cells take longer, or less long, in the second, beyond noise.

Three kinds of noise stand between a number and a difference.

- Within a job: cells are compared by the rule of `scripts.report.corrections`. It corrects times for the state of the
  machine, as far as the reference files of both runs show it. A cell that ties or is undecided is no difference.
- Between jobs: whole jobs of the same code differ by more than their samples tell. The cells themselves show by how
  much. A change in a library tends to change an operation alike at every number of images. So the cells of one backend
  and operation differ from each other by noise (`estimates.spread`).
- Among many cells: of 192 cells without a difference, ten would lie outside their 95 % intervals. So each cell gets the
  probability of a ratio like its own under both kinds of noise (`estimates.p_value`), and Benjamini and Hochberg's
  procedure (`estimates.discoveries`) decides. Where no cell differs, at most one comparison in twenty names any cell.
  Where cells do differ, on average at most one named cell in twenty is chance. Bonferroni's correction would name next
  to no cells, as most cells have few samples.

A difference must also count: it is listed from a factor on, 1.1 unless told otherwise.

Many cells together show what one alone can't. A backend that is 1.2x slower throughout is found, where a single cell
must be much slower. A change that hits half of the cutoffs of every measured backend passes for noise: measure beside
it a backend that didn't change.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.common.errors import UserError
from scripts.measure.stopping import CONFIDENCE
from scripts.report import corrections, estimates, tables, wording
from scripts.report.compare.results import Results
from scripts.report.corrections import Timed
from scripts.report.estimates import DIFFERENT, RANGE, TIED, UNDECIDED, Ratio
from scripts.report.rows import CellName, SummaryRow, TimingRow
from scripts.report.tables import Tables

FACTOR = 1.1
ASSUMED_NOISE = 0.042
"""The standard deviation of the logarithm of a ratio of two jobs, where no two cells show it. On a shared virtual
machine of two cores, ratios to the reference file had one of 3 % from job to job, and here are two jobs."""
LONGER = 4
"""Undecided cells are to be sampled for this many times as long as before, which makes an interval half as wide."""
MOST_UNDECIDED = 10
"""At most this many undecided cells are named."""
HEADINGS = ("backend", "images", "operation", "A", "B", "B over A", "95 % interval", "disturbed")


@dataclass(frozen=True)
class Difference:
    """A cell that differs: its medians in the first and second run, in seconds or, of different machines, in times of
    the reference file, and the second over the first.

    `disturbed` names the runs in which something disturbed its timing job: "", "A", "B" or "A and B".
    """

    backend: str
    cutoff: int
    operation: str
    before: float
    after: float
    ratio: Ratio
    disturbed: str

    @property
    def slower(self) -> bool:
        """Whether the second run is the slower one."""
        return self.ratio.value > 1


@dataclass(frozen=True)
class Differences:
    """What two runs differ in: the cells listed, and how many were compared or couldn't be.

    - `tied`: the number of cells that surely don't differ by more than the threshold.
    - `undecided`: the number of cells of which the two runs can't tell.
    - `open_still`: undecided cells that look different by as much as counts, with their ratios. `to_measure` are their
      names for the step `again`, `longer_seconds` how long to sample each.
    - `only_before`, `only_after`: the numbers of cells that were measured in one run alone.
    - `unlike`: the number of cells whose samples were taken otherwise (number of images, eviction, threads, size of a
      batch), or that have no reference file where one is needed.
    - `noise`: the factor by which jobs typically differ between the runs without a cause. It is assumed where
      `noise_known` is false, as so few cells don't show it.
    - `machines`: the machines of the two runs, one name or several in each.
    - `measured_alike`: whether the same code measured both.
    """

    listed: list[Difference]
    compared: int
    tied: int
    undecided: int
    open_still: list[tuple[CellName, Ratio]]
    to_measure: list[str]
    longer_seconds: int
    only_before: int
    only_after: int
    unlike: int
    noise: float
    noise_known: bool
    machines: tuple[str, str]
    measured_alike: bool

    @property
    def slower(self) -> int:
        """How many cells are slower in the second run."""
        return sum(difference.slower for difference in self.listed)

    @property
    def one_machine(self) -> bool:
        """Whether both runs are from the same kind of machine."""
        return self.machines[0] == self.machines[1]


def load(directory: Path) -> Results:
    """The cells of a run and their samples, from the tables in a directory. Raises UserError where they aren't there
    or aren't of this version."""
    summary, timings = tables.load(SummaryRow, directory), tables.load(TimingRow, directory)
    return Results(Tables(summary, [], []), timings)


def find(before: Results, after: Results, factor: float = FACTOR) -> Differences:
    """The cells of the main groups that take at least `factor` times as long in the one run as in the other, by the
    rules above.

    Runs of different machines are compared by how many times as long as the reference file each takes. Raises UserError
    where the runs are of different images or have no cell in common.
    """
    _refuse_other_images(before.tables, after.tables)
    machines = (wording.join(before.tables.machines), wording.join(after.tables.machines))
    one_machine = machines[0] == machines[1]
    common = [name for name in before.jobs if name in after.jobs]
    alike = [name for name in common if _alike(name, before, after, one_machine)]
    if not alike:
        raise UserError("the two runs have no cell in common that can be compared; measure the same cells in both")
    times = _times(alike, before, after, one_machine)
    ratios = {name: corrections.ratio(second, first) for name, (first, second) in times.items()}
    outcomes = [ratio.outcome for ratio in ratios.values()]
    known_noise = _between_jobs(ratios)
    noise = ASSUMED_NOISE if known_noise is None else known_noise
    found = estimates.discoveries([estimates.p_value(ratio, noise) for ratio in ratios.values()])
    beyond_chance = dict(zip(ratios, found, strict=True))
    apart = {name: abs(math.log(ratio.value)) for name, ratio in ratios.items()}
    enough = [(name, ratio) for name, ratio in ratios.items() if apart[name] >= math.log(factor)]
    listed = [
        _difference(name, before, after, times[name], ratio)
        for name, ratio in enough
        if beyond_chance[name] and ratio.outcome == DIFFERENT
    ]
    looking_different = [(name, ratio) for name, ratio in enough if ratio.outcome == UNDECIDED]
    open_still = sorted(looking_different, key=lambda each: -apart[each[0]])[:MOST_UNDECIDED]
    to_measure = [after.row(name).full_cell.name for name, _ in open_still]
    sampled = (row for run in (before, after) for row in run.timings if row.cell in dict(open_still))
    measuring = [{row.measuring_digest for row in run.tables.main} for run in (before, after)]
    return Differences(
        listed,
        compared=len(alike),
        tied=outcomes.count(TIED),
        undecided=outcomes.count(UNDECIDED),
        open_still=open_still,
        to_measure=to_measure,
        longer_seconds=LONGER * math.ceil(max((row.started_seconds for row in sampled), default=0)),
        only_before=len(before.jobs) - len(common),
        only_after=len(after.jobs) - len(common),
        unlike=len(common) - len(alike),
        noise=math.exp(noise),
        noise_known=known_noise is not None,
        machines=machines,
        measured_alike=measuring[0] == measuring[1],
    )


def lines(found: Differences) -> list[str]:
    """The differences as a table of text, then how many there are of what, in one line."""
    said = []
    if not found.one_machine:
        first, second = found.machines
        said.append(f"A is of machine {first}, B of {second}: A and B are in times of the reference file of each.")
    if not found.measured_alike:
        said.append(
            "Other code, or other versions of its libraries, measured B than A: differences may come from that."
        )
    if found.listed:
        said += [*_table([HEADINGS, *(_cells(difference, found.one_machine) for difference in found.listed)]), ""]
    else:
        said.append("No cell surely differs.")
    if found.open_still:
        said.append("Undecided, though they look different:")
        for (backend, cutoff, operation), ratio in found.open_still:
            between = wording.undecided(ratio.value, ratio.low, ratio.high)
            said.append(f"{backend}  {cutoff:,}  {operation}  {between}")
        command = f"python scripts again {' '.join(found.to_measure)} --seconds {found.longer_seconds}"
        said += ["", f"To decide, in the checkout of each: {command}", ""]
    faster = len(found.listed) - found.slower
    others = [f"{found.only_before} cells only in A", f"{found.only_after} only in B"]
    if found.unlike:
        others.append(f"{found.unlike} in both but sampled otherwise (other images, batches, threads or eviction)")
    noise = f"jobs differ by a factor of {wording.significant(found.noise)} without a cause"
    if not found.noise_known:
        noise += ", assumed, for so few cells don't show it"
    by_chance = round((1 - CONFIDENCE) * found.compared)
    said.append(
        f"{found.compared} cells compared: {found.slower} slower in B, {faster} faster, "
        f"{_rest(found)}; {', '.join(others)}. "
        f"Chance alone makes about {by_chance} differ at 95 % each, as a rule none by the stricter rule used here; "
        f"{noise}."
    )
    return said


def _rest(found: Differences) -> str:
    """What the cells are that aren't listed."""
    remedy = ", which more seconds for each would decide" if found.undecided else ""
    more = found.compared - len(found.listed) - found.tied - found.undecided
    little = f", {more} different by less than counts or by chance" if more else ""
    return f"{found.tied} surely alike, {found.undecided} undecided{remedy}{little}"


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
    operation or, where there is but one cutoff, among the operations of each backend; None where there is one too."""
    cutoffs = {cutoff for _, cutoff, _ in ratios}
    groups = defaultdict(list)
    for (backend, _, operation), ratio in ratios.items():
        groups[backend, operation if len(cutoffs) > 1 else None].append(math.log(ratio.value))
    return estimates.spread(groups.values())


def _difference(
    name: CellName, before: Results, after: Results, times: tuple[Timed, Timed], ratio: Ratio
) -> Difference:
    rows = [run.row(name) for run in (before, after)]
    disturbed = [run for run, row in zip("AB", rows, strict=True) if row.disturbances]
    first, second = (time.estimate.value for time in times)
    return Difference(*name, first, second, ratio, wording.join(disturbed))


def _cells(difference: Difference, one_machine: bool) -> tuple[str, ...]:
    ratio = difference.ratio
    say = wording.seconds if one_machine else wording.times
    return (
        difference.backend,
        f"{difference.cutoff:,}",
        difference.operation,
        say(difference.before),
        say(difference.after),
        wording.times(ratio.value),
        wording.times_between(ratio.low, ratio.high) + (f" ({RANGE})" if ratio.kind == RANGE else ""),
        difference.disturbed,
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
