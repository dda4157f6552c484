"""What is made once for all workers of a test session, and read by each of them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.checkout import CHECKOUT

ENVIRONMENT_VARIABLE = "IMAGE_STORAGE_BENCHMARK_TEST_SESSION"
"""The variable that tells workers the directory of the session."""


def begin() -> None:
    """Make the directory of a session, on the checkout's file system."""
    (CHECKOUT / "results").mkdir(exist_ok=True)
    os.environ[ENVIRONMENT_VARIABLE] = tempfile.mkdtemp(prefix=".test-", dir=CHECKOUT / "results")


def directory() -> Path:
    """Return the directory of the session."""
    return Path(os.environ[ENVIRONMENT_VARIABLE])


def end() -> None:
    """Remove the directory of a session, also what may only be read in it."""
    place = os.environ.pop(ENVIRONMENT_VARIABLE)
    for folder, _, _ in os.walk(place):
        os.chmod(folder, 0o700)
    shutil.rmtree(place)


def once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the directory `name`, which the first worker that asks has made by `make`; the others wait for it."""
    place = directory() / name
    made = place.with_name(f"{name}.made")
    with open(place.with_name(f"{name}.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # What a failed attempt has left is no start for the next one.
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            made.touch()
    return place
