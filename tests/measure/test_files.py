"""Timings of stores that are lossy or keep files: what is read and written is what must be, and in its state."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import lmdb
from scripts.common.cells import Cell
from scripts.common.errors import UserError
from scripts.dataset.image_set import ImageSet, Originals
from scripts.measure import samples, timing
from scripts.measure.operations import base
from scripts.measure.settings import Job, Settings
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.system.disk import scratch
from tests.support.image_sets import lay_out, write_photographs

COUNT = 40
SETTINGS = Settings(minimum_samples=6, budget_seconds=0.02, maximum_samples=6, random_images=30, batch_size=16)


@pytest.fixture
def photographs(disk: Path) -> ImageSet:
    return write_photographs(disk / "dataset/32x32", COUNT)


def build(image_set: ImageSet, disk: Path, name: str, **options: Any) -> Choice:
    choice = Choice(name, backends.resolve(name, options))
    build_store(name, choice, COUNT, image_set, disk / "stores" / name)
    return choice


def job_of(choice: Choice, disk: Path, operation: str) -> Job:
    cell = Cell("machine", choice.module, "32x32", COUNT, operation)
    store = disk / "stores" / choice.module
    return Job(cell, choice.module, choice.options, disk / "dataset/32x32", store, SETTINGS)


def take(choice: Choice, disk: Path, operation: str, written: Path) -> dict[str, Any]:
    return samples.take(job_of(choice, disk, operation), written)


@pytest.mark.parametrize("codec", ["original", pytest.param("jpeg", marks=pytest.mark.slow)])
def test_every_operation_takes_files_and_lossy_stores(photographs: ImageSet, disk: Path, codec: str) -> None:
    """The reference file has the image set's pixels, whatever the codec."""
    choice = build(photographs, disk, "lmdb", codec=codec)
    for operation in ("write", "read-warm", "batch-cold"):
        with scratch.directory(disk) as written:
            taken = take(choice, disk, operation, written)
            (plain_file,) = sorted(written.glob("baseline*"))[:1]
            pixels = photographs.images.tobytes()
            assert operation == "write" or plain_file.read_bytes() == pixels + photographs.labels.tobytes()
        assert taken["status"] == "measured"
        subjects = {sample["subject"] for sample in taken["samples"]}
        assert subjects == {"baseline", "backend", *(() if operation == "write" else ("decoding",))}


class MixesUpFiles(lmdb.Backend):
    def write(self, path: Path, images: Any, labels: Any, **more: Any) -> None:
        if isinstance(images, Originals) and len(images) > 1:
            files, names = images.originals(slice(COUNT))[::-1], images.names(slice(COUNT))
            ends = np.cumsum([0, *map(len, files)])
            images = Originals(images.pixels, np.frombuffer(b"".join(files), np.uint8), ends, names)
        super().write(path, images, labels, **more)


def test_a_writer_that_mixes_up_files_is_refused(
    photographs: ImageSet, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = build(photographs, disk, "lmdb", codec="original")
    monkeypatch.setattr(backends, "load", lambda name: MixesUpFiles())
    with scratch.directory(disk) as written, pytest.raises(UserError, match="isn't what should have been"):
        take(choice, disk, "write", written)


def test_files_are_in_memory_whole_before_they_are_written(photographs: ImageSet) -> None:
    images, _ = photographs.first_with_originals(COUNT)
    copied = base.in_memory(images, 3)
    assert isinstance(copied, Originals)
    assert copied.originals(slice(3)) == images.originals(slice(3))
    assert copied.names(slice(3)) == images.names(slice(3))
    assert np.array_equal(copied[:], images[:3])
    assert copied.original_bytes == sum(map(len, images.originals(slice(3))))


@pytest.fixture
def in_place(photographs: ImageSet, disk: Path) -> Choice:
    """A store that reads the files in the folder `own`."""
    lay_out(photographs, disk / "own")
    return build(photographs, disk, "files", codec="original", in_place=True)


@pytest.mark.parametrize("operation", ["batch-warm", "batch-cold"])
def test_files_that_are_read_where_they_lie_start_in_the_state(in_place: Choice, disk: Path, operation: str) -> None:
    with scratch.directory(disk) as written:
        taken = take(in_place, disk, operation, written)
    own = [sample for sample in taken["samples"] if sample["subject"] == "backend"]
    cold = operation == "batch-cold"
    assert {sample["resident_fraction"] for sample in own} == {0.0 if cold else 1.0}
    assert all(sample["state_verified"] for sample in own)
    file_bytes = sum(path.stat().st_size for path in (disk / "own").rglob("*.jpg"))
    least = 0.9 * file_bytes * SETTINGS.random_images / COUNT
    assert all((sample["device_read_bytes"] > least) is cold for sample in own)


def test_a_file_that_was_changed_where_it_lies_is_told(in_place: Choice, disk: Path) -> None:
    *_, other, one = sorted((disk / "own").rglob("*.jpg"))
    one.write_bytes(other.read_bytes())
    with (
        scratch.directory(disk) as written,
        pytest.raises(UserError, match="the files that it reads where they lie have changed"),
    ):
        take(in_place, disk, "read-warm", written)


def test_files_that_stay_where_they_lie_are_not_written(in_place: Choice, disk: Path) -> None:
    found = timing.time_cell(job_of(in_place, disk, "write-durable"), writes=disk)
    assert found["status"] == "gap"
    assert found["gap_reason"] == "its files stay where they lie, so there is nothing to write"
