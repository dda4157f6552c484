"""The room that a run needs: the forecast against what stores and runs take, and the look at it before the start."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from scripts.common import full_disk
from scripts.plan import forecast
from scripts.plan.checks import room
from scripts.plan.read import read_plan
from tests.support.archives import write_small_archive
from tests.support.backend_variants import Variant, installed, parameters
from tests.support.host import mounted
from tests.support.workflow import SMALL, Workflow

MOST_RATIO = 1.5
MOUNTED = "size=200m,nr_inodes=100000"


def used(place: Path) -> np.ndarray:
    """Bytes and inodes in use on the file system of a place."""
    there = os.statvfs(place)
    return np.array([(there.f_blocks - there.f_bfree) * there.f_frsize, there.f_files - there.f_ffree])


def last_line(workflow: Workflow) -> str:
    done = workflow.run()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert not list(workflow.directory.glob("results/stores/*"))
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "variant",
    [each for each in parameters() if each.values[0].options.get("codec", "raw") == "raw"],
)
def test_a_store_takes_the_room_that_its_backend_declares(
    variant: Variant, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Noise, which nothing compresses."""
    installed(variant)
    place = mounted(tmp_path / "memory", request.addfinalizer, MOUNTED)
    count = 3000
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    before = used(place)
    variant.write(place / "store", images, np.arange(count))
    taken = used(place) - before
    said = room.of_store(variant.backend, variant.options, count, os.statvfs(place).f_frsize, images.shape[1:])
    assert taken[0] / 1.05 <= said.bytes <= MOST_RATIO * taken[0]
    assert taken[1] <= said.files <= MOST_RATIO * taken[1] + 16


def test_a_runs_peak_is_what_was_forecast(workflow: Workflow, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of its stores and of what its timings write, on a file system of their own."""
    place = mounted(tmp_path / "memory", request.addfinalizer, MOUNTED)
    write_small_archive(workflow.directory / "archive.tar.gz", rows=500)
    workflow.configure(
        backends=["files", "lmdb"], cutoffs=[1000], operations=["write", "read-warm"], store_dir=str(place / "stores")
    )
    before, peaks, ended = used(place), [], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            peaks.append(used(place) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        workflow.finish("results/summary.csv")
    finally:
        ended.set()
        watcher.join()
    config = SMALL | {"backends": ["files", "lmdb"], "cutoffs": [1000], "operations": ["write", "read-warm"]}
    config |= {"images": "synthetic", "store_dir": str(place / "stores")}
    planned = read_plan(config, with_conda=False, on_cluster=False)
    made = {*planned.manifests(), *planned.records()}
    said = sum((need.room for need in room.needs(planned, made) if need.key == "store_dir"), room.Room())
    peak = np.max(peaks, axis=0)
    assert peak[0] / MOST_RATIO <= said.bytes <= MOST_RATIO * peak[0]
    assert peak[1] / MOST_RATIO <= said.files <= MOST_RATIO * peak[1]


def test_too_few_inodes_are_one_line_before_anything_starts(
    workflow: Workflow, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = mounted(tmp_path / "few", request.addfinalizer, "size=900m,nr_inodes=2000")
    write_small_archive(workflow.directory / "archive.tar.gz", rows=500)
    workflow.configure(backends=["files", "lmdb"], cutoffs=[1000], store_dir=str(place))
    line = last_line(workflow)
    assert "inodes left" in line
    assert "leave out the backends that make a file for each image (files)" in line
    assert "free some space" not in line


def test_a_file_for_each_image_takes_blocks_and_inodes_a_million_times(tmp_path: Path) -> None:
    """The forecast of 206 GB for a million images is 34 GB: stores of 14, and what three runs of each write leave."""
    config = {"images": "synthetic", "cutoffs": [1_000_000], "largest_store_gb": 4}
    config |= {"operations": ["write", "read-warm", "random-warm"]}
    planned = read_plan(config, with_conda=False, on_cluster=False)
    total = room.total(planned, {*planned.manifests(), *planned.records()})
    assert 25e9 < total.bytes < 40e9
    assert 4e6 < total.files < 5e6
    reads = read_plan(config | {"operations": ["read-warm"]}, with_conda=False, on_cluster=False)
    assert room.total(reads, {*reads.manifests(), *reads.records()}).bytes < 20e9


def test_a_file_system_that_does_not_tell_its_size_is_taken(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """As one in memory without a limit does, and some of FUSE."""
    place = mounted(tmp_path / "endless", request.addfinalizer, "size=0,nr_inodes=0")
    config = {"images": "synthetic", "cutoffs": [1000], "store_dir": str(place)}
    planned = read_plan(config, with_conda=False, on_cluster=False)
    room.check(planned, {*planned.manifests(), *planned.records()})
    assert full_disk.lacking(place) is None


def test_what_a_servers_file_system_sends_at_a_time_is_no_block() -> None:
    assert room.block_bytes("nfs4", 1 << 20) == 8192
    assert room.block_bytes("9p", 4096) == 4096
    assert room.block_bytes("exfat", 128 << 10) == 128 << 10
    assert room.block_bytes("fuse.unknown", 16 << 20) == 128 << 10


def test_stores_of_many_files_have_time_where_a_server_syncs_each_file() -> None:
    """20 ms for each of 100,000 files, in three runs of a write."""
    assert forecast.limit_seconds(100_000, "32x32", 2, in_files=True) > 3 * 100_000 * 0.02
    assert forecast.limit_seconds(100_000, "32x32", 2, in_files=False) < 1000
    assert forecast.limit_seconds(1, "32x32", 2, in_files=True) == 600


def test_runs_of_a_write_are_few_where_each_takes_long() -> None:
    assert forecast.runs_of_a_write(1_000_000, True, 2, 9) == 3
    assert forecast.runs_of_a_write(1, False, 2, 9) == 401
    assert forecast.runs_of_a_write(1000, True, 2, 9) == 21


@pytest.mark.parametrize(
    ("needed", "free", "said"),
    [
        (206.4e9, 78e9, ("206.4 GB", "78.0 GB")),
        (80e6, 4e6, ("80.0 MB", "4.0 MB")),
        (2_040_000_000, 2_010_000_000, ("2,040.0 MB", "2,010.0 MB")),
        (130e6, 0, ("130.0 MB", "0 bytes")),
    ],
)
def test_numbers_that_are_compared_differ_as_printed(needed: float, free: float, said: tuple[str, str]) -> None:
    assert (room.size(needed, free), room.size(free, needed)) == said


def test_room_is_looked_at_where_each_part_goes(
    workflow: Workflow, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = mounted(tmp_path / "small", request.addfinalizer)
    workflow.configure(images="synthetic", download_dir=str(place))
    line = last_line(workflow)
    assert "its image set 153.6 MB" in line
    assert "set download_dir to a larger disk" in line
