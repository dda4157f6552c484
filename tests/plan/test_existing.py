"""One directory for a whole group: what others made, and may only be read, is used, and never taken for another."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.support import shared as session
from tests.support.archives import write_small_archive
from tests.support.workflow import SMALL, Workflow, copy_checkout

pytestmark = pytest.mark.slow


SUMMARY = "results/summary.csv"
ROOT = os.geteuid() == 0
NOBODY = 65534
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner") if ROOT else ()
"""Takes from root what no other user has: access to everybody's files."""


class Reader(Workflow):
    """A checkout of somebody who may only read what the first one made."""

    prefix = AS_ANYBODY


@pytest.fixture(scope="session")
def shared() -> Path:
    """A directory with the image set and the stores of a run, that may only be read and, where root runs these
    tests, is somebody else's. It's the same for all tests, which leave it as it is."""
    directory = session.directory() / "shared"

    def make(place: Path) -> None:
        owner = copy_checkout(place)
        share(owner, directory)
        stores = [
            f"{directory}/stores/{name}/32x32/{cutoff}" for name in SMALL["backends"] for cutoff in SMALL["cutoffs"]
        ]
        owner.finish(*(f"{store}/manifest.json" for store in stores))
        for path in [directory, *directory.rglob("*")]:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
            if ROOT:
                os.chown(path, NOBODY, NOBODY)

    session.once("owner", make)
    return directory


def share(workflow: Workflow, directory: Path) -> None:
    workflow.configure(download_dir=str(directory / "images"), store_dir=str(directory / "stores"))


@pytest.fixture
def reader(disk: Path, shared: Path) -> Reader:
    """A second checkout that uses the shared directory."""
    reader = Reader(copy_checkout(disk / "reader").directory)
    share(reader, shared)
    return reader


def state(directory: Path) -> dict[str, tuple[int, int]]:
    """What is in a directory, and when it was last changed."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.rglob("*")}


def test_whoever_comes_second_rebuilds_nothing(shared: Path, reader: Reader) -> None:
    before = state(shared)
    reader.configure(cutoffs=[30])
    assert {job[0] for job in reader.planned(SUMMARY)} == {"time_operation", "summarise"}
    reader.finish(SUMMARY)
    assert state(shared) == before
    records = [json.loads(path.read_text()) for path in reader.directory.glob("results/records/*/*/*/*/*.json")]
    assert len(records) == 4
    assert {record["status"] for record in records} == {"measured"}
    # What belongs to somebody else can't be looked up in the page cache, so a copy of it was read.
    reads = {record["store"]["copied"] for record in records if record["cell"]["operation"].startswith("read")}
    assert reads == {ROOT}
    assert not list(reader.directory.glob("results/.timing*"))
    assert reader.planned(SUMMARY) == set()


def test_a_store_of_other_code_is_refused(shared: Path, reader: Reader) -> None:
    before = state(shared)
    reader.edit("scripts/backends/hdf5.py")
    done = reader.run()
    assert done.returncode != 0
    line = done.stdout.strip().splitlines()[-1]
    assert f"the store {shared}/stores/hdf5/32x32/1 was made from other images, code, options or versions" in line
    assert "set store_dir to a directory of your own" in line
    assert not list(reader.directory.glob("results/records"))
    assert state(shared) == before


def test_a_store_of_other_images_is_refused(shared: Path, reader: Reader) -> None:
    before = state(shared)
    write_small_archive(reader.directory / "archive.tar.gz", seed=1)
    reader.configure(download_dir=None)
    done = reader.run()
    assert done.returncode != 0
    assert f"{shared}/stores may only be read, and {reader.dataset} has no image set" in done.stdout.splitlines()[-1]
    assert not list(reader.directory.glob("results/records"))
    assert state(shared) == before


def test_other_images_have_a_place_of_their_own(shared: Path, reader: Reader) -> None:
    before = state(shared)
    write_small_archive(reader.directory / "archive.tar.gz", seed=1)
    reader.configure(store_dir=None, cutoffs=[1], backends=["hdf5"])
    reader.finish(SUMMARY)
    assert (reader.directory / reader.dataset / "32x32/provenance.json").is_file()
    assert state(shared) == before


def test_what_a_run_does_not_use_may_be_outdated(finished: Workflow) -> None:
    """A store of code that was edited stops only the runs that would read it and don't build it anew."""
    finished.edit("scripts/backends/lmdb.py")
    manifest = "results/stores/hdf5/32x32/30/manifest.json"
    finished.finish("--forcerun", "build", "--", manifest)
