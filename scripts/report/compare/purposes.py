"""What one does with a store, and which operation answers for it: the rows of the matrix that the page starts with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare.answers import Answer, Question

FROM = {catalogue.FRESH: "", catalogue.WARM: "from memory", catalogue.COLD: "from disk"}
"""The state that an operation starts from, in words that follow the title of a purpose."""
HANDIEST = "whichever is handiest"
"""What to take where every store needs less than anybody notices."""


@dataclass(frozen=True)
class Purpose:
    """One thing to do with a store. `questions` are the names of the questions that answer for it, the best one first.

    `state` is the state that it starts from, where one title has several; `phrase` is the title within a sentence.
    """

    title: str
    phrase: str
    state: str
    questions: tuple[str, ...]


TIMED = {
    "import": ("Import once", "to import once"),
    "read-all": ("Read everything", "to read everything"),
    "shuffle": ("Train shuffled", "to train shuffled"),
    "workers": ("Many workers", "with many workers"),
    "first-image": ("One image now", "for one image now"),
}
"""Title and phrase of what operations answer for, by the purpose that they declare."""


def _all() -> Iterator[Purpose]:
    for purpose, (title, phrase) in TIMED.items():
        for state, words in FROM.items():
            if questions := catalogue.answering(purpose, state):
                yield Purpose(title, phrase, words, questions)
    yield Purpose("Least disk", "for least disk", "", ("allocated_bytes", "apparent_bytes"))


PURPOSES = tuple(_all())


@dataclass(frozen=True)
class Line:
    """A purpose and the question that answers for it.

    Where this run asked none of its questions, `missing` are the operations to add to config.yaml to have an answer.
    """

    purpose: Purpose
    question: Question | None
    missing: tuple[str, ...] = ()

    def at(self, cutoff: int) -> Answer | None:
        """The answer at a cutoff, None where there is none."""
        return self.question.at(cutoff) if self.question else None


def lines(questions: Sequence[Question]) -> list[Line]:
    """Every purpose with its question: the first one with an answer, else the first one that was asked.

    Each group of stores has a line of its own. Purposes of one title of which no question was asked share a line.
    """
    by_name = {(question.name, question.group): question for question in questions}
    groups = list(dict.fromkeys(question.group for question in questions)) or [""]
    found: list[Line] = []
    for purpose, group in product(PURPOSES, groups):
        asked = [by_name[name, group] for name in purpose.questions if (name, group) in by_name]
        answered = [question for question in asked if question.answers]
        question = next(iter([*answered, *asked]), None)
        missing = () if question else purpose.questions[:1]
        if missing and group != groups[0]:
            continue
        if missing and found and found[-1].missing and found[-1].purpose.title == purpose.title:
            found[-1] = Line(replace(purpose, state=""), None, (*found[-1].missing, *missing))
        else:
            found.append(Line(purpose, question, missing))
    return found


def in_short(asked: Sequence[Line], image_size: str = "") -> str:
    """The best store for each purpose at the largest number of images, in one sentence for each group of stores; empty
    without any answer. It names the image size, if given."""
    groups = dict.fromkeys(line.question.group for line in asked if line.question)
    own = {group: [line for line in asked if line.question and line.question.group == group] for group in groups}
    return " ".join(filter(None, (_in_short(group, lines, image_size) for group, lines in own.items())))


def _in_short(group: str, asked: Sequence[Line], image_size: str) -> str:
    cutoff = max(
        (line.question.answers[-1].cutoff for line in asked if line.question and line.question.answers), default=0
    )
    answered = {line.purpose: line.at(cutoff) for line in asked}
    best = {purpose: choice(answer) for purpose, answer in answered.items() if answer}
    if not best:
        return ""
    said: dict[str, list[str]] = {}
    for purpose, chosen in best.items():
        others = [other for other in best if other.title == purpose.title]
        alike = len(others) > 1 and all(best[other] == chosen for other in others)
        phrase = purpose.phrase if alike or not purpose.state else f"{purpose.phrase} ({purpose.state})"
        if phrase not in said.setdefault(chosen, []):
            said[chosen].append(phrase)
    parts = [f"{chosen} {wording.join(phrases)}" for chosen, phrases in said.items()]
    images = wording.images(cutoff) + (f" of {wording.pixels(image_size)}" if image_size else "")
    return f"{f'{group.capitalize()}: at' if group else 'At'} {images} take {'; '.join(parts)}."


def choice(answer: Answer) -> str:
    """What to take, in words: the best stores and the undecided ones near them, or any where no store wins."""
    if not answer.noticeable:
        return HANDIEST
    perhaps = f" (perhaps {wording.any_of(answer.perhaps)} too: undecided)" if answer.perhaps else ""
    return f"{wording.any_of(answer.nearest)}{perhaps}"
