"""The answer for images that are files already: leave the folder alone, pack the files, or decode them once.

The choices give different things: a store of decoded pixels has lost what is above its image size. So the best store is
named within each choice, and between choices the page says how much faster, how much disk, and what is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare import answers, purposes, trends
from scripts.report.compare.answers import Answer
from scripts.report.compare.results import Results
from scripts.report.compare.trends import BreakEven
from scripts.report.rows import BuiltRow, MeasuredRow
from scripts.report.ties import TIED, UNDECIDED, Ratio

FOLDER = ("files-original-copy", "files-original")
"""The folder as it is, or the copy of it beside the stores that is compared in its place where there is one."""
WARM = trends.EPOCHS
COLD = (*catalogue.answering("shuffle", catalogue.COLD), *catalogue.answering("read-all", catalogue.COLD))
"""The first of these operations that was measured says how fast a store gives images."""
LEAVE, PACK, DECODE = "Leave the folder alone", "Pack the files", "Decode and resize once"


@dataclass(frozen=True)
class Rate:
    """How fast a store gives images: the row of its cell, and how that compares with the folder, in words."""

    row: MeasuredRow
    to_folder: str


@dataclass(frozen=True)
class Choice:
    """One of the three things to do, with the best store for it at a number of images; `answer` is None for the folder.

    `lost` says what the files have and the store hasn't.
    """

    results: Results
    title: str
    cutoff: int
    folder: str
    store: str
    answer: Answer | None
    lost: str

    @property
    def said(self) -> str:
        """The best stores in words; where none wins, one of them stands for all."""
        if self.answer is None or self.answer.noticeable:
            return purposes.choice(self.answer) if self.answer else self.store
        return f"{purposes.HANDIEST}, such as {self.store}"

    @property
    def warm(self) -> Rate | None:
        """How fast the store gives images from memory."""
        return self._rate(WARM)

    @property
    def cold(self) -> Rate | None:
        """How fast the store gives images from the disk."""
        return self._rate(COLD)

    @property
    def built(self) -> BuiltRow | None:
        """The row of the store's disk usage."""
        return self.results.tables.store(self.store, self.cutoff)

    @property
    def bytes(self) -> int:
        """The allocated bytes of the store, or the apparent ones where the file system hides those; 0 if unknown."""
        return _bytes(self.results, self.store, self.cutoff)

    @property
    def disk_to_folder(self) -> float | None:
        """How many times the bytes of the folder the store takes."""
        folder = _bytes(self.results, self.folder, self.cutoff)
        return self.bytes / folder if folder and self.store != self.folder else None

    @property
    def conversion_seconds(self) -> float | None:
        """How long it takes to make the store from the folder: reading it, with decoding where the store has pixels,
        and writing. None where that is unknown."""
        if self.store == self.folder:
            return 0.0
        costs = trends.conversion(self.results, self.cutoff, self.folder, self.store)
        return sum(median(step) for step in costs.values()) if costs else None

    @property
    def break_even(self) -> BreakEven | None:
        """After how many epochs making the store has paid; None where that is unknown, and for the folder."""
        return trends.break_even(self.results, self.cutoff, self.folder, self.store)

    @property
    def pays(self) -> str:
        """The same in words; empty for the folder."""
        found = self.break_even
        if found is None:
            return "" if self.store == self.folder else "no value"
        if found.epochs is None:
            return "undecided" if found.outcome == UNDECIDED else "never"
        epochs = found.epochs
        return f"{wording.significant(epochs.value, 2)} epochs ({wording.epochs_between(epochs.low, epochs.high)})"

    def _rate(self, operations: Sequence[str]) -> Rate | None:
        operation = trends.first_measured(self.results, operations, self.cutoff, self.store)
        if operation is None:
            return None
        ratio = self.results.ratio_if_measured(operation, self.cutoff, self.folder, self.store)
        row = self.results.row((self.store, self.cutoff, operation))
        return Rate(row, _speed(ratio) if ratio and self.store != self.folder else "")


@dataclass(frozen=True)
class OwnImages:
    """The choices at the largest number of images that says how fast the folder and another choice give images.

    `epoch` is the operation that they are compared by.
    """

    results: Results
    cutoff: int
    epoch: str
    choices: list[Choice]

    @property
    def limits(self) -> str:
        """What the answer is of, in words."""
        size = wording.pixels(self.results.tables.image_size)
        return f"{wording.images(self.cutoff)} of {size}, {wording.operation(self.epoch).lower()}, one process"

    @property
    def sentence(self) -> str:
        """The answer in a sentence. What is undecided is said to be so, and chosen by nobody."""
        return f"Leave them, pack them, or decode once: {self._said()} ({self.limits})."

    def _said(self) -> str:
        if not self.results.noticeable(self.epoch, self.cutoff):
            slowest = wording.seconds(self.results.slowest(self.epoch, self.cutoff))
            return f"leave them, as every store needs {slowest} at most for all images"
        named = {choice.title: choice for choice in self.choices}
        rival, packed, decoded = named[LEAVE], named.get(PACK), named.get(DECODE)
        said = "leave them"
        if packed and (ratio := self._faster(packed, rival)).longer:
            said, rival = f"pack them into {packed.said}, {_gain(packed, ratio, 'the folder')}", packed
        elif packed and ratio.outcome == UNDECIDED:
            said = f"leave or pack them: {_open(packed, ratio)}"
        elif packed:
            said = "leave them: from packed files reading is no faster"
        if decoded is None:
            return said
        if (ratio := self._faster(decoded, rival)).longer:
            than = "the folder" if rival.answer is None else rival.store
            lost = f"if you need nothing of what is lost ({decoded.lost})"
            return f"decode once into {decoded.said}, {_gain(decoded, ratio, than)}, {lost}; else {said}"
        no_gain = "decoded once, reading is no faster"
        return f"{said}; {_open(decoded, ratio) if ratio.outcome == UNDECIDED else no_gain}"

    def _faster(self, choice: Choice, rival: Choice) -> Ratio:
        """How many times as long the rival takes."""
        return self.results.ratio(self.epoch, self.cutoff, rival.store, choice.store)


def find(results: Results) -> OwnImages | None:
    """The answer for images that are files already; None for other images, and where too little was measured."""
    tables = results.tables
    kept = [name for name in tables.backends if tables.kinds[name].keeps_files]
    folder = next((name for name in FOLDER if any(name == row.backend for row in tables.measured_rows)), None)
    packed = [name for name in kept if name not in FOLDER]
    decoded = [name for name in tables.backends if name not in kept and name not in FOLDER]
    pixels = f"resolution above {wording.pixels(tables.image_size)}, random crops of the whole image"
    if folder is None:
        return None
    for cutoff in reversed(tables.cutoffs):
        if epoch := trends.first_measured(results, WARM, cutoff, folder):
            choices = [Choice(results, LEAVE, cutoff, folder, folder, None, "nothing")]
            for title, among, lost in ((PACK, packed, "nothing"), (DECODE, decoded, pixels)):
                if best := answers.fastest(results, epoch, cutoff, among):
                    choices.append(Choice(results, title, cutoff, folder, best.leader, best, lost))
            if len(choices) > 1:
                return OwnImages(results, cutoff, epoch, choices)
    return None


def _bytes(results: Results, store: str, cutoff: int) -> int:
    measure = "allocated_bytes" if results.tables.allocated_decides else "apparent_bytes"
    return results.tables.sizes(measure, cutoff).get(store, 0)


def _gain(choice: Choice, ratio: Ratio, than: str) -> str:
    """What a choice gains over another one, and costs, in words."""
    said = [wording.factor(ratio, f"as fast as {than}")]
    if choice.disk_to_folder:
        said.append(f"with {wording.times(choice.disk_to_folder)} the disk of the folder")
    if choice.break_even and choice.break_even.epochs:
        said.append(f"paid after {choice.pays}")
    return ", ".join(said)


def _open(choice: Choice, ratio: Ratio) -> str:
    between = wording.undecided(ratio.value, ratio.low, ratio.high)
    return f"whether reading from {choice.store} is faster is undecided, {between}"


def _speed(ratio: Ratio) -> str:
    """How fast a store is against the folder, in words, given how many times as long the folder takes."""
    if ratio.outcome == TIED:
        return "as fast"
    if ratio.outcome == UNDECIDED:
        return f"undecided: {wording.undecided(ratio.value, ratio.low, ratio.high)}"
    faster = ratio.value > 1
    ratio = ratio if faster else ratio.inverse
    between = wording.times_between(ratio.low, ratio.high)
    return f"{wording.times(ratio.value)} as {'fast' if faster else 'long'} ({between})"
