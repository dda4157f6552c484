"""Backends and codecs described: what each stores, by its docstring, and what is known of it beside its code.

`notes/NAME.yaml`, beside the code of a backend or codec, holds what no program needs: when to take it, what its format
can do, its settings, what was tried in their place, and the effect. A backend without such a file works as any other.

No library of a backend is imported, so none needs to be installed. The only files that this module reads are those of
the backends and codecs that it is asked for.
"""

import ast
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts import backends, codecs
from scripts.backends.base import Native, Option
from scripts.common import requirements

SCRIPTS = Path(__file__).parent.parent.parent
PROPERTIES = {
    "mixed_sizes": "Mixed sizes",
    "append": "Append",
    "several_readers": "Several readers",
    "several_writers": "Several writers",
    "other_languages": "Other languages",
    "maintained_by": "Maintained by",
    "licence": "Licence",
}
"""What notes may say of a format, by key, in words for readers."""
UNKNOWN = "unknown"
LAYOUT = "Layout of a store:"
"""The line of a docstring before the layout, which is indented."""


@dataclass(frozen=True)
class Described:
    """What a docstring says: its first sentence, the layout of what is stored, and further paragraphs."""

    sentence: str
    layout: str
    more: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """What is known of one property of a format: `yes`, `partly`, `no`, a name, or `unknown`."""

    answer: str = UNKNOWN
    note: str = ""
    source: str = ""
    """The address of a document that says so."""


@dataclass(frozen=True)
class Trial:
    """What was tried in place of a setting that was chosen, and what it did."""

    tried: str
    effect: str
    """What is slower, faster, larger or smaller with what was tried than with what was chosen, and by which factor."""
    measured_on: str


@dataclass(frozen=True)
class Setting:
    """One decision of a backend or codec, and what was tried in its place."""

    what: str
    chosen: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Notes:
    """What is known of a backend or codec beside its code. All is empty where it has no notes."""

    take: str
    """When to take it."""
    leave: str
    """When not to take it."""
    properties: dict[str, Property]
    """What its format can do, by keys of PROPERTIES."""
    settings: tuple[Setting, ...]

    @property
    def trials(self) -> list[tuple[Setting, Trial]]:
        """Whatever was tried, each with the setting in whose place it was."""
        return [(setting, trial) for setting in self.settings for trial in setting.trials]


@dataclass(frozen=True)
class Backend:
    """A backend: its docstring and notes, options, the distributions of its libraries, and the library that is built
    for it, if any."""

    name: str
    described: Described
    notes: Notes
    options: dict[str, Option]
    packages: tuple[str, ...]
    native: Native | None
    several_readers: bool


@dataclass(frozen=True)
class Codec:
    """A codec: its docstring and notes, and the distributions of its libraries."""

    name: str
    described: Described
    notes: Notes
    packages: tuple[str, ...]


def backends_of(names: Iterable[str]) -> list[Backend]:
    """Return those of these backends that there are, each once, in their order."""
    found = []
    for name in dict.fromkeys(names):
        if name in backends.names():
            backend = backends.load(name)
            file = SCRIPTS / "backends" / f"{name}.py"
            found.append(
                Backend(
                    name,
                    _described(file),
                    read_notes(notes_file(file)),
                    backend.options,
                    tuple(requirements.distributions(backend.packages).values()),
                    backend.native,
                    backend.several_readers,
                )
            )
    return found


def codecs_of(names: Iterable[str]) -> list[Codec]:
    """Return those of these codecs that there are, each once, in their order."""
    found = []
    for name in dict.fromkeys(names):
        if name in codecs.names():
            file = SCRIPTS / "codecs" / f"{name}.py"
            notes = read_notes(notes_file(file))
            packages = requirements.distributions(codecs.load(name).packages)
            found.append(Codec(name, _described(file), notes, tuple(packages.values())))
    return found


def notes_file(file: Path) -> Path:
    """Return where the notes beside a file of code are, or would be."""
    return file.parent / "notes" / f"{file.stem}.yaml"


def notes_files(files: Iterable[Path]) -> list[Path]:
    """Return the notes beside these files of code, of those that have any, sorted."""
    return sorted(filter(Path.is_file, map(notes_file, files)))


def read_notes(file: Path) -> Notes:
    """Return the notes in a file; empty ones where it isn't there."""
    content: dict[str, Any] = yaml.safe_load(file.read_text()) if file.is_file() else {}
    usual = content.get("measured_on", "")
    properties = {key: _property(content[key]) for key in PROPERTIES if key in content}
    settings = tuple(
        Setting(
            _text(setting["what"]),
            _text(setting["chosen"]),
            tuple(
                Trial(_text(trial["tried"]), _text(trial["effect"]), _text(trial.get("where", usual)))
                for trial in setting.get("tried", ())
            ),
        )
        for setting in content.get("settings", ())
    )
    return Notes(content.get("take", ""), content.get("leave", ""), properties, settings)


def read(docstring: str) -> Described:
    """Take a docstring apart: `Backend NAME: one sentence.`, the line LAYOUT with indented paragraphs, and others."""
    first, *paragraphs = docstring.strip("\n").split("\n\n")
    layout, more = [], []
    for paragraph in paragraphs:
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if lines and all(line.startswith(" ") for line in lines):
            layout.append(textwrap.dedent(paragraph).strip("\n"))
        elif lines and lines != [LAYOUT]:
            more.append(" ".join(paragraph.split()))
    sentence = " ".join((first.partition(": ")[2] or first).split())
    return Described(sentence[:1].upper() + sentence[1:], "\n\n".join(layout), tuple(more))


def _described(file: Path) -> Described:
    return read(ast.get_docstring(ast.parse(file.read_text()), clean=False) or "")


def _property(content: dict[str, Any]) -> Property:
    return Property(_text(content.get("is", UNKNOWN)), content.get("note", ""), content.get("source", ""))


def _text(value: object) -> str:
    """Return a value of YAML as text, where a bare `yes` and `no` are truth values."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
