"""Whether the tables are as the step `summarise` wrote them: it leaves their digests beside them, in tables.json.

The small file also stands for the tables in the workflow: Snakemake compares the content of small files alone.
"""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from scripts.common.atomic import write_json
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError

INDEX = "tables.json"
VERSION = 1


def write(directory: Path, tables: Iterable[Path]) -> None:
    """Write the digests of tables, files in a directory, into that directory."""
    write_json(
        directory / INDEX, {"tables_version": VERSION, "sha256": {path.name: file_sha256(path) for path in tables}}
    )


def damaged(directory: Path, among: Collection[Path] | None = None) -> list[Path]:
    """Return the tables in a directory that aren't as they were written, or the file of digests itself.

    With `among`, only these paths are looked at.
    """
    index = directory / INDEX
    try:
        digests = dict(json.loads(index.read_text(encoding="utf-8"))["sha256"])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [index]
    files = {directory / name: digest for name, digest in digests.items()}
    asked = [path for path in files if path.exists() and (among is None or path in among)]
    return [path for path in asked if file_sha256(path) != files[path]]


def check(table: Path) -> None:
    """Raise UserError for a table that isn't as it was written; where no digests lie beside it, nothing is known."""
    if damaged(table.parent, among=[table]):
        raise UserError(
            f"{table} isn't as the workflow wrote it, by {INDEX} beside it; run the workflow again, which writes it "
            f"once more (of a copy: copy it again, with {INDEX})"
        )
