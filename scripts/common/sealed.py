"""JSON files that hold a digest of themselves, by which a damaged, cut or edited file is refused."""

import json
from pathlib import Path
from typing import Any

from scripts.common import digests
from scripts.common.atomic import write_json

SEAL = "seal"
"""The key of the digest, which covers everything else in the file."""


class Damaged(ValueError):
    """A file isn't as it was written; the message says what is wrong."""


def write(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with its seal, whole or not at all."""
    write_json(path, sealed(content))


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return `content` with its seal, a new one where it has one."""
    rest = {name: value for name, value in content.items() if name != SEAL}
    return {**rest, SEAL: digests.digest(rest)}


def read(path: Path, **version: int) -> dict[str, Any]:
    """Return the content of a sealed file; `version` is the key of its version, and the version that is wanted.

    Raises FileNotFoundError and PermissionError, and Damaged where the file isn't as it was written.
    """
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise Damaged(f"can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"isn't JSON: {error}") from None
    if not isinstance(content, dict):
        raise Damaged(f"holds no JSON object, but {json.dumps(content):.20}")
    for name, number in version.items():
        if content.get(name) != number:
            raise Damaged(f"isn't of version {number}")
    if sealed(content) != content:
        raise Damaged("has changed since it was written")
    return content
