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
from scripts.report.ties import DIFFERENT, TIED, UNDECIDED, Ratio

FOLDER = ("files-original-copy", "files-original")
"""The folder as it is, or the copy of it beside the stores that is compared in its place where there is one."""
WARM = trends.EPOCHS
COLD = (*catalogue.answering("shuffle", catalogue.COLD), *catalogue.answering("read-all", catalogue.COLD))
"""The first of these operations that was measured says how fast a store gives images."""
LEAVE, UNPACK, PACK, DECODE = "Leave the folder alone", "Unpack to files", "Pack the files", "Decode and resize once"
NOTHING = "nothing"


@dataclass(frozen=True)
class Rate:
    """How fast a store gives images: the row of its cell, and how many times as long the folder takes, None for the
    folder itself."""

    row: MeasuredRow
    ratio: Ratio | None

    @property
    def to_folder(self) -> str:
        """How that compares with the folder, in words."""
        return _speed(self.ratio) if self.ratio else ""


@dataclass(frozen=True)
class Choice:
    """One of the three things to do, with the store that stands for it at a number of images; `answer` is None for the
    folder.

    `epoch` is the operation that choices are compared by, `lost` what the files have and the store hasn't.
    """

    results: Results
    title: str
    cutoff: int
    epoch: str
    folder: str
    store: str
    answer: Answer | None
    lost: str

    @property
    def ties(self) -> list[str]:
        """The stores that are surely as fast as the store."""
        return self._others(TIED)

    @property
    def perhaps(self) -> list[str]:
        """The stores that come near to the store and may be as fast: this run can't tell."""
        return self._others(UNDECIDED)

    @property
    def said(self) -> str:
        """The best stores in words, the one that stands for all first."""
        if self.answer and not self.answer.noticeable:
            return f"{purposes.HANDIEST}, such as {self.store}"
        perhaps = f" (perhaps {wording.any_of(self.perhaps)} too: undecided)" if self.perhaps else ""
        return f"{wording.any_of([self.store, *self.ties])}{perhaps}"

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
        and writing; of files that must be unpacked, writing them. None where that is unknown."""
        if self.title == LEAVE:
            return 0.0
        if self.title == UNPACK:
            write = trends.first_measured(self.results, trends.WRITE_NEW, self.cutoff, self.store)
            time = self.results.time_of_all(self.store, self.cutoff, write) if write else None
            return time.estimate.value if time else None
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

    def _others(self, outcome: str) -> list[str]:
        if self.answer is None or not self.answer.noticeable:
            return []
        rivals = (name for name in self.answer.ratios if name != self.store)
        ratios = {name: self.results.ratio(self.epoch, self.cutoff, name, self.store) for name in rivals}
        near = {name: ratio.value for name, ratio in ratios.items() if ratio.outcome == outcome}
        return sorted((name for name in near if near[name] <= answers.PERHAPS), key=near.__getitem__)

    def _rate(self, operations: Sequence[str]) -> Rate | None:
        operation = trends.first_measured(self.results, operations, self.cutoff, self.store)
        if operation is None:
            return None
        ratio = self.results.ratio_if_measured(operation, self.cutoff, self.folder, self.store)
        row = self.results.row((self.store, self.cutoff, operation))
        return Rate(row, ratio if self.store != self.folder else None)


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
    def title(self) -> str:
        """The choices in words."""
        return f"{self._leave.capitalize()}, pack them, or decode once"

    @property
    def limits(self) -> str:
        """What the answer is of, in words."""
        size = wording.pixels(self.results.tables.image_size)
        return f"{wording.images(self.cutoff)} of {size}, {wording.operation(self.epoch).lower()}, one process"

    @property
    def sentence(self) -> str:
        """The answer in a sentence, by the times from memory, and one on where those from the disk say something else.
        What is undecided is said to be so, and chosen by nobody."""
        return f"{self.title}: {self._said()} ({self.limits}).{self._cold()}"

    @property
    def _leave(self) -> str:
        return "leave them" if self.choices[0].title == LEAVE else "unpack them"

    def _said(self) -> str:
        said, (rival, *_) = self._leave, self.choices
        if not self.results.noticeable(self.epoch, self.cutoff):
            slowest = wording.seconds(self.results.slowest(self.epoch, self.cutoff))
            return f"{said}, as every one of these needs {slowest} at most for all images"
        named = {choice.title: choice for choice in self.choices}
        packed, decoded = named.get(PACK), named.get(DECODE)
        if packed and (ratio := self._faster(packed, rival)).longer:
            said, rival = f"pack them into {packed.said}, {_gain(packed, ratio, 'the folder')}", packed
        elif packed and ratio.outcome == UNDECIDED:
            said = f"{said.removesuffix(' them')} or pack them: {_open(packed, ratio)}"
        elif packed:
            said += ": from packed files reading is no faster"
        if decoded is None:
            return said
        if (ratio := self._faster(decoded, rival)).longer:
            than = "the folder" if rival.answer is None else rival.store
            lost = f", if you need nothing of what is lost ({decoded.lost})" if decoded.lost != NOTHING else ""
            return f"decode once into {decoded.said}, {_gain(decoded, ratio, than)}{lost}; else {said}"
        no_gain = "decoded once, reading is no faster"
        return f"{said}; {_open(decoded, ratio) if ratio.outcome == UNDECIDED else no_gain}"

    def _cold(self) -> str:
        said = [
            f"{choice.store} {choice.cold.to_folder}"
            for choice in self.choices
            if choice.warm and choice.cold and choice.warm.ratio and choice.cold.ratio
            if _verdict(choice.warm.ratio) != _verdict(choice.cold.ratio)
        ]
        return f" From the disk it differs, compared with the folder: {'; '.join(said)}." if said else ""

    def _faster(self, choice: Choice, rival: Choice) -> Ratio:
        """How many times as long the rival takes."""
        return self.results.ratio(self.epoch, self.cutoff, rival.store, choice.store)


def find(results: Results, own_size: str | None = None) -> OwnImages | None:
    """The answer for images that are files already; None for other images, and where too little was measured.

    `own_size` is the size that all files have, as height x width; None where they have several, or that isn't known.
    """
    tables = results.tables
    kept = [name for name in tables.backends if tables.kinds[name].keeps_files]
    folder = next((name for name in FOLDER if any(name == row.backend for row in tables.measured_rows)), None)
    packed = [name for name in kept if name not in FOLDER]
    decoded = [name for name in tables.backends if name not in kept and name not in FOLDER]
    if folder is None:
        return None
    leave = LEAVE if folder == FOLDER[0] or tables.kinds[folder].in_place else UNPACK
    for cutoff in reversed(tables.cutoffs):
        if epoch := trends.first_measured(results, WARM, cutoff, folder):
            choices = [Choice(results, leave, cutoff, epoch, folder, folder, None, NOTHING)]
            for title, among in ((PACK, packed), (DECODE, decoded)):
                if best := answers.fastest(results, epoch, cutoff, among):
                    store = _stands_for(results, epoch, folder, best)
                    lost = _lost(results, cutoff, store, own_size) if title == DECODE else NOTHING
                    choices.append(Choice(results, title, cutoff, epoch, folder, store, best, lost))
            if len(choices) > 1:
                return OwnImages(results, cutoff, epoch, choices)
    return None


def _stands_for(results: Results, epoch: str, folder: str, best: Answer) -> str:
    """The store that stands for all that aren't surely slower from memory, and that surely gain over the folder where
    any does: the fastest from the disk, and of these that tie the fastest to write."""
    among = [name for name, ratio in best.ratios.items() if not (best.noticeable and ratio.outcome == DIFFERENT)]
    among = [name for name in among if results.ratio(epoch, best.cutoff, folder, name).longer] or among
    for operations in (COLD, trends.WRITE_NEW):
        found = (answers.fastest(results, operation, best.cutoff, among) for operation in operations)
        answer = next(filter(None, found), None)
        if answer and answer.noticeable:
            among = [name for name in among if name in answer.best]
    return among[0]


def _lost(results: Results, cutoff: int, store: str, own_size: str | None) -> str:
    """What a store of decoded pixels has lost of the files, in words."""
    tables, lost = results.tables, []
    if own_size != tables.image_size:
        lost = [f"resolution above {wording.pixels(tables.image_size)}", "edges", "random crops of the whole image"]
    if tables.kinds[store].is_lossy:
        built = tables.store(store, cutoff)
        quality = f" (PSNR {built.psnr_db:.1f} dB)" if built and built.psnr_db is not None else ""
        lost.append(f"exact pixels{quality}")
    return ", ".join(lost) or NOTHING


def _bytes(results: Results, store: str, cutoff: int) -> int:
    measure = "allocated_bytes" if results.tables.allocated_decides else "apparent_bytes"
    return results.tables.sizes(measure, cutoff).get(store, 0)


def _gain(choice: Choice, ratio: Ratio, than: str) -> str:
    """What a choice gains over another one, and costs, in words; of several stores, which one that is said of."""
    own = "" if choice.said == choice.store else f"{choice.store} "
    said = [own + wording.factor(ratio, f"as fast as {than}")]
    if choice.disk_to_folder:
        said.append(f"with {wording.times(choice.disk_to_folder)} the disk of the folder")
    if choice.break_even and choice.break_even.epochs:
        said.append(f"paid after {choice.pays}")
    return ", ".join(said)


def _open(choice: Choice, ratio: Ratio) -> str:
    between = wording.undecided(ratio.value, ratio.low, ratio.high)
    return f"whether reading from {choice.store} is faster is undecided, {between}"


def _verdict(ratio: Ratio) -> str:
    """What a ratio says: that the one is longer, shorter, tied or undecided."""
    return "longer" if ratio.longer else "shorter" if ratio.shorter else ratio.outcome


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
