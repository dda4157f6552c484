"""The answers: at each cutoff the fastest or smallest store, the stores that tie with it, and the undecided ones."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby, product

from scripts.report import wording
from scripts.report.compare.results import Results, one_image
from scripts.report.ties import DIFFERENT, SAME, TIED, UNDECIDED, Ratio, exact

MEASURES = {"apparent_bytes": "Least disk, apparent", "allocated_bytes": "Least disk, allocated"}
PERHAPS = 1.2
"""A sentence doesn't name an undecided store that takes more than this many times as long as the leader."""
BEST, NEGLIGIBLE = "best", "negligible"
"""What a store is at an operation and cutoff, beside the outcomes of `scripts.report.ties`."""
WINNING = (BEST, TIED)


@dataclass(frozen=True)
class Answer:
    """The best at one cutoff: the leader, whose time or size is the least, and the stores that tie with it.

    - `ratios`: how many times as long or large each store is as the leader.
    - `value`: the leader's time or size in words.
    - `to_baseline`: how many times as long the leader takes as the reference file.
    - `noticeable`: false where no store wins.
    - `slowest`: the time of the slowest store: `9.00 ms at most for all images`.
    """

    cutoff: int
    leader: str
    ratios: dict[str, Ratio]
    value: str = ""
    to_baseline: Ratio | None = None
    noticeable: bool = True
    slowest: str = ""

    @property
    def best(self) -> tuple[str, ...]:
        """The leader and the stores that surely take no longer."""
        return self._with(TIED)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The stores that may take as long as the leader, or longer: this run can't tell."""
        return self._with(UNDECIDED)

    @property
    def runner_up(self) -> str | None:
        """The store that takes least among the stores that surely take longer than the leader."""
        return min(self._with(DIFFERENT), key=lambda name: self.ratios[name].value, default=None)

    @property
    def behind(self) -> Ratio | None:
        """How many times as long the runner-up takes as the leader."""
        return self.ratios[self.runner_up] if self.runner_up else None

    @property
    def nearest(self) -> list[str]:
        """The best, the leader first and then by how near they come to it."""
        return sorted(self.best, key=self._place)

    @property
    def perhaps(self) -> list[str]:
        """The undecided stores that come so near to the leader that a sentence names them."""
        return [name for name in sorted(self.undecided, key=self._place) if self.ratios[name].value <= PERHAPS]

    def outcome(self, name: str) -> str:
        """What a store is: `best` for the leader, else what its ratio says; `negligible` where no store wins."""
        if not self.noticeable:
            return NEGLIGIBLE
        return BEST if name == self.leader else self.ratios[name].outcome

    def _with(self, outcome: str) -> tuple[str, ...]:
        return tuple(name for name, ratio in self.ratios.items() if ratio.outcome == outcome)

    def _place(self, name: str) -> tuple[bool, float]:
        return name != self.leader, self.ratios[name].value


@dataclass(frozen=True)
class Question:
    """One thing to be best at, with an answer for each cutoff that has one.

    `among` are the stores that are compared, and `group` what they have in common, where not all stores are.
    """

    name: str
    title: str
    better: str
    answers: list[Answer]
    among: tuple[str, ...] = ()
    group: str = ""

    def at(self, cutoff: int) -> Answer | None:
        """The answer at a cutoff, None where there is none."""
        return next((answer for answer in self.answers if answer.cutoff == cutoff), None)


def questions(results: Results) -> list[Question]:
    """Every operation and both measures of disk, each for every group of stores, with the best at each cutoff."""
    tables = results.tables
    titles = {name: wording.operation(name) for name in tables.operations} | MEASURES
    asked = []
    for (name, title), (group, among) in product(titles.items(), tables.groups.items()):
        answer_at, better = (smallest, "smallest") if name in MEASURES else (fastest, "fastest")
        found = [answer for cutoff in tables.cutoffs if (answer := answer_at(results, name, cutoff, among))]
        asked.append(Question(name, f"{title} ({group})" if group else title, better, found, tuple(among), group))
    return asked


def lead_sentence(question: Question) -> str:
    """The best stores and their cutoffs in words: `nobody wins at 1 image; hdf5 and lmdb tie at 10 images`."""
    runs = [(said, list(group)) for said, group in groupby(question.answers, key=_said)]
    parts = []
    for (noticeable, best, perhaps), answers in runs:
        first, last = answers[0].cutoff, answers[-1].cutoff
        where = f"at {wording.images(first)}" if first == last else f"from {first:,} to {wording.images(last)}"
        if len(runs) == 1 and len(answers) > 1:
            where = "at every size"
        if not noticeable:
            parts.append(f"nobody wins {where}")
            continue
        verb = f"is {question.better}" if len(best) == 1 else "tie"
        open_still = f" (undecided: {wording.all_of(perhaps)})" if perhaps else ""
        parts.append(f"{wording.all_of(best)} {verb} {where}{open_still}")
    return "; ".join(parts)


def ahead(question: Question) -> str:
    """How far ahead the best is at the largest cutoff, in a sentence."""
    last = question.answers[-1]
    where = f"At {wording.images(last.cutoff)}"
    if not last.noticeable:
        every = "every one of these" if question.group else "every store"
        return f"{where} {every} needs {last.slowest}: take whichever is handiest."
    verb, amount = ("has", "as much") if question.name in MEASURES else ("takes", "as long")
    said = f"{where} {last.leader} {verb} {last.value}"
    if last.to_baseline:
        said += f", {wording.times(last.to_baseline.value)} as long as the reference file"
    if last.behind:
        said += f"; {last.runner_up} comes next with {wording.factor(last.behind, amount)}"
    return f"{said}."


def fastest(results: Results, operation: str, cutoff: int, among: Collection[str]) -> Answer | None:
    """The fastest of some stores at an operation and cutoff, None where none of them was measured."""
    tables = results.tables
    rows = [row for row in tables.measured(operation, cutoff) if row.backend in among]
    if not rows:
        return None
    leader, *others = rows
    ratios = {row.backend: results.ratio(operation, cutoff, row.backend, leader.backend) for row in others}
    handled = "one image" if one_image(operation) else "all images"
    return Answer(
        cutoff,
        leader.backend,
        {leader.backend: SAME} | ratios,
        tables.time(leader),
        leader.to_baseline,
        results.noticeable(operation, cutoff, among),
        f"{wording.seconds(results.slowest(operation, cutoff, among))} at most for {handled}",
    )


def smallest(results: Results, measure: str, cutoff: int, among: Collection[str]) -> Answer | None:
    """The smallest of some stores by a measure of disk at a cutoff, None where the file system doesn't tell which it
    is."""
    if measure == "allocated_bytes" and not results.tables.allocated_decides:
        return None
    sizes = {name: size for name, size in results.tables.sizes(measure, cutoff).items() if name in among}
    if not sizes:
        return None
    leader, *others = sorted(sizes, key=sizes.__getitem__)
    ratios = {name: exact(sizes[name] / sizes[leader]) for name in others}
    return Answer(cutoff, leader, {leader: SAME} | ratios, f"{wording.size(sizes[leader] / cutoff)} an image")


def _said(answer: Answer) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """What a sentence says of an answer: whether any store wins, the best ones, and the undecided ones near them."""
    return (True, tuple(sorted(answer.best)), tuple(answer.perhaps)) if answer.noticeable else (False, (), ())
