"""The answers: who is fastest or smallest at each cutoff, and who ties."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, groupby

from scripts.report import wording
from scripts.report.comparison import Results
from scripts.report.statistics import EXACT, RATIOS, Ratio
from scripts.report.tables import Row

MEASURES = {"apparent_bytes": "Least disk, apparent", "allocated_bytes": "Least disk, allocated"}
HARDLY_MORE = 1.2
"""Who takes more than this many times as long as the leader by the best estimate isn't recommended, though they tie."""
Compare = Callable[[str, str], Ratio | None]


@dataclass(frozen=True)
class Answer:
    """The best at one cutoff: one backend or several that tie, the runner-up, and how far behind the leader it is.

    `leader` stands for those that tie; `value` and `to_baseline` are the leader's. `ties` says how many times as long
    or large the others of the best are as the leader, `ratios` says it of everybody. `behind.by` says what runner-up
    and leader were compared by.
    """

    cutoff: int
    best: tuple[str, ...]
    leader: str
    runner_up: str | None
    behind: Ratio | None
    value: str = ""
    to_baseline: Ratio | None = None
    ties: dict[str, Ratio] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)

    @property
    def nearest(self) -> list[str]:
        """The best, the leader first and then by how near they come to it."""
        return sorted(self.best, key=lambda name: self.ties[name].value if name in self.ties else 0.0)

    @property
    def named(self) -> tuple[str, ...]:
        """The best without those that tie only because nothing is known of them for certain."""
        return tuple(name for name in self.best if name not in self.ties or self.ties[name].value <= HARDLY_MORE)


@dataclass(frozen=True)
class Question:
    """One thing to be best at, with an answer for each cutoff that has one."""

    name: str
    title: str
    better: str
    answers: list[Answer] = field(default_factory=list)


def questions(results: Results) -> list[Question]:
    """Every operation and both measures of disk, with the best at each cutoff."""
    asked = [Question(name, wording.operation(name), "fastest") for name in results.tables.operations]
    asked += [Question(name, title, "smallest") for name, title in MEASURES.items()]
    for question in asked:
        answer_at = _smallest if question.name in MEASURES else fastest
        answers = (answer_at(results, question.name, cutoff) for cutoff in results.tables.cutoffs)
        question.answers.extend(answer for answer in answers if answer)
    return asked


def lead_sentence(question: Question) -> str:
    """Who is best at which cutoffs, ties said as ties: `lmdb is fastest at 1 image; hdf5 and lmdb tie at 10 images`."""
    runs = [(best, list(group)) for best, group in groupby(question.answers, key=lambda answer: answer.best)]
    parts = []
    for best, answers in runs:
        first, last = answers[0].cutoff, answers[-1].cutoff
        where = f"at {wording.images(first)}" if first == last else f"from {first:,} to {wording.images(last)}"
        if len(runs) == 1 and len(answers) > 1:
            where = "at every size"
        verb = f"is {question.better}" if len(best) == 1 else "tie"
        parts.append(f"{wording.all_of(best)} {verb} {where}")
    return "; ".join(parts)


def fastest(results: Results, operation: str, cutoff: int) -> Answer | None:
    """The fastest at an operation and cutoff, None where nobody was measured."""
    values = {name: results.seconds(name, cutoff, operation) for name in results.tables.backends}

    def says(leader: str) -> tuple[str, Ratio | None]:
        row = results.tables.cell(leader, cutoff, operation)
        return wording.seconds(row["median_seconds"]), _to_baseline(row)

    return _best(cutoff, values, lambda one, other: results.ratio(operation, cutoff, one, other), says)


def _smallest(results: Results, measure: str, cutoff: int) -> Answer | None:
    rows = {name: results.tables.store(name, cutoff) for name in results.tables.backends}
    # Some file systems don't tell what is allocated: no value, then, rather than nothing.
    values = {name: (row and row[measure]) or None for name, row in rows.items()}
    if measure == "allocated_bytes" and not results.tables.allocated_decides:
        return None

    def says(leader: str) -> tuple[str, None]:
        return f"{wording.size(values[leader] / cutoff)} an image", None

    return _best(cutoff, values, lambda one, other: results.size_ratio(measure, cutoff, one, other), says)


def _to_baseline(row: Row) -> Ratio | None:
    if row["ratio_to_baseline"] is None:
        return None
    return Ratio(row["ratio_to_baseline"], row["ratio_low"], row["ratio_high"], row["interval_kind"], RATIOS)


def _best(
    cutoff: int,
    values: dict[str, float | None],
    compare: Compare,
    says: Callable[[str], tuple[str, Ratio | None]],
) -> Answer | None:
    """The answer, given each backend's value, None for a gap; None where all are gaps.

    The leader is whom the fewest others beat, as a rule none, and of several the one with the least value: compared by
    ratios to the plain file, the least time needn't win. Who beats it all the same stands beside it.
    """
    measured = {name: value for name, value in values.items() if value is not None}
    if not measured:
        return None
    beaten: Counter[str] = Counter()
    for one, other in combinations(measured, 2):
        ratio = compare(one, other)
        if not ratio.tie:
            beaten[one if ratio.value > 1 else other] += 1
    leader, *others = sorted(measured, key=lambda name: (beaten[name], measured[name]))
    behind = {name: compare(name, leader) for name in others}
    ties = {name: behind[name] for name in others if behind[name].tie or behind[name].value < 1}
    runner_up = next((name for name in others if name not in ties), None)
    best = tuple(name for name in measured if name in (leader, *ties))
    itself = Ratio(1.0, 1.0, 1.0, EXACT)
    ratios = {leader: itself, **behind}
    return Answer(cutoff, best, leader, runner_up, behind.get(runner_up), *says(leader), ties, ratios)
