"""Step `describe`: every store and codec, as docs/stores.md shows them, from their code and notes; no rule runs it."""

import csv
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from packaging.utils import canonicalize_name

from scripts import backends, codecs
from scripts.backends.go import library
from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import PROPERTIES, UNKNOWN, Described, Property
from scripts.common import digests, requirements
from scripts.common.command_line import command
from scripts.report import wording

DATA_FILES = ("../project/stores.md.j2",)
PINS = digests.CHECKOUT / "requirements/all.txt"
COUNTED = digests.CHECKOUT / "docs/example/disk_usage.csv"
"""The table of a finished run, in which the files of each store were counted."""
COUNTED_IMAGES = 100_000
DOCUMENT = "docs/stores.md"
NO_PACKAGE = "none but Python's and NumPy"


@command
def main() -> None:
    """Print the text."""
    sys.stdout.write(markdown())


def markdown() -> str:
    """Return the text, with the versions that are pinned: the same everywhere."""
    template = Path(__file__).parent.joinpath(*DATA_FILES)
    environment = Environment(
        loader=FileSystemLoader(template.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")
    text = environment.get_template(template.name).render(
        stores=descriptions.backends_of(backends.names()),
        codecs=descriptions.codecs_of(codecs.names()),
        files=_files_of_stores(),
        properties=_properties,
        libraries=_libraries,
        go_modules=lambda name: library.versions(backends.load(name).go_modules),
        say=wording,
        PROPERTIES=PROPERTIES,
        UNKNOWN=UNKNOWN,
        FILES=f"Files per {COUNTED_IMAGES:,} images",
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _properties(backend: Described) -> dict[str, Property]:
    """Return all properties of a store's format; the code tells whether several processes may read."""
    known = {name: backend.notes.properties.get(name, Property()) for name in PROPERTIES}
    answer = "yes" if backends.load(backend.name).several_readers else "no"
    return known | {"several_readers": replace(known["several_readers"], answer=answer)}


def _files_of_stores() -> dict[str, str]:
    """Return how many files the store of each backend had in the finished run, at the number of images."""
    if not COUNTED.is_file():
        return {}
    with open(COUNTED, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cutoff_images"] == str(COUNTED_IMAGES)]
    return {row["backend"]: f"{int(row['files']):,}" for row in rows}


def _libraries(packages: Iterable[str], built: Mapping[str, str] | None = None) -> str:
    """Return distributions with their pinned versions, of which there may be one for each version of Python, and the
    modules that are built, with theirs."""
    pins = requirements.pins(PINS)
    found = [" ".join([name, wording.join(pins.get(canonicalize_name(name), []), "or")]).strip() for name in packages]
    return wording.join([*found, *map(" ".join, (built or {}).items())]) or NO_PACKAGE
