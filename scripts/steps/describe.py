"""Step `describe`: every backend and codec, as docs/backends.md says it, from their code; no rule of the workflow."""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from scripts import backends, codecs
from scripts.backends.go import library
from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import Backend, Codec, Described
from scripts.report import wording

PINS = Path(__file__).parent.parent.parent / "requirements" / "all.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+)", re.MULTILINE)
HEADER = (
    "# The backends",
    "What each backend stores, with which library, and where its settings come from. Made from the docstrings in "
    "`scripts/backends` and `scripts/codecs` and from the pins in `requirements/all.txt`.",
)
DOCUMENT = "docs/backends.md"
NO_PACKAGE = "none but Python's and NumPy"


def main(arguments: list[str]) -> None:
    """Read the arguments and print the text."""
    argparse.ArgumentParser(prog="python scripts describe", description=__doc__).parse_args(arguments)
    sys.stdout.write(markdown())


def markdown() -> str:
    """The text, with the versions that are pinned: the same everywhere."""
    every = descriptions.backends_of(backends.names())
    kept = descriptions.codecs_of(codecs.names())
    parts = [*HEADER, *_tables(every, kept)]
    for backend in every:
        parts += [f"## {backend.name}", *_of_backend(backend)]
    parts += ["## Codecs", "How one image becomes bytes, in backends with the option `codec`."]
    for codec in kept:
        parts += [f"### {codec.name}", codec.described.sentence, f"Library: {_libraries(codec.packages)}."]
        parts += _body(codec.described)
    return "\n\n".join(parts) + "\n"


def _tables(every: list[Backend], kept: list[Codec]) -> list[str]:
    """One line for each backend and codec."""
    rows = ["| backend | library | what it is |", "|---|---|---|"]
    rows += [f"| [{one.name}](#{one.name}) | {_libraries_of(one)} | {_cell(one.described.sentence)} |" for one in every]
    coded = ["| codec | library | what it is |", "|---|---|---|"]
    coded += [
        f"| [{one.name}](#{_anchor(one.name, every)}) | {_libraries(one.packages)} | {_cell(one.described.sentence)} |"
        for one in kept
    ]
    return ["\n".join(rows), "\n".join(coded)]


def _of_backend(backend: Backend) -> list[str]:
    parts = [backend.described.sentence, f"Library: {_libraries_of(backend)}."]
    if backend.native:
        parts.append(f"Built with `{backend.native.tool}` from `scripts/backends/{backend.native.directory}`.")
    parts += _body(backend.described)
    if backend.options:
        rows = ["| option | default | meaning |", "|---|---|---|"]
        rows += [
            f"| `{name}` | `{wording.setting(one.default)}` | {_cell(one.meaning)} |"
            for name, one in backend.options.items()
        ]
        parts.append("\n".join(rows))
    return parts


def _body(text: Described) -> list[str]:
    layout = [f"```text\n{text.layout}\n```"] if text.layout else []
    settings = ["\n".join(f"- {setting}" for setting in text.settings)] if text.settings else []
    above = [text.measured_on] if text.measured_on else []
    return [*layout, *text.more, *above, *settings]


def _libraries_of(backend: Backend) -> str:
    built = library.versions(backend.native) if backend.native else {}
    return _libraries(backend.packages, [f"{name} {version}" for name, version in built.items()])


def _libraries(packages: Iterable[str], more: Iterable[str] = ()) -> str:
    """Distributions with their pinned versions, of which there may be one for each version of Python."""
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(PINS.read_text()):
        pins.setdefault(_normal(name), []).append(version)
    found = [" ".join([name, wording.join(pins.get(_normal(name), []), "or")]).strip() for name in packages]
    return wording.join([*found, *more]) or NO_PACKAGE


def _normal(name: str) -> str:
    """The name of a distribution as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _anchor(name: str, every: list[Backend]) -> str:
    """The anchor of a codec's heading, which comes after those of the backends."""
    return f"{name}-1" if name in {backend.name for backend in every} else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
