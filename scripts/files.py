"""Files and directories that appear whole or not at all: made under a name beside their place, then renamed."""

import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def neighbour(path: Path) -> Iterator[Path]:
    """Yield an unused name beside `path`, and remove what is under it afterwards: rename what is to stay.

    The directory is made where it is missing. Whatever processes of this host left under such names when they were
    killed is removed as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-{socket.gethostname()}-"
    for left_over in path.parent.glob(f"{prefix}*"):
        process = left_over.name.removeprefix(prefix).split("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            _remove(left_over)
    name = path.with_name(f"{prefix}{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        yield name
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


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
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
