"""Step `describe`: every store and codec, as docs/stores.md shows them, from their code and notes; no rule runs it."""

import csv
import sys
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from scripts import backends, codecs
from scripts.backends.go import library
from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import PROPERTIES, UNKNOWN, Described, Notes, Property
from scripts.common import digests, requirements
from scripts.common.command_line import command
from scripts.report import wording

PINS = digests.CHECKOUT / "requirements/all.txt"
COUNTED = digests.CHECKOUT / "docs/example/disk_usage.csv"
"""The table of a finished run, in which the files of each store were counted."""
COUNTED_IMAGES = 100_000
FILES = f"Files per {COUNTED_IMAGES:,} images"
HEADER = f"""# The stores

What each store is, when to take it, and what it can do. `python scripts describe` makes this page from the code and the
notes in `scripts/backends` and `scripts/codecs`, and from the pins in `requirements/all.txt`.

- *Mixed sizes*: the format holds images of different sizes. This project measures images of one size.
- *Append*: images can be added to a store that is there.
- *Several readers*, *several writers*: several processes can do so at the same time.
- *Other languages*: programs in other languages than Python can read it.
- *{FILES}*: counted in [a finished run](example/README.md), of images of 32x32.
- `{UNKNOWN}`: neither the documentation of the library nor our code says so.

The facts below each store have their sources. An effect compares what was tried with what was chosen."""
DOCUMENT = "docs/stores.md"
NO_PACKAGE = "none but Python's and NumPy"


@command
def main() -> None:
    """Print the text."""
    sys.stdout.write(markdown())


def markdown() -> str:
    """Return the text, with the versions that are pinned: the same everywhere."""
    every = descriptions.backends_of(backends.names())
    kept = descriptions.codecs_of(codecs.names())
    files = _files_of_stores()
    parts = [HEADER, _properties_of_all(every, files)]
    for backend in every:
        parts += [f"## {backend.name}", *_of_backend(backend)]
    parts += [
        "## Codecs",
        "How one image becomes bytes, in backends with the option `codec`.",
        _all_codecs(every, kept),
    ]
    for codec in kept:
        parts += [f"### {codec.name}", codec.sentence, *codec.more]
        parts.append(f"Library: {_libraries(codec.packages)}.")
        parts += _folded(_settings(codec.notes))
    return "\n\n".join(parts) + "\n"


def _properties_of_all(every: list[Described], files: dict[str, str]) -> str:
    """Return the table of all stores' properties."""
    table = [["Store", *PROPERTIES.values()]]
    for backend in every:
        table.append([f"[{backend.name}](#{backend.name})", *(one.answer for one in _properties(backend).values())])
    for row, count in zip(table, [FILES, *(files.get(backend.name, UNKNOWN) for backend in every)], strict=True):
        row.insert(-2, count)
    return _table(*table)


def _properties(backend: Described) -> dict[str, Property]:
    """Return all properties of a store's format; the code tells whether several processes may read."""
    known = {name: backend.notes.properties.get(name, Property()) for name in PROPERTIES}
    noted = known["several_readers"]
    known["several_readers"] = Property(
        "yes" if backends.load(backend.name).several_readers else "no", noted.note, noted.source
    )
    return known


def _of_backend(backend: Described) -> list[str]:
    """Return the card of a store: what it is, when to take it and when not, its properties, and the rest folded."""
    parts = [backend.sentence, *backend.more]
    advice = {"When to take it": backend.notes.take, "When not": backend.notes.leave}
    parts += [f"**{when}:** {what}" for when, what in advice.items() if what]
    facts = [
        " ".join([f"- {PROPERTIES[name]}: {one.answer}.", one.note]).strip()
        + (f" ([source]({one.source}))" if one.source else "")
        for name, one in _properties(backend).items()
        if one.note or one.source
    ]
    if facts:
        parts.append("\n".join(facts))
    parts.append(f"Library: {_libraries_of(backend)}.")
    if backends.load(backend.name).go_modules:
        parts.append("Built with `go` from `scripts/backends/go`.")
    layout = [f"```text\n{backend.layout}\n```"] if backend.layout else []
    options = [[f"`{name}`", f"`{wording.setting(one.default)}`", one.meaning] for name, one in backend.options.items()]
    table = [_table(["Option", "Default", "Meaning"], *options)] if options else []
    return [*parts, *_folded([*layout, *table, *_settings(backend.notes)])]


def _folded(parts: list[str]) -> list[str]:
    """Return parts that are shown when the reader opens them."""
    return ["<details><summary>Layout, options and settings</summary>", *parts, "</details>"] if parts else []


def _settings(notes: Notes) -> list[str]:
    """Return the table of what was chosen and the table of what was tried."""
    chosen = [[setting.what, setting.chosen] for setting in notes.settings]
    tried = [[trial.what, trial.tried, trial.effect, trial.measured_on] for trial in notes.trials]
    return [
        *([_table(["Setting", "Chosen"], *chosen)] if chosen else []),
        *([_table(["Setting", "Tried", "Effect", "Measured on"], *tried)] if tried else []),
    ]


def _all_codecs(every: list[Described], kept: list[Described]) -> str:
    # The heading of a codec with the name of a backend comes second.
    names = {backend.name for backend in every}
    anchors = {one.name: f"{one.name}-1" if one.name in names else one.name for one in kept}
    rows = [[f"[{one.name}](#{anchors[one.name]})", _libraries(one.packages), one.sentence] for one in kept]
    return _table(["Codec", "Library", "What it is"], *rows)


def _files_of_stores() -> dict[str, str]:
    """Return how many files the store of each backend had in the finished run, at the number of images."""
    if not COUNTED.is_file():
        return {}
    with open(COUNTED, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cutoff_images"] == str(COUNTED_IMAGES)]
    return {row["backend"]: f"{int(row['files']):,}" for row in rows}


def _libraries_of(backend: Described) -> str:
    built = library.versions(backends.load(backend.name).go_modules)
    return _libraries(backend.packages, [f"{name} {version}" for name, version in built.items()])


def _libraries(packages: Iterable[str], more: Iterable[str] = ()) -> str:
    """Return distributions with their pinned versions, of which there may be one for each version of Python."""
    pins: dict[str, list[str]] = {}
    for name, version, _ in requirements.pins(PINS):
        pins.setdefault(name, []).append(version)
    found = [" ".join([name, wording.join(pins.get(canonicalize_name(name), []), "or")]).strip() for name in packages]
    return wording.join([*found, *more]) or NO_PACKAGE


def _table(heads: list[str], *rows: list[str]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
