"""Records that don't count any more: kept in a place of their own, so that the next run measures their cells again."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from scripts.common.cells import place_of_record

DIRECTORY = "outdated"


def put(records: Iterable[Path | str], results: Path | str) -> Path:
    """Move records from their places in the records of `results` to a new directory there, and return that."""
    place = Path(results, DIRECTORY, datetime.now().strftime("%Y-%m-%dT%H-%M-%S-%f"))
    for path in map(Path, records):
        moved = place / place_of_record(path)
        moved.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, moved)
    return place
