"""What tests ask of the host: a small file system, and a user who may not write anywhere."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def mounted(place: Path, at_the_end: Callable[[Callable[[], object]], None], options: str = "size=4m") -> Path:
    """Mount a file system in memory, of 4 MiB or with other options, or skip."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    at_the_end(lambda: subprocess.run(["umount", place], check=True))
    return place


def as_who_obeys_permissions() -> list[str]:
    """The start of a command that takes root's right to write anywhere from it; skips the test where it can't be."""
    if os.geteuid() != 0:
        return []
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root may write anywhere, and there is no setpriv to change that")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]
