"""What follows from the answers: who leads by how much, what is undecided, how times grow, and when converting pays."""

from itertools import combinations

from scripts.report import wording
from scripts.report.compare import trends
from scripts.report.compare.answers import MEASURES, Answer, Question
from scripts.report.compare.trends import BreakEven, Crossover, Growth
from scripts.report.page.run import Run

TOP = 5
"""Of many stores, this many are in sight in a list of all. The others stand below a line that opens."""


def lead(question: Question) -> str:
    """How far ahead the best is at the largest cutoff, in a sentence."""
    last = question.answers[-1]
    where = f"At {wording.images(last.cutoff)}"
    if not last.noticeable:
        return f"{where} every store needs {last.slowest}: take whichever is handiest."
    verb, amount = ("has", "as much") if question.name in MEASURES else ("takes", "as long")
    said = f"{where} {last.leader} {verb} {last.value}"
    if last.to_baseline:
        said += f", {wording.times(last.to_baseline.value)} as long as the reference file"
    if last.behind:
        said += f"; {last.runner_up} comes next with {wording.factor(last.behind, amount)}"
    return f"{said}."


def undecided(run: Run) -> list[tuple[Question, Answer]]:
    """Every answer with undecided stores, the largest cutoff first."""
    found = [
        (question, answer)
        for question in run.questions
        for answer in question.answers
        if answer.undecided and answer.noticeable
    ]
    return sorted(found, key=lambda each: -each[1].cutoff)


def growths(run: Run) -> dict[str, dict[str, Growth]]:
    """How times grow, by operation and backend."""
    found: dict[str, dict[str, Growth]] = {}
    for growth in trends.growths(run.results):
        found.setdefault(growth.operation, {})[growth.backend] = growth
    return found


def conversions(run: Run) -> list[dict[tuple[str, str], BreakEven]]:
    """When converting pays, by source and target, for each cutoff, the largest first."""
    found: dict[int, dict[tuple[str, str], BreakEven]] = {}
    for pair in trends.break_evens(run.results, TOP if run.many else None):
        found.setdefault(pair.cutoff, {})[pair.source, pair.target] = pair
    return [found[cutoff] for cutoff in sorted(found, reverse=True)]


def crossovers(run: Run) -> list[Crossover]:
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
