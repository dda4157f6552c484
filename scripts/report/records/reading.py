"""Reading records back, checked against their schema."""

import json
import math
from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonschema import Draft202012Validator

from scripts.common.errors import UserError

LONGEST_NUMBER = 20
"""Digits, with a sign: those of 64 bits."""
DATA_FILES = ("../../schemas/record.schema.yaml",)


def read(path: Path) -> dict[str, Any]:
    """Return a record. Raises UserError where it's missing, isn't whole, or isn't what the schema says."""
    remedy = f"delete {path} and run again"
    try:
        record = json.loads(path.read_bytes(), parse_constant=_refuse, parse_float=_finite, parse_int=_exact)
    except FileNotFoundError:
        raise UserError(f"the record {path} is missing; run `snakemake --cores 4` to measure it") from None
    except PermissionError:
        raise UserError(f"no permission to read the record {path}; make it readable, or {remedy}") from None
    except OSError as error:
        raise UserError(f"the record {path} can't be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"the record {path} isn't JSON ({error}); {remedy}") from None
    if not _validator().is_valid(_with_samples_once(record)):
        fault = next(_validator().iter_errors(record))
        place = "/".join(map(str, fault.absolute_path)) or "as a whole"
        raise UserError(f"the record {path} isn't what this version writes ({place}: {fault.message:.200}); {remedy}")
    if fault := _beyond_schema(record):
        raise UserError(f"the record {path} isn't what this version writes ({fault}); {remedy}")
    return record


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity, which Python reads though they are no JSON, and no number to compute with."""
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    """A number that isn't too large to compute with, as 1e400 is."""
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _exact(text: str) -> int:
    """A number of bytes, images or the like, which a float can hold as well."""
    return int(text) if len(text) <= LONGEST_NUMBER else _refuse(f"{text[:LONGEST_NUMBER]}...")


def _beyond_schema(record: dict[str, Any]) -> str | None:
    """What is wrong with a record that a schema can't tell."""
    for name in ("started", "ended"):
        try:
            in_utc = datetime.fromisoformat(record[name]).utcoffset() == timedelta(0)
        except ValueError:
            in_utc = False
        if not in_utc:
            return f"{name}: {record[name]!r} is no moment in UTC"
    if record["clock"]["ended_seconds"] < record["clock"]["started_seconds"]:
        return "clock: it ended before it started"
    if record["latencies"] and len(set(map(len, record["latencies"].values()))) > 1:
        return "latencies: not as many of each"
    taken = Counter((sample["subject"], sample["processes"], sample["start_method"]) for sample in record["samples"])
    if any(count != taken["baseline", *way] or count != taken["backend", *way] for (_, *way), count in taken.items()):
        return "samples: not as many of the baseline as of the backend"
    return None


def _with_samples_once(record: Any) -> Any:
    """The record with one sample of each kind: the same fields with the same words, types, signs and sides of 1, where
    the schema's limits are. To check the hundreds that are alike would take longer than all the rest of a report."""
    if not isinstance(record, dict) or not isinstance(record.get("samples"), list):
        return record
    kinds = {_kind(sample): sample for sample in record["samples"]}
    return {**record, "samples": list(kinds.values())}


def _kind(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _kind(inner)) for name, inner in value.items())
    if isinstance(value, int | float):
        return type(value), value < 0, value > 0, value > 1
    return value if isinstance(value, str) else type(value)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(yaml.safe_load(Path(__file__).parent.joinpath(*DATA_FILES).read_text()))
