"""The answers: who is fastest or smallest at each cutoff, who ties, and where one overtakes the other."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, groupby

from scripts.report import wording
from scripts.report.statistics import EXACT, Ratio, ratio
from scripts.report.tables import Row, Tables

MEASURES = {"apparent_bytes": "Least disk, apparent", "allocated_bytes": "Least disk, allocated"}
DRIFT = 1.5
"""Where baselines of the cells that are compared differ by more than this factor, the page says so."""
Compare = Callable[[str, str], Ratio]


@dataclass(frozen=True)
class Answer:
    """The best at one cutoff: one backend or several that tie, the runner-up, and how far behind the leader it is.

    `leader` has the smallest median of those that tie; `value` and `to_baseline` are the leader's. `drift` is how many
    times as long the baseline took in the slowest as in the fastest of the jobs compared, where that is so much that
    the machine can't have been in the same state: then ratios to the baseline compare better than times.
    """

    cutoff: int
    best: tuple[str, ...]
    leader: str
    runner_up: str | None
    behind: Ratio | None
    value: str = ""
    to_baseline: Ratio | None = None
    drift: float | None = None


@dataclass(frozen=True)
class Question:
    """One thing to be best at, with an answer for each cutoff that has one."""

    name: str
    title: str
    better: str
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class Results:
    """The comparable cells of a run: summary, disk usage and the samples behind them."""

    tables: Tables
    timings: list[Row]

    @cached_property
    def samples(self) -> dict[tuple[str, int, str], list[float]]:
        """Verified samples (s) of each cell of the main group."""
        found = defaultdict(list)
        for row in self.timings:
            cell = (row["backend"], row["cutoff_images"], row["operation"])
            if row["subject"] == "backend" and row["state_verified"] and self.tables.cell(*cell):
                found[cell].append(row["seconds"])
        return dict(found)

    def seconds(self, backend: str, cutoff: int, operation: str) -> float | None:
        """Median time (s) of a cell, None for a gap."""
        row = self.tables.cell(backend, cutoff, operation)
        return row and row["median_seconds"]

    def ratio(self, operation: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as long `one` takes as `other`; None where either wasn't measured.

        The interval reaches over the ratio of their ratios to the baseline too, each timed in its own job: where times
        and ratios disagree, the machine has drifted between the jobs, and it's a tie.
        """
        first, second = (self.samples.get((backend, cutoff, operation)) for backend in (one, other))
        if not first or not second:
            return None
        plain, other_plain = (
            self.tables.cell(backend, cutoff, operation)["baseline_median_seconds"] for backend in (one, other)
        )
        return ratio(first, second).widened(other_plain / plain if plain and other_plain else 1.0)

    def size_ratio(self, measure: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as many bytes (`apparent_bytes` or `allocated_bytes`) `one` takes as `other`."""
        first, second = (self.tables.store(backend, cutoff) for backend in (one, other))
        if not first or not second or not second[measure]:
            return None
        value = first[measure] / second[measure]
        return Ratio(value, value, value, EXACT)

    def questions(self) -> list[Question]:
        """Every operation and both measures of disk, with the best at each cutoff."""
        asked = [Question(name, wording.operation(name), "fastest") for name in self.tables.operations]
        for question in asked:
            for cutoff in self.tables.cutoffs:
                self._answer_time(question, cutoff)
        for measure, title in MEASURES.items():
            question = Question(measure, title, "smallest")
            for cutoff in self.tables.cutoffs:
                self._answer_size(question, cutoff)
            asked.append(question)
        return asked

    def slowest(self, operation: str, answer: Answer) -> tuple[str, float]:
        """The backend with the largest median at an answer's cutoff, and how many times the leader's it is."""
        times = {name: self.seconds(name, answer.cutoff, operation) for name in self.tables.backends}
        slowest = max(filter(times.get, times), key=times.get)
        return slowest, times[slowest] / times[answer.leader]

    def crossings(self) -> list[str]:
        """Where one backend overtakes another in an operation: a sentence each, ties left out."""
        sentences = []
        for operation in self.tables.operations:
            for one, other in combinations(self.tables.backends, 2):
                leads = []
                for cutoff in self.tables.cutoffs:
                    compared = self.ratio(operation, cutoff, one, other)
                    if compared and not compared.tie:
                        leads.append((one if compared.value < 1 else other, cutoff))
                if len({leader for leader, _ in leads}) > 1:
                    sentences.append(f"{wording.operation(operation)}: {spans(leads)}.")
        return sentences

    def _answer_time(self, question: Question, cutoff: int) -> None:
        values = {name: self.seconds(name, cutoff, question.name) for name in self.tables.backends}
        values = {name: value for name, value in values.items() if value is not None}
        if values:
            answer = _best(cutoff, values, lambda one, other: self.ratio(question.name, cutoff, one, other))
            row = self.tables.cell(answer.leader, cutoff, question.name)
            to_baseline = None
            if row["ratio_to_baseline"] is not None:
                to_baseline = Ratio(row["ratio_to_baseline"], row["ratio_low"], row["ratio_high"], row["interval_kind"])
            value = wording.seconds(row["median_seconds"])
            drift = self._drift(cutoff, question.name)
            question.answers.append(replace(answer, value=value, to_baseline=to_baseline, drift=drift))

    def _drift(self, cutoff: int, operation: str) -> float | None:
        cells = [self.tables.cell(name, cutoff, operation) for name in self.tables.backends]
        plain = [row["baseline_median_seconds"] for row in cells if row and row["baseline_median_seconds"]]
        drift = max(plain) / min(plain) if plain else 1.0
        return drift if drift > DRIFT else None

    def _answer_size(self, question: Question, cutoff: int) -> None:
        rows = {name: self.tables.store(name, cutoff) for name in self.tables.backends}
        values = {name: row[question.name] for name, row in rows.items() if row}
        if values:
            answer = _best(cutoff, values, lambda one, other: self.size_ratio(question.name, cutoff, one, other))
            value = f"{wording.size(values[answer.leader] / cutoff)} an image"
            question.answers.append(replace(answer, value=value))


def spans(leads: list[tuple[str, int]]) -> str:
    """Who leads where, in words: `lmdb is faster up to 100 images, hdf5 from 1,000 images`."""
    runs = [(name, [cutoff for _, cutoff in group]) for name, group in groupby(leads, key=lambda lead: lead[0])]
    parts = []
    for position, (name, cutoffs) in enumerate(runs):
        verb = " is faster" if position == 0 else ""
        first, last = cutoffs[0], cutoffs[-1]
        if position == 0:
            where = f"{'at' if first == last else 'up to'} {wording.images(last)}"
        elif position == len(runs) - 1:
            where = f"from {wording.images(first)}"
        else:
            where = f"at {wording.images(first)}" if first == last else f"from {first:,} to {wording.images(last)}"
        parts.append(f"{name}{verb} {where}")
    return ", ".join(parts)


def in_short(results: Results, questions: list[Question]) -> str:
    """Who is best at the largest number of images, and how far behind the slowest is; empty where nobody is."""
    cutoff = max((answer.cutoff for question in questions for answer in question.answers), default=None)
    if cutoff is None:
        return ""
    best, behind = defaultdict(list), defaultdict(list)
    for question in questions:
        for answer in question.answers:
            if answer.cutoff == cutoff:
                best[wording.join(answer.best)].append(question.name.replace("_bytes", " size"))
                if question.name not in MEASURES:
                    slowest, factor = results.slowest(question.name, answer)
                    if slowest not in answer.best:
                        behind[slowest].append(factor)
    leads = "; ".join(f"{names} in {wording.join(asked)}" for names, asked in best.items())
    sentence = f"At {wording.images(cutoff)} the best are: {leads}."
    if len(behind) != 1:
        return sentence
    ((slowest, factors),) = behind.items()
    least, most = wording.times(min(factors)), wording.times(max(factors))
    span = most if least == most else f"{least} to {most}"
    return f"{sentence} {slowest} takes {span} as long as the fastest."


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
        parts.append(f"{wording.join(best)} {verb} {where}")
    return "; ".join(parts)


def _best(cutoff: int, values: dict[str, float], compare: Compare) -> Answer:
    order = sorted(values, key=values.__getitem__)
    first = order[0]
    behind = {name: compare(name, first) for name in order[1:]}
    ties = [name for name in order[1:] if behind[name].tie]
    runner_up = next((name for name in order[1:] if name not in ties), None)
    best = tuple(name for name in values if name in (first, *ties)) if ties else (first,)
    return Answer(cutoff, best, first, runner_up, behind.get(runner_up))
