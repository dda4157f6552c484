"""Reading records back: checked against their schema, then built as `record.Record`."""

import json
import math
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import fastjsonschema
import yaml

from scripts.common.errors import UserError
from scripts.report.records import record
from scripts.report.records.record import BACKEND, BASELINE, Record

LONGEST_NUMBER = 20
"""The most digits of an integer, its sign included: those of 64 bits."""
LONGEST_FAULT = 200
"""The most letters that a message quotes of what is wrong with a record."""
DATA_FILES = ("../../schemas/record.schema.yaml",)


def read(path: Path) -> Record:
    """Return the record in a file.

    Raises UserError where the file is missing or unreadable, isn't whole, or isn't what the schema says.
    """
    remedy = f"delete {path} and run again"
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse, parse_float=_finite, parse_int=_exact)
    except FileNotFoundError:
        raise UserError(f"the record {path} is missing; run `snakemake --cores 4` to measure it") from None
    except PermissionError:
        raise UserError(f"no permission to read the record {path}; make it readable, or {remedy}") from None
    except OSError as error:
        raise UserError(f"the record {path} can't be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"the record {path} isn't JSON ({error}); {remedy}") from None
    if fault := _beside_schema(content) or _beyond_schema(content):
        raise UserError(f"the record {path} isn't what this version writes ({fault}); {remedy}")
    return record.read(content)


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity: Python reads them, though JSON has no such numbers and nothing can compute with them."""
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    """A number that isn't too large to compute with, as 1e400 is."""
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _exact(text: str) -> int:
    """A number of bytes, images or the like, which a float can hold as well."""
    return int(text) if len(text) <= LONGEST_NUMBER else _refuse(f"{text[:LONGEST_NUMBER]}...")


def _beside_schema(content: Any) -> str | None:
    """Where the schema doesn't allow something, and why."""
    try:
        _validate()(content)
    except fastjsonschema.JsonSchemaValueException as fault:
        _, *place = fault.path
        reason = str(fault.message).removeprefix(str(fault.name)).strip()
        return f"{'/'.join(map(str, place)) or 'as a whole'}: {reason:.{LONGEST_FAULT}}"
    return None


def _beyond_schema(content: dict[str, Any]) -> str | None:
    """What is wrong with a record that a schema can't tell."""
    for name in ("started", "ended"):
        try:
            in_utc = datetime.fromisoformat(content[name]).utcoffset() == timedelta(0)
        except ValueError:
            in_utc = False
        if not in_utc:
            return f"{name}: {content[name]!r} is no moment in UTC"
    if content["clock"]["ended_seconds"] < content["clock"]["started_seconds"]:
        return "clock: it ended before it started"
    if content["latencies"] and len(set(map(len, content["latencies"].values()))) > 1:
        return "latencies: not as many of each"
    taken = Counter((sample["subject"], sample["processes"], sample["start_method"]) for sample in content["samples"])
    if any(taken[BASELINE, *way] != taken[BACKEND, *way] for _, *way in taken):
        return "samples: not as many of the baseline as of the backend"
    return None


@cache
def _validate() -> Callable[[Any], Any]:
    """The schema as a function, which raises JsonSchemaValueException for the first fault."""
    schema = yaml.safe_load(Path(__file__).parent.joinpath(*DATA_FILES).read_text())
    return fastjsonschema.compile(schema, use_default=False)
