"""What the cells of several cutoffs or operations say together: which store overtakes another, how times grow with the
number of images, and after how many epochs it pays to convert one store into another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

from scripts.measure.operations import catalogue
from scripts.report import estimates, wording
from scripts.report.compare.results import Results, one_image
from scripts.report.ties import Bounded

READ_OLD = catalogue.answering("read-all", catalogue.WARM)
WRITE_NEW = catalogue.answering("import", catalogue.FRESH)
"""Converting a store takes the first of each that was measured: reading all of the old one, writing the new one."""
EPOCHS = (*catalogue.answering("shuffle", catalogue.WARM), *READ_OLD)
"""The first of these operations that both stores have stands for an epoch."""


@dataclass(frozen=True)
class Crossover:
    """Below the cutoff `at` (images) `overtaking` is slower than `overtaken`, above it faster."""

    operation: str
    overtaking: str
    overtaken: str
    at: Bounded

    @property
    def phrase(self) -> str:
        """As in `hdf5 overtakes lmdb at about 340 images (between 210 and 900)`, to two digits."""
        about, low, high = (wording.significant(cutoff, 2) for cutoff in (self.at.value, self.at.low, self.at.high))
        return f"{self.overtaking} overtakes {self.overtaken} at about {about} images (between {low} and {high})"


@dataclass(frozen=True)
class BreakEven:
    """After `epochs` converting one store into another has paid; None where the new one's epoch isn't surely shorter.

    `conversion` are the two operations whose times make the cost, `epoch` is the one that stands for an epoch,
    `outcome` what the epochs with the two stores are to each other.
    """

    epochs: Bounded | None
    conversion: tuple[str, str]
    epoch: str
    outcome: str


def crossovers(
    results: Results, operation: str, one: str, other: str, among: Collection[str] | None = None
) -> list[Crossover]:
    """Where one of two backends overtakes the other in an operation, by ascending cutoff.

    Only cutoffs count at which anybody notices which store (of some) is fastest. See
    `scripts.report.estimates.crossovers`.
    """
    cutoffs = [cutoff for cutoff in results.tables.cutoffs if results.noticeable(operation, cutoff, among)]
    compared = [(cutoff, results.ratio_if_measured(operation, cutoff, one, other)) for cutoff in cutoffs]
    return [
        Crossover(operation, *((other, one) if crossing.rising else (one, other)), crossing)
        for crossing in estimates.crossovers([(cutoff, ratio) for cutoff, ratio in compared if ratio])
    ]


def growths(results: Results) -> dict[str, dict[str, Bounded]]:
    """The power of the number of images that the time for all of them grows with, by operation and backend.

    An operation that handles one image has no growth. See `scripts.report.estimates.growth`.
    """
    tables = results.tables
    found: dict[str, dict[str, Bounded]] = {}
    for operation, backend in product(tables.operations, tables.backends):
        times = {cutoff: results.time_of_all(backend, cutoff, operation) for cutoff in tables.cutoffs}
        seconds = {cutoff: time.seconds for cutoff, time in times.items() if time}
        exponent = None if one_image(operation) else estimates.growth(seconds)
        if exponent:
            found.setdefault(operation, {})[backend] = exponent
    return found


def break_evens(results: Results, most_targets: int | None = None) -> dict[int, dict[tuple[str, str], BreakEven]]:
    """After how many epochs converting pays, by cutoff, the largest first, and by the old and the new store.

    Only cutoffs count at which anybody notices how long an epoch takes, and of many new stores only the `most_targets`
    with the shortest epochs. See `scripts.report.estimates.break_even`.
    """
    found: dict[int, dict[tuple[str, str], BreakEven]] = {}
    for cutoff in reversed(results.tables.cutoffs):
        ranked = dict.fromkeys(name for operation in EPOCHS for name in results.tables.by_time(operation, cutoff))
        for source, target in product(results.tables.backends, list(ranked)[:most_targets]):
            if pair := break_even(results, cutoff, source, target):
                found.setdefault(cutoff, {})[source, target] = pair
    return found


def break_even(results: Results, cutoff: int, source: str, target: str) -> BreakEven | None:
    """After how many epochs it pays to convert one store into another; None for cutoffs that `break_evens` leaves out,
    and where it can't be done or wasn't measured."""
    epoch = first_measured(results, EPOCHS, cutoff, source, target)
    costs = conversion(results, cutoff, source, target)
    if not (epoch and costs and results.noticeable(epoch, cutoff)):
        return None
    shorter = results.ratio(epoch, cutoff, target, source)
    times = (results.time_of_all(name, cutoff, epoch) for name in (source, target))
    old, new = (time.seconds for time in times if time)
    read, write = costs
    paid = estimates.break_even(list(costs.values()), old, new) if shorter.shorter else None
    return BreakEven(paid, (read, write), epoch, shorter.outcome)


def conversion(results: Results, cutoff: int, source: str, target: str) -> dict[str, list[float]] | None:
    """The samples (s, for all images) of the two operations that converting one store into another takes, by name; None
    where it can't be done or wasn't measured.

    Files can't be had from decoded pixels. Files that stay as they are aren't decoded, as far as it is known how long
    that takes.
    """
    kinds = results.tables.kinds
    write = first_measured(results, WRITE_NEW, cutoff, target)
    read = first_measured(results, READ_OLD, cutoff, source)
    lost = kinds[target].keeps_files and not kinds[source].keeps_files
    if source == target or lost or not (read and write):
        return None
    times = ((name, results.time_of_all(store, cutoff, name)) for name, store in ((read, source), (write, target)))
    costs = {name: time.seconds for name, time in times if time}
    row = results.row((source, cutoff, read))
    if kinds[target].keeps_files and row.storage_seconds_per_image is not None:
        # Storage is a difference of two times, so in noise it may be less than nothing.
        share = max(0.0, row.storage_seconds_per_image / row.seconds_per_image)
        costs[read] = [share * seconds for seconds in costs[read]]
    return costs


def first_measured(results: Results, operations: Sequence[str], cutoff: int, *backends: str) -> str | None:
    """The first operation that all of these backends were measured in."""
    measured = (name for name in operations if all((backend, cutoff, name) in results.times for backend in backends))
    return next(measured, None)
