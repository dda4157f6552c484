"""Files and directories that appear whole or not at all: made under a name beside their place, then renamed."""

import glob
import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from scripts.common import full_disk

OWNED = re.compile(r"([0-9a-f]{8})-(.+)-([0-9]+)-[0-9a-f]{8}")
"""Matches a name of `owned_name`: the run, the host and the process."""
NEIGHBOUR = re.compile(rf"\..*?-({OWNED.pattern})")
"""Matches the name of a `neighbour`; its first group is a name of `owned_name`."""


def _owner() -> str:
    """The start of every name that this run makes: eight characters that stand for the working directory."""
    return hashlib.sha256(os.path.realpath(".").encode()).hexdigest()[:8]


def owned_name() -> str:
    """Return an unused name: the run's, the host's and the process's own."""
    return f"{_owner()}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def is_own(name: str) -> bool:
    """Say whether a name of `owned_name` was made on this host, or in this working directory on any host."""
    owned = OWNED.fullmatch(name)
    return owned is not None and (owned[1] == _owner() or owned[2] == socket.gethostname())


@contextmanager
def neighbour(path: Path, *, one_writer: bool = True) -> Iterator[Path]:
    """Yield an unused name beside `path`, and remove what is under it afterwards: rename what is to stay.

    The directory is made where it is missing. What processes left under such names when they were killed is removed as
    well: processes of this host and, with `one_writer`, those of a run in this working directory on other hosts, where
    no two jobs make the same file at a time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-"
    for left_over in path.parent.glob(f"{prefix}*"):
        if _is_abandoned(left_over.name.removeprefix(prefix), one_writer=one_writer):
            _remove(left_over)
    name = path.with_name(f"{prefix}{owned_name()}")
    try:
        yield name
    except OSError as error:
        # Looked at before what was made is removed, which makes room.
        if full := full_disk.recognised(error):
            raise full from error
        raise
    finally:
        _remove(name)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing that takes the name `path`, synced, as the block ends, or vanishes when it fails."""
    with neighbour(path) as name:
        with name.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def abandoned(directories: Iterable[str]) -> Iterator[Path]:
    """Yield what processes that were killed have left as a `neighbour`, in directories given as patterns of paths."""
    for directory in directories:
        for path in glob.iglob(f"{directory}/.*"):
            found = NEIGHBOUR.fullmatch(os.path.basename(path))
            if found and _is_abandoned(found[1], one_writer=True):
                yield Path(path)


def remove_abandoned(directories: Iterable[str]) -> None:
    """Remove what `abandoned` finds; what may not be removed stays."""
    for path in list(abandoned(directories)):
        with suppress(OSError):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_abandoned(name: str, *, one_writer: bool) -> bool:
    """Whether the process that made a name of `owned_name` is gone, so that its file has no owner."""
    owned = OWNED.fullmatch(name)
    if owned and owned[2] == socket.gethostname():
        return not _is_running(int(owned[3]))
    return one_writer and is_own(name)


def _is_running(process: int) -> bool:
    """Whether a process hasn't ended. A zombie has: in a container nobody may ever collect its exit code."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def nearest_directory(path: str) -> Path:
    """Return the directory, or the nearest one above it that is there already."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return place


def writable(directory: Path) -> bool:
    """Say whether this process may make files in a directory."""
    return os.access(directory, os.W_OK | os.X_OK)
