"""The record of a timing job: one JSON file with every raw sample and everything needed to judge it."""

import json
from pathlib import Path
from typing import Any

from scripts.errors import UserError

RECORD_VERSION = 1


def path_in(directory: Path, machine: str, backend: str, cutoff: int, operation: str) -> Path:
    """Return where the record of a cell is, below the directory of all records."""
    return directory / machine / backend / str(cutoff) / f"{operation}.json"


def read(path: Path) -> dict[str, Any]:
    """Return a record. Raises UserError where it's missing, isn't whole, or has another version's layout."""
    remedy = f"delete {path} and run again"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"the record {path} is missing; run `snakemake --cores 4` to measure it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"the record {path} isn't JSON ({error}); {remedy}") from None
    if not isinstance(record, dict) or record.get("record_version") != RECORD_VERSION:
        raise UserError(f"the record {path} isn't of version {RECORD_VERSION}; {remedy}")
    return record
