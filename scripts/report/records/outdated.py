"""Records that don't count any more: kept in a place of their own, so that the next run measures their cells again."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from scripts.common.cells import place_of_record

DIRECTORY = "outdated"


def put(records: Iterable[Path | str], results: Path | str) -> Path:
    """Move records from their places in the records of `results` to a new directory there, and return that."""
    now = time.strftime("%Y-%m-%dT%H-%M-%S")
    # A clock that was set back says a moment twice.
    for name in chain([now], (f"{now}-{number}" for number in count(2))):
        place = Path(results, DIRECTORY, name)
        with suppress(FileExistsError):
            place.mkdir(parents=True)
            break
    for path in map(Path, records):
        moved = place / place_of_record(path)
        moved.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, moved)
    return place
