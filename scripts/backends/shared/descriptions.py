"""Backends and codecs as their own code describes them: what each stores, its settings and where they come from.

No library of a backend is imported, so that none needs to be installed. The files that this reads are those of the
backends and codecs it is asked for.
"""

import ast
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts import backends, codecs
from scripts.backends.base import Native, Option
from scripts.common import requirements

SCRIPTS = Path(__file__).parent.parent.parent
SETTINGS = "Settings"
"""What the line above the bullets starts with."""
BULLET = "- "


@dataclass(frozen=True)
class Described:
    """What the docstring of a backend or codec says: its first sentence, the layout of what is stored, settings with
    what they were measured on, and whatever else there is, in paragraphs."""

    sentence: str
    layout: str
    measured_on: str
    settings: tuple[str, ...]
    more: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    """A backend: what its docstring says, its options, the distributions of its libraries, and the library that is
    built for it, if any."""

    name: str
    described: Described
    options: dict[str, Option]
    packages: tuple[str, ...]
    native: Native | None


@dataclass(frozen=True)
class Codec:
    """A codec: what its docstring says, and the distributions of its libraries."""

    name: str
    described: Described
    packages: tuple[str, ...]


def backends_of(names: Iterable[str]) -> list[Backend]:
    """Those of these backends that there are, each once, in their order."""
    found = []
    for name in dict.fromkeys(names):
        if name in backends.names():
            backend = backends.load(name)
            packages = tuple(requirements.distributions(backend.packages).values())
            found.append(Backend(name, _described("backends", name), backend.options, packages, backend.native))
    return found


def codecs_of(names: Iterable[str]) -> list[Codec]:
    """Those of these codecs that there are, each once, in their order."""
    known = [name for name in dict.fromkeys(names) if name in codecs.names()]
    needed = {name: requirements.distributions(codecs.load(name).packages) for name in known}
    return [Codec(name, _described("codecs", name), tuple(needed[name].values())) for name in known]


def read(docstring: str) -> Described:
    """Take a docstring apart: `Backend NAME: one sentence.`, an indented layout, a line `Settings ...:` and bullets."""
    first, *paragraphs = docstring.strip("\n").split("\n\n")
    layout, measured_on, settings, more = [], "", [], []
    for paragraph in paragraphs:
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if not lines:
            continue
        start = next((place for place, line in enumerate(lines) if line.startswith(BULLET)), len(lines))
        above = " ".join(lines[:start])
        if all(line.startswith(" ") for line in lines):
            layout.append(textwrap.dedent(paragraph).strip("\n"))
        elif above.startswith(SETTINGS):
            measured_on = above
        elif above:
            more.append(_joined(lines[:start]))
        settings += _bullets(lines[start:])
    sentence = _joined(first.partition(": ")[2].splitlines() or first.splitlines())
    return Described(
        sentence[:1].upper() + sentence[1:], "\n\n".join(layout), measured_on, tuple(settings), tuple(more)
    )


def _described(folder: str, name: str) -> Described:
    tree = ast.parse((SCRIPTS / folder / f"{name}.py").read_text())
    return read(ast.get_docstring(tree, clean=False) or "")


def _bullets(lines: list[str]) -> list[str]:
    """One text for each bullet, which may go on in lines that are indented."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(BULLET):
            found.append([line.removeprefix(BULLET)])
        else:
            found[-1].append(line)
    return [_joined(text) for text in found]


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
