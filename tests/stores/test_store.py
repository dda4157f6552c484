"""Building and publishing stores, and refusing those that don't match their manifest."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base
from scripts.common.errors import UserError
from scripts.dataset.image_set import ImageSet
from scripts.plan import available
from scripts.stores.build import build_store
from scripts.stores.check import check_files
from scripts.stores.choice import Choice, store_key
from scripts.stores.manifest import DATA, MANIFEST
from scripts.system.disk import scratch
from tests.support.backend_variants import RUNNABLE, load_all
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set

pytestmark = pytest.mark.usefixtures("libraries")

BYTES_OF_TIME_AND_LOG = 8192
"""Some libraries write into a store when it was made, or a log for people, which is longest the first time."""

MEMORY_BYTES = {20_000: 105_000_000, 100_000: 300_000_000}
"""The private memory that a build of so many images may take."""


def choose(name: str, **options: object) -> Choice:
    return Choice(name, backends.resolve(name, options))


@pytest.fixture
def image_set(tmp_path: Path) -> ImageSet:
    return write_image_set(tmp_path / "dataset", 40)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_built_store_matches_its_manifest_and_another_one(name: str, image_set: ImageSet, disk: Path) -> None:
    choice = choose(name)
    for place in ("one", "two"):
        (disk / place).mkdir()
        build_store(name, choice, 50, image_set, disk / place / "50")
        assert [path.name for path in (disk / place).iterdir()] == ["50"]
    one, two = (
        check_files(disk / place / "50", store_key(image_set.provenance["digest"], 50, choice))
        for place in ("one", "two")
    )
    assert one["image_set"]["distinct_images"] == 40
    assert one["image_set"]["repeated_images"] == 10
    with backends.load(name).open(disk / "one/50" / DATA, choice.options) as reader:
        images, labels = load_all(reader)
    assert np.array_equal(images, np.resize(image_set.images, images.shape))
    assert np.array_equal(labels, np.resize(image_set.labels, labels.shape))
    for size in ("apparent_bytes", "allocated_bytes"):
        assert abs(one.pop(size) - two.pop(size)) <= BYTES_OF_TIME_AND_LOG
    assert all(content.pop("seal", None) for content in (one, two))
    assert one == two


def test_another_key_is_refused_in_one_line(image_set: ImageSet, disk: Path) -> None:
    name = RUNNABLE[0]
    build_store(name, choose(name), 5, image_set, disk / "5")
    with pytest.raises(UserError, match=r"other images, code, options or versions; delete .*5 and run again") as error:
        check_files(disk / "5", store_key("another image set", 5, choose(name)))
    assert "\n" not in str(error.value)


def test_keys_differ_by_images_cutoff_and_options() -> None:
    keys = {
        store_key("a", 1, choose("lmdb")),
        store_key("b", 1, choose("lmdb")),
        store_key("a", 2, choose("lmdb")),
        store_key("a", 1, choose("lmdb", codec="png")),
        store_key("a", 1, choose("hdf5")),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("damage", ["truncate", "delete a file", "delete all", "add a file"])
def test_a_store_that_changed_on_the_disk_is_refused(damage: str, image_set: ImageSet, disk: Path) -> None:
    choice = choose("png")
    build_store("png", choice, 5, image_set, disk / "5")
    data = disk / "5" / DATA
    some_file = next(path for path in sorted(data.rglob("*")) if path.is_file())
    if damage == "truncate":
        os.truncate(some_file, 10)
    elif damage == "delete a file":
        some_file.unlink()
    elif damage == "delete all":
        os.rename(data, disk / "elsewhere")
    else:
        (data / "stray").write_text("x")
    with pytest.raises(UserError, match="run again"):
        check_files(disk / "5", store_key(image_set.provenance["digest"], 5, choice))


class Forgetful(base.Backend):
    """A backend that gives back every image but the last, twice."""

    fork_safe = several_readers = opens_without_writing = True

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict) -> None:
        np.save(path / "images.npy", np.concatenate([images[:-1], images[-2:-1]]))
        np.save(path / "labels.npy", labels[:])

    def open(self, path: Path, options: dict) -> base.Reader:
        images, labels = np.load(path / "images.npy"), np.load(path / "labels.npy")

        class Reader(base.Reader):
            def _open(self, path: Path, options: dict) -> tuple[int, tuple[int, ...]]:
                return len(images), images.shape[1:]

            def _read_all(self, into: np.ndarray, into_labels: np.ndarray) -> None:
                self._read(np.arange(len(self)), into, into_labels)

            def _read(self, ids: np.ndarray, into: np.ndarray, into_labels: np.ndarray) -> None:
                into[:], into_labels[:] = images[ids], labels[ids]

        return Reader(path, options)


def test_a_backend_that_gives_back_other_images_publishes_nothing(
    image_set: ImageSet, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "load", lambda name: Forgetful())
    with pytest.raises(UserError, match="gave back other images"):
        build_store("forgetful", Choice("png", {}), 5, image_set, disk / "5")
    assert list(disk.iterdir()) == []


def test_the_first_complete_store_stays(image_set: ImageSet, disk: Path) -> None:
    name = RUNNABLE[0]
    build_store(name, choose(name), 5, image_set, disk / "5")
    first = os.stat(disk / "5" / MANIFEST).st_ino
    build_store(name, choose(name), 5, image_set, disk / "5")
    assert os.stat(disk / "5" / MANIFEST).st_ino == first


def stale(directory: Path) -> Path:
    (directory / DATA).mkdir(parents=True)
    (directory / DATA / "stale").write_text("x")
    return directory


@pytest.mark.parametrize("gives_way", [False, True])
def test_of_two_builders_that_publish_at_one_moment_the_first_one_stays(
    gives_way: bool, image_set: ImageSet, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two nodes do that share the stores; no lock of the system is between them."""
    directory = disk / "hdf5/32x32/5"
    if gives_way:
        stale(directory)
    rename, together = os.rename, threading.Barrier(2)

    def at_one_moment(source: Path, target: Path) -> None:
        if target == directory and threading.get_ident() not in met:
            met.add(threading.get_ident())
            together.wait(timeout=60)
        rename(source, target)
        renamed.append(Path(target))

    met: set[int] = set()
    renamed: list[Path] = []
    monkeypatch.setattr(os, "rename", at_one_moment)
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(build_store, "hdf5", choose("hdf5"), 5, image_set, directory) for _ in range(2)]:
            done.result()
    assert len(met) == 2
    assert gives_way or renamed.count(directory) == 1
    check_files(directory, store_key(image_set.provenance["digest"], 5, choose("hdf5")))
    assert list(directory.parent.iterdir()) == [directory]


def test_a_stale_store_gives_way(image_set: ImageSet, disk: Path) -> None:
    directory = stale(disk / "hdf5/32x32/5")
    build_store("hdf5", choose("hdf5"), 5, image_set, directory)
    check_files(directory, store_key(image_set.provenance["digest"], 5, choose("hdf5")))
    assert list(directory.parent.iterdir()) == [directory]
    scratch.remove_all(disk)
    assert [path.name for path in disk.iterdir()] == ["hdf5"], "what gave way goes at the end of the run"


def build_command(name: str, cutoff: int, image_set: Path, directory: Path) -> list[str]:
    options = json.dumps(choose(name).options)
    return [
        *(sys.executable, str(CHECKOUT / "scripts"), "build", "--name", name, "--module", name, "--options", options),
        *("--cutoff", str(cutoff), "--image-set", str(image_set), "--store", str(directory)),
    ]


@pytest.mark.parametrize(
    "name", [name if name in ("png", "lmdb") else pytest.param(name, marks=pytest.mark.nightly) for name in RUNNABLE]
)
@pytest.mark.slow
def test_a_killed_build_leaves_nothing_in_the_final_place_and_the_next_one_cleans_up(
    name: str, image_set: ImageSet, disk: Path, tmp_path: Path
) -> None:
    cutoff = 5_000
    process = subprocess.Popen(build_command(name, cutoff, tmp_path / "dataset", disk / str(cutoff)))
    while process.poll() is None and not list(disk.glob(f".{cutoff}-*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (disk / str(cutoff)).exists()
    assert list(disk.glob(f".{cutoff}-*"))
    subprocess.run(build_command(name, cutoff, tmp_path / "dataset", disk / str(cutoff)), check=True)
    assert [path.name for path in disk.iterdir()] == [str(cutoff)]


@pytest.mark.slow
def test_builders_at_the_same_time_publish_one_store(image_set: ImageSet, disk: Path, tmp_path: Path) -> None:
    command = build_command("lmdb", 500, tmp_path / "dataset", disk / "500")
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert [path.name for path in disk.iterdir()] == ["500"]
    check_files(disk / "500", store_key(image_set.provenance["digest"], 500, choose("lmdb")))


def bounded_builds() -> Iterator[Any]:
    """The backends that are built within little memory, with the number of images; each day few, and no PNG files."""
    names = [name for name in RUNNABLE if available.needs_only_core(choose(name))]
    for name, cutoff in product(names, MEMORY_BYTES):
        nightly = cutoff > min(MEMORY_BYTES) or name == "png"
        yield pytest.param(name, cutoff, marks=[pytest.mark.nightly] if nightly else [])


@pytest.mark.parametrize(("name", "cutoff"), list(bounded_builds()))
@pytest.mark.slow
def test_building_takes_less_memory_than_a_copy_of_the_images(
    name: str, cutoff: int, image_set: ImageSet, disk: Path, tmp_path: Path
) -> None:
    """The limit on private memory is less than what a build of one image takes (57 MB) and a copy of all images, 3,072
    bytes each. Mapped pages don't count.

    Not for backends with more libraries: what these reserve for threads counts, whether it's used or not. What they use
    themselves, `test_writing_streams` says.
    """

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES[cutoff],) * 2)

    done = subprocess.run(
        build_command(name, cutoff, tmp_path / "dataset", disk / str(cutoff)),
        preexec_fn=bounded,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # For want of memory a build succeeds, with a manifest that says so.
    assert json.loads((disk / str(cutoff) / MANIFEST).read_text())["failed"] is None
