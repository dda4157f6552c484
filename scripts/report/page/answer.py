"""The section with the answer: the best store for each purpose, and what follows from it."""

from dataclasses import dataclass
from itertools import combinations

from scripts.report import wording
from scripts.report.compare import answers, purposes, trends
from scripts.report.compare.answers import MEASURES, Answer, Question
from scripts.report.compare.purposes import Line
from scripts.report.compare.trends import BreakEven, Crossover, Growth
from scripts.report.draw import links
from scripts.report.estimates import EXACT, Ratio
from scripts.report.page.run import Run
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

TOP = 5
"""Of many stores, this many are in sight in a list of all. The others stand below a line that opens."""


@dataclass(frozen=True)
class Mention:
    """A store in a field of the matrix: how many times as much it takes as the best, and what disturbed its cell.

    `ratio` is None where it says nothing: for the best store itself, and for sizes that tie.
    """

    name: str
    ratio: Ratio | None
    row: MeasuredRow | None


@dataclass(frozen=True)
class Field:
    """A field of the matrix: the best at one cutoff, what ties with it, what is undecided, and what comes next.

    - `best`: the leader, then the stores that tie with it. `ties` are the latter alone, nearest first.
    - `value`: the leader's time or size, `row` its cell, and `place` the row among all cells that the value leads to.
    - `to_baseline`, `to_raw`: the leader's time over the reference file's, and its size over the raw pixels.
    - `slowest`: how long the slowest store takes, where nobody wins; else empty.
    """

    best: list[Mention]
    ties: list[Mention]
    undecided: list[Mention]
    following: Mention | None
    value: str
    row: MeasuredRow | None
    place: str | None
    to_baseline: Ratio | None
    to_raw: float | None
    slowest: str

    @property
    def crowded(self) -> bool:
        """Whether so many tie that only the leader is in sight."""
        return len(self.best) > wording.FEW_NAMES


@dataclass(frozen=True)
class Row:
    """A row of a matrix: a heading with what stands below it, and a field for each cutoff, None without a value.

    `missing` are the operations that an answer would need, where none was measured.
    """

    title: str
    notes: list[str]
    fields: list[tuple[int, Field | None]]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Undecided:
    """A cell of the matrix with undecided stores, and the command that measures just these cells for longer."""

    operation: str
    answer: Answer
    command: str


@dataclass(frozen=True)
class Lead:
    """A question in words: which store is best where, and how far ahead it is at the largest cutoff."""

    title: str
    sentence: str
    detail: str


@dataclass(frozen=True)
class Growths:
    """How times grow, by operation and backend, and the operations that have any growth."""

    operations: list[str]
    cells: dict[tuple[str, str], Growth]


@dataclass(frozen=True)
class Conversions:
    """When converting pays at one cutoff: a row for each source, with a field for each of the targets.

    `converting` and `epoch` are the operations whose times are taken, of the first pair for all.
    """

    cutoff: int
    converting: str
    epoch: str
    targets: list[str]
    rows: list[tuple[str, list[BreakEven | None]]]


@dataclass(frozen=True)
class AnswerSection:
    """What the section with the answer shows. `conversions` start with the largest cutoff."""

    in_short: str
    purposes: list[Row]
    questions: list[Row]
    leads: list[Lead]
    undecided: list[Undecided]
    budget_seconds: float
    growths: Growths
    conversions: list[Conversions]
    crossovers: list[Crossover]


def section(run: Run) -> AnswerSection:
    """Make the section of a run."""
    lines = purposes.lines(run.questions)
    return AnswerSection(
        purposes.in_short(lines),
        [_purpose(run.tables, line) for line in lines],
        [Row(question.title, [], _fields(run.tables, question)) for question in run.questions],
        [_lead(question) for question in run.questions if question.answers],
        _undecided(run),
        run.budget_seconds,
        _growths(run),
        _conversions(run),
        _crossovers(run),
    )


def _purpose(tables: Tables, line: Line) -> Row:
    notes = [line.purpose.state] if line.purpose.state else []
    if not line.question:
        return Row(line.purpose.title, notes, [], line.missing)
    notes.append(line.question.name.replace("_bytes", " size"))
    return Row(line.purpose.title, notes, _fields(tables, line.question))


def _fields(tables: Tables, question: Question) -> list[tuple[int, Field | None]]:
    found = {answer.cutoff: _field(tables, question.name, answer) for answer in question.answers}
    return [(cutoff, found.get(cutoff)) for cutoff in tables.cutoffs]


def _field(tables: Tables, question: str, answer: Answer) -> Field:
    """The field of an answer, in which each store is mentioned with its cell."""

    def mention(name: str) -> Mention:
        ratio = answer.ratios[name]
        return Mention(name, None if ratio.kind == EXACT else ratio, tables.cell(name, answer.cutoff, question))

    row = tables.cell(answer.leader, answer.cutoff, question)
    following = None
    if answer.runner_up:
        # How much more the next one takes is told of sizes too.
        cell = tables.cell(answer.runner_up, answer.cutoff, question)
        following = Mention(answer.runner_up, answer.behind, cell)
    store = tables.store(answer.leader, answer.cutoff)
    return Field(
        [mention(name) for name in answer.best],
        [mention(name) for name in answer.nearest[1:]],
        [mention(name) for name in answer.undecided],
        following,
        answer.value,
        row,
        links.cell(row) if row else None,
        answer.to_baseline,
        store.to_raw(question) if store and not row else None,
        "" if answer.noticeable else answer.slowest,
    )


def _lead(question: Question) -> Lead:
    last = question.answers[-1]
    where = f"At {wording.images(last.cutoff)}"
    if not last.noticeable:
        detail = f"{where} every store needs {last.slowest}: take whichever is handiest."
        return Lead(question.title, answers.lead_sentence(question), detail)
    verb, amount = ("has", "as much") if question.name in MEASURES else ("takes", "as long")
    detail = f"{where} {last.leader} {verb} {last.value}"
    if last.to_baseline:
        detail += f", {wording.times(last.to_baseline.value)} as long as the reference file"
    if last.behind:
        detail += f"; {last.runner_up} comes next with {wording.factor(last.behind, amount)}"
    return Lead(question.title, answers.lead_sentence(question), f"{detail}.")


def _undecided(run: Run) -> list[Undecided]:
    """Every operation and cutoff with undecided stores, the largest cutoff first."""
    found = [
        Undecided(
            question.name,
            answer,
            run.again((name, answer.cutoff, question.name) for name in (answer.leader, *answer.undecided)),
        )
        for question in run.questions
        for answer in question.answers
        if answer.undecided and answer.noticeable
    ]
    return sorted(found, key=lambda undecided: -undecided.answer.cutoff)


def _growths(run: Run) -> Growths:
    cells = {(growth.operation, growth.backend): growth for growth in trends.growths(run.results)}
    grown = {operation for operation, _ in cells}
    return Growths([operation for operation in run.tables.operations if operation in grown], cells)


def _conversions(run: Run) -> list[Conversions]:
    by_cutoff: dict[int, dict[tuple[str, str], BreakEven]] = {}
    for pair in trends.break_evens(run.results, TOP if run.many else None):
        by_cutoff.setdefault(pair.cutoff, {})[pair.source, pair.target] = pair
    found = []
    for cutoff, pairs in sorted(by_cutoff.items(), reverse=True):
        first = next(iter(pairs.values()))
        reached = {target for _, target in pairs}
        targets = [name for name in run.tables.backends if name in reached]
        rows = [(source, [pairs.get((source, target)) for target in targets]) for source in run.tables.backends]
        found.append(Conversions(cutoff, " and ".join(first.conversion), first.epoch, targets, rows))
    return found


def _crossovers(run: Run) -> list[Crossover]:
    """Which store overtakes which; of many stores, only those among the leaders of an operation."""
    if not run.many:
        return trends.crossovers(run.results)
    return [
        crossover
        for question in run.questions
        if question.name not in MEASURES
        for pair in combinations(dict.fromkeys(answer.leader for answer in question.answers), 2)
        for crossover in trends.crossovers_between(run.results, question.name, *pair)
    ]
