"""The catalogue of operations: every class in this folder below a `@Declaration(...)` is one.

An operation is in the catalogue by its place alone, and everything else reads the catalogue: the config, the plan, the
timing, tables, figures and page. The class `ReadCold` is the operation `read-cold`. Its docstring has the words that
the page shows:

    @Declaration(kind="read", state="cold", position=4, purpose="read-all")
    class ReadCold(Read):
        '''Read, cold.

        What the operation does, in a sentence.

        Adds: What operations of this kind add to a run, in a sentence; the first one of a kind says it for all.

        Takes: how long one timing takes, where the budget doesn't decide that.
        '''

The catalogue is read from the source, and none of that is run: neither a report nor the process that waits for a timing
loads NumPy for it. Only `load`, for the process that takes samples, imports the file of an operation.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from scripts.common.errors import UserError, did_you_mean

FRESH, WARM, COLD = "fresh", "warm", "cold"
SETTINGS = ("budget_seconds", "minimum_samples", "threads")
"""Every operation depends on these settings of the config."""

Class = TypeVar("Class", bound=type[Any])


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What an operation says of itself in code. It stands above the class of the operation."""

    kind: str
    """Operations of one kind do the same work; they differ in the state that they start from, or in durability."""
    state: Literal["fresh", "warm", "cold"]
    """The state that a sample starts from: a place where nothing was, a store in the page cache, an evicted store."""
    position: int
    """The place of the operation among all, wherever they are listed."""
    durable: bool = False
    """Whether a write ends when its bytes are on the disk."""
    settings: tuple[str, ...] = ()
    """The settings of the config that the operation depends on, beside SETTINGS."""
    purpose: str | None = None
    """What a store is used for by who wants to know this operation's time (`scripts.report.compare.purposes`)."""
    first_answer: bool = True
    """Whether the operation answers for its purpose even where the others of that purpose were measured."""
    one_image: bool = False
    """Whether the operation handles one image, however many are in the store."""
    quick: bool = False
    """Whether a quick run times the operation."""
    draws: int = 0
    """A sample draws so many times `random_images` images at most; 0 where it draws none."""
    several_processes: bool = False
    """Whether several processes share the work, each with memory of its own for its share."""

    def __call__(self, operation: Class) -> Class:
        """Return the class below the declaration, which has it as the attribute `declared`."""
        operation.declared = self
        return operation


@dataclass(frozen=True, kw_only=True)
class Entry(Declaration):
    """An operation of the catalogue: what it declares, what it is called and where it is.

    `title` is a heading, `meaning` a sentence on what is timed. `adds` says what the kind adds to a run, and is empty
    where another one of the kind says that. `takes` says how long one timing takes, and is empty where the budget
    decides. `module` and `class_name` are the names of its file and class.
    """

    name: str
    title: str
    meaning: str
    adds: str
    takes: str
    module: str
    class_name: str

    @property
    def kind_title(self) -> str:
        """A heading for all operations of the kind: what stands before the comma in the title."""
        return self.title.partition(", ")[0]

    @property
    def state_title(self) -> str:
        """What sets the operation apart from the others of its kind: what stands after the comma, else the title."""
        return self.title.partition(", ")[2] or self.title.lower()

    @property
    def writes(self) -> bool:
        """Whether the operation makes stores, and reads none."""
        return self.state == FRESH

    @property
    def all_settings(self) -> tuple[str, ...]:
        """The settings of the config that the operation depends on."""
        return (*SETTINGS, *self.settings, *(("drop_caches",) if self.state == COLD else ()))


@cache
def entries() -> dict[str, Entry]:
    """Return every operation by its name, in the order in which they are listed.

    Raises UserError where two have one name, and where one is declared wrongly.
    """
    declared = [each for path in Path(__file__).parent.glob("*.py") for each in _entries(path)]
    found: dict[str, Entry] = {}
    for each in sorted(declared, key=lambda each: (each.position, each.name, each.module)):
        if (first := found.setdefault(each.name, each)) is not each:
            raise UserError(f"{first.module}.py and {each.module}.py both have an operation {each.name}; rename one")
    return found


def get(name: str) -> Entry | None:
    """Return an operation of the catalogue, or None: a record or a table may have one that only others know."""
    return entries().get(name)


def entry(name: str) -> Entry:
    """Return an operation of the catalogue. Raises UserError where there is none of that name."""
    found = get(name)
    if found is None:
        raise UserError(f"there is no operation {name}; {did_you_mean(name, list(entries()))}")
    return found


def adds(kind: str, *, durable: bool) -> str:
    """Return what the operations of a kind, durable or not, add to a run."""
    return next((each.adds for each in of_kind(kind) if each.durable == durable and each.adds), "")


def of_kind(kind: str) -> list[Entry]:
    """Return the operations of a kind, in the order in which they are listed."""
    return [each for each in entries().values() if each.kind == kind]


def load(name: str) -> type[Any]:
    """Import the file of an operation, and return its class."""
    found = entry(name)
    operation: type[Any] = getattr(importlib.import_module(f"{__package__}.{found.module}"), found.class_name)
    return operation


def answering(purpose: str, state: str) -> tuple[str, ...]:
    """Return the names of the operations that start from a state and answer for a purpose, the best one first."""
    found = [each for each in entries().values() if (each.purpose, each.state) == (purpose, state)]
    return tuple(each.name for each in sorted(found, key=lambda each: not each.first_answer))


def _entries(path: Path) -> Iterator[Entry]:
    """Yield the operations in a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(Declaration.__name__):
                try:
                    declared = {word.arg: ast.literal_eval(word.value) for word in decorator.keywords if word.arg}
                    yield _entry(path.stem, node.name, ast.get_docstring(node) or "", declared)
                except (TypeError, ValueError) as fault:
                    raise UserError(
                        f"{path}: the operation {node.name} isn't declared as catalogue.py says ({fault}); give "
                        "literal values, a title, a meaning, and a label before each other paragraph"
                    ) from None


def _entry(module: str, class_name: str, docstring: str, declared: dict[str, Any]) -> Entry:
    title, meaning, *others = (" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
    labelled = dict(paragraph.split(": ", 1) for paragraph in others)
    return Entry(
        name=re.sub(r"\B(?=[A-Z])", "-", class_name).lower(),
        title=title.removesuffix("."),
        meaning=meaning,
        adds=labelled.get("Adds", ""),
        takes=labelled.get("Takes", ""),
        module=module,
        class_name=class_name,
        **declared,
    )
