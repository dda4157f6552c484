"""A full disk: no space, no inode or no quota left, whichever library meets it, before the start and in the middle."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import backends
from scripts.common import full_disk
from tests.support.backend_variants import RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.host import mounted
from tests.support.image_sets import write_image_set
from tests.support.workflow import copy_checkout

WRITE_EACH = """
import json, os, sys
from pathlib import Path
import numpy as np
from scripts import backends

noise = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), np.uint8)
for name, options in json.loads(sys.argv[1]).items():
    try:
        backends.load(name).write(Path(sys.argv[2], "store"), noise, np.arange(2000), durable=True, options=options)
    except OSError as error:
        print(name, error.errno, error.strerror, os.listdir(sys.argv[2]), flush=True)
"""


def write_each(place: Path) -> list[str]:
    """Write a store with each backend in turn where there is no room for it; what the errors say."""
    options = {name: backends.resolve(name, {}) for name in RUNNABLE}
    command = [sys.executable, "-c", WRITE_EACH, json.dumps(options), str(place)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def no_inodes(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file system with much space, of whose two inodes its own directory has one."""
    return mounted(tmp_path / "few", request.addfinalizer, "size=40m,nr_inodes=2")


@pytest.fixture
def no_quota(tmp_path: Path) -> Iterator[Path]:
    """A directory that may hold 2 MiB, on a file system with much space."""
    if not shutil.which("mkfs.btrfs"):
        pytest.skip("no btrfs-progs, which make a file system with quotas")
    image, place = tmp_path / "image", tmp_path / "btrfs"
    place.mkdir()
    with open(image, "xb") as file:
        file.truncate(300 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting btrfs needs root and a kernel that has it: {done.stderr.strip()}")
    try:
        subprocess.run(["btrfs", "quota", "enable", place], check=True, capture_output=True)
        subprocess.run(["btrfs", "subvolume", "create", place / "mine"], check=True, capture_output=True)
        subprocess.run(["btrfs", "qgroup", "limit", "2M", place / "mine"], check=True, capture_output=True)
        yield place / "mine"
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.usefixtures("libraries")
def test_a_file_system_without_inodes_is_told_from_one_without_space(no_inodes: Path) -> None:
    assert write_each(no_inodes) == [f"{name} {errno.ENOSPC} {full_disk.NO_INODES} []" for name in RUNNABLE]


@pytest.mark.usefixtures("libraries")
def test_a_quota_has_its_own_words_with_every_backend(no_quota: Path) -> None:
    assert write_each(no_quota) == [f"{name} {errno.EDQUOT} {os.strerror(errno.EDQUOT)} []" for name in RUNNABLE]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "x"), errno.ENOSPC),
        (RuntimeError("IO error: table-0: No space left on device"), errno.ENOSPC),
        (Exception("open LOCK: no space left on device"), errno.ENOSPC),
        (Exception("database or disk is full"), errno.ENOSPC),
        (RuntimeError("Can't write data (file write failed: errno = 28, error message = 'x')"), errno.ENOSPC),
        (OSError("LanceError(IO): (os error 28)"), errno.ENOSPC),
        (ValueError("RESOURCE_EXHAUSTED: Disk quota exceeded [os_error_code='122']"), errno.EDQUOT),
        (OSError(errno.EDQUOT, "x"), errno.EDQUOT),
        (RuntimeError("errno = 280"), None),
        (OSError(errno.EIO, os.strerror(errno.EIO)), None),
        (ValueError("another fault"), None),
    ],
)
def test_what_libraries_say_of_a_full_disk_is_recognised(error: Exception, number: int | None) -> None:
    found = full_disk.recognised(error)
    assert (found and found.errno) == number
    wrapped = RuntimeError("a page can't be written")
    wrapped.__cause__ = error
    assert (full_disk.recognised(wrapped) is None) == (number is None)


def test_a_step_says_that_inodes_are_lacking_and_what_helps(no_inodes: Path, tmp_path: Path) -> None:
    write_image_set(tmp_path / "dataset", 10)
    command = [sys.executable, CHECKOUT / "scripts", "build", "--name", "files", "--module", "files"]
    command += ["--options", json.dumps(backends.resolve("files", {})), "--cutoff", "10"]
    command += ["--image-set", tmp_path / "dataset", "--store", no_inodes / "10"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error in build: No inode left for another file")
    assert "more inodes" in done.stderr
    assert "free some space" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def fill(place: Path, *, inodes: bool) -> None:
    """Take all the space of a small file system, or all its inodes."""
    with contextlib.suppress(OSError):
        for number in itertools.count() if inodes else ():
            (place / f"filler-{number}").touch()
    with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
@pytest.mark.parametrize("inodes", [False, True])
def test_a_checkout_on_a_full_disk_is_told_so_in_one_line(
    inodes: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = mounted(tmp_path / "small", request.addfinalizer, "size=30m,nr_inodes=2000")
    workflow = copy_checkout(place / "checkout")
    fill(place, inodes=inodes)
    done = workflow.run()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    lacking = full_disk.NO_INODES if inodes else "No space left on device"
    assert done.stdout.splitlines()[-1].startswith(f"error: {lacking}: {workflow.directory}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inodes", "moment"),
    [(False, "rule build"), pytest.param(True, "rule time_operation", marks=pytest.mark.nightly)],
)
def test_a_checkouts_disk_that_fills_up_is_the_last_line(
    inodes: bool, moment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Snakemake's own files are on it too, and end it in words of its own."""
    place = mounted(tmp_path / "small", request.addfinalizer, "size=60m,nr_inodes=4000")
    workflow = copy_checkout(place / "checkout")
    workflow.configure(backends=["hdf5"], cutoffs=[3], operations=["read-warm"])
    process = workflow.start("results/summary.csv")
    while moment not in process.stdout.readline():
        assert process.poll() is None
    fill(place, inodes=inodes)
    said, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    lacking = full_disk.NO_INODES if inodes else "No space left on device"
    assert said.splitlines()[-1].startswith(f"error: {lacking}: {workflow.directory}")
    for filler in place.glob("filler*"):
        filler.unlink()
    workflow.finish("--unlock")
    workflow.finish("results/summary.csv")
    left = [path for path in (workflow.directory / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert not left
