"""Backends and codecs described: what each stores, by its docstring, and what is known of it beside its code.

`notes/NAME.yaml`, beside the code of a backend or codec, holds what no program needs: when to take it, what its format
can do, its settings, what was tried in their place, and the effect. A backend without such a file works as any other.

No library of a backend is imported, so none needs to be installed. This module reads the files of the backends and
codecs that it is asked for, and no others.
"""

import ast
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts import backends, codecs
from scripts.backends.base import Option
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
class Property:
    """What is known of one property of a format: `yes`, `partly`, `no`, a name, or `unknown`."""

    answer: str = UNKNOWN
    note: str = ""
    source: str = ""
    """The address of a document that says so."""


@dataclass(frozen=True)
class Setting:
    """One decision of a backend or codec."""

    what: str
    chosen: str


@dataclass(frozen=True)
class Trial:
    """What was tried in place of what was chosen for a setting, and what it did."""

    what: str
    tried: str
    effect: str
    """What is slower, faster, larger or smaller with what was tried than with what was chosen, and by which factor."""
    measured_on: str


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
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Described:
    """A backend or codec: what its docstring, its declarations and its notes say."""

    name: str
    sentence: str
    """The first sentence of the docstring."""
    layout: str
    """What is stored, from the docstring."""
    more: tuple[str, ...]
    """Further paragraphs of the docstring."""
    packages: tuple[str, ...]
    """The distributions of its libraries."""
    notes: Notes
    options: dict[str, Option] = field(default_factory=dict)


def backends_of(names: Iterable[str]) -> list[Described]:
    """Return the backends of these names, each once, in their order; a name without a backend is left out."""
    found = {name: backends.load(name) for name in names if name in backends.names()}
    return [_described("backends", name, one.packages, options=one.options) for name, one in found.items()]


def codecs_of(names: Iterable[str]) -> list[Described]:
    """Return the codecs of these names, each once, in their order; a name without a codec is left out."""
    found = {name: codecs.load(name) for name in names if name in codecs.names()}
    return [_described("codecs", name, one.packages) for name, one in found.items()]


def notes_file(file: Path) -> Path:
    """Return where the notes beside a file of code are, or would be."""
    return file.parent / "notes" / f"{file.stem}.yaml"


def notes_files(files: Iterable[Path]) -> list[Path]:
    """Return the notes beside these files of code, as far as there are any, sorted."""
    return sorted(filter(Path.is_file, map(notes_file, files)))


def read_notes(file: Path) -> Notes:
    """Return the notes in a file; empty ones where it isn't there."""
    # This loader takes every scalar for text, also a bare `yes` or a number.
    content: dict[str, Any] = yaml.load(file.read_text(), yaml.BaseLoader) if file.is_file() else {}
    settings = content.get("settings", ())
    usual = content.get("measured_on", "")
    trials = [
        Trial(setting["what"], trial["tried"], trial["effect"], trial.get("measured_on", usual))
        for setting in settings
        for trial in setting.get("tried", ())
    ]
    return Notes(
        content.get("take", ""),
        content.get("leave", ""),
        {key: _property(content[key]) for key in PROPERTIES if key in content},
        tuple(Setting(setting["what"], setting["chosen"]) for setting in settings),
        tuple(trials),
    )


def read(docstring: str) -> tuple[str, str, tuple[str, ...]]:
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
    return sentence[:1].upper() + sentence[1:], "\n\n".join(layout), tuple(more)


def _described(folder: str, name: str, packages: dict[str, str], **more: Any) -> Described:
    file = SCRIPTS / folder / f"{name}.py"
    docstring = ast.get_docstring(ast.parse(file.read_text()), clean=False) or ""
    libraries = tuple(requirements.distributions(packages).values())
    return Described(name, *read(docstring), libraries, read_notes(notes_file(file)), **more)


def _property(content: dict[str, Any]) -> Property:
    return Property(content.get("is", UNKNOWN), content.get("note", ""), content.get("source", ""))
