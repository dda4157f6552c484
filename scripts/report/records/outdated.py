"""Records that don't count any more: kept in a place of their own, so that the next run measures their cells again."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from scripts.common.cells import place_of_record

DIRECTORY = "outdated"


def put(records: Iterable[Path | str], results: Path | str) -> Path:
    """Move records from their places in the records of `results` to a new directory there, and return that."""
    place = _new(Path(results, DIRECTORY, time.strftime("%Y-%m-%dT%H-%M-%S")))
    for path in map(Path, records):
        moved = place / place_of_record(path)
        moved.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, moved)
    return place


def _new(place: Path) -> Path:
    """A directory of that name, or of the name with a number: a clock that was set back says a moment twice."""
    place.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        directory = place if number == 1 else place.with_name(f"{place.name}-{number}")
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory
