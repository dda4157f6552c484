"""Backends in processes of their own: forked and spawned readers, little memory, and a full disk."""

import errno
import itertools
import json
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.backend_variants import Variant, assert_same, installed, load_all, make, parameters, variants
from tests.support.checkout import CHECKOUT

LONGEST_WAIT_SECONDS = 30
STREAM_BYTES = 100_000_000
FORKS = 2

pytestmark = pytest.mark.slow

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")


def by_backend() -> list[Any]:
    """The variants of each backend: each day the first, and in a nightly run the others, too."""
    found = []
    for name, group in itertools.groupby(variants(), lambda variant: variant.name):
        first, *others = group
        found.append(pytest.param([first], id=name))
        if others:
            found.append(pytest.param(others, id=f"{name}-others", marks=pytest.mark.nightly))
    return found


@pytest.fixture(params=parameters(pytest.mark.nightly))
def variant(request: pytest.FixtureRequest) -> Variant:
    return installed(request.param)


@pytest.fixture
def written(variant: Variant, tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A store : its path, and what is in it."""
    images, labels = make()
    variant.write(tmp_path / "store", images, labels)
    return tmp_path / "store", images, labels


@forks
def test_readers_after_a_fork(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, images, labels = written
    with variant.open(path) as reader:
        assert_same(load_all(reader), images, labels)

    def child_opens() -> None:
        with variant.open(path) as reader:
            assert_same(load_all(reader), images, labels)

    # A library that has threads of its own may refuse to work after a fork; it may not hang or crash.
    assert exit_code_of_fork(child_opens) in ([0] if variant.backend.fork_safe else [0, 1])
    if variant.backend.fork_safe:
        with variant.open(path) as reader:
            assert exit_code_of_fork(lambda: assert_same(reader.load([2, 1]), images[[2, 1]], labels[[2, 1]])) == 0
            assert_same(load_all(reader), images, labels)


@forks
def test_processes_share_a_reader_after_a_fork(variant: Variant, tmp_path: Path) -> None:
    """All at the same moment: what forked processes have in common, as a file's position, mustn't matter."""
    if not variant.backend.fork_safe:
        pytest.skip("declared: not for use after a fork")
    images, labels = make(300)
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:

        def read_repeatedly() -> None:
            for _ in range(20):
                assert_same(load_all(reader), images, labels)

        context = multiprocessing.get_context("fork")
        children = [context.Process(target=read_repeatedly, daemon=True) for _ in range(2)]
        for child in children:
            child.start()
        read_repeatedly()
        for child in children:
            child.join(LONGEST_WAIT_SECONDS)
            child.kill()
    assert [child.exitcode for child in children] == [0, 0]


@forks
def test_forks_beside_threads_that_use_the_library(
    variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]
) -> None:
    """A few of the forks of `python -m tests.yardsticks.forks`, which counts fifty for each backend."""
    if not variant.backend.fork_safe:
        pytest.skip("declared: not for use after a fork")
    path, images, labels = written
    done = threading.Event()

    def work() -> None:
        with variant.open(path) as own:
            while not done.is_set():
                load_all(own)

    thread = threading.Thread(target=work, daemon=True)
    with variant.open(path) as reader:
        load_all(reader)

        def child_reads() -> None:
            with variant.open(path) as own:
                for each in (reader, own):
                    assert_same(each.load([2, 1]), images[[2, 1]], labels[[2, 1]])
                    assert_same(load_all(each), images, labels)

        thread.start()
        codes = [exit_code_of_fork(child_reads) for _ in range(FORKS)]
        done.set()
        thread.join(LONGEST_WAIT_SECONDS)
    assert codes == [0] * FORKS


def exit_code_of_fork(work: Callable[[], None]) -> int | None:
    """What a forked child that does this ends with; None where it hangs."""
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    process.join(LONGEST_WAIT_SECONDS)
    process.kill()
    return process.exitcode


@pytest.fixture(scope="session")
def two_processes() -> Iterator[ProcessPoolExecutor]:
    """Two spawned processes that can wait for one another."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=_meet_at, initargs=(context.Barrier(2),)) as pool:
        yield pool


def _meet_at(barrier: Any) -> None:
    _meet_at.barrier = barrier  # type: ignore[attr-defined]


def _read_in_a_spawned_process(variant: Variant, path: Path, meet: bool) -> tuple[np.ndarray, np.ndarray]:
    with variant.open(path) as reader:
        if meet:
            _meet_at.barrier.wait(LONGEST_WAIT_SECONDS)  # type: ignore[attr-defined]
        return load_all(reader)


def test_readers_in_spawned_processes(
    variant: Variant, written: tuple[Path, np.ndarray, np.ndarray], two_processes: ProcessPoolExecutor
) -> None:
    path, images, labels = written
    several = variant.backend.several_readers
    tasks = [two_processes.submit(_read_in_a_spawned_process, variant, path, several) for _ in range(1 + several)]
    for task in tasks:
        assert_same(task.result(LONGEST_WAIT_SECONDS), images, labels)


STREAM = """
import json, shutil, sys
from pathlib import Path
import numpy as np
from scripts import backends
from scripts.backends import base

IMAGES, SIDE = 180, 512
most = 0

def own_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024

class Flat:
    shape, dtype = (IMAGES, SIDE, SIDE, 3), np.dtype(np.uint8)
    def __getitem__(self, rows):
        global most
        most = max(most, own_bytes())
        return np.full((len(range(IMAGES)[rows]), SIDE, SIDE, 3), 9, np.uint8)

class Copying(base.Backend):
    def open(self, path, options): ...
    def _write(self, path, images, labels, options):
        everything = [np.array(block) for _, block, _ in base.blocks(images, labels)]

name, variants, path = json.loads(sys.argv[1])
backend = Copying() if name == "copying" else backends.load(name)
first = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
before = None
for options in variants:
    most = 0
    backend.write(Path(path, "first"), *first, durable=False, options=options)
    before = before or own_bytes()
    backend.write(Path(path, "store"), Flat(), np.arange(IMAGES), durable=False, options=options)
    print(max(most, own_bytes()) - before)
    if name != "copying":
        with backend.open(Path(path, "store"), options) as reader:
            images, labels = reader.load([IMAGES - 1])
            assert (images == 9).all() and labels == [IMAGES - 1]
        for store in ("first", "store"):
            shutil.rmtree(Path(path, store))
"""

FULL_DISK = """
import json, os, sys
from pathlib import Path
import numpy as np
from scripts import backends

name, variants, path = json.loads(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), np.uint8)
for options in variants:
    for durable in (False, True):
        try:
            backends.load(name).write(Path(path, "store"), noise, np.arange(2000), durable=durable, options=options)
        except OSError as error:
            print(error.errno, error.filename, os.listdir(path))
"""


def run_alone(script: str, name: str, options: list[dict[str, Any]], path: Path, *prefix: str) -> list[str]:
    """Run a script, after `prefix`, with some options of a backend in turn; what it prints for each of them."""
    command = [*prefix, sys.executable, "-c", script, json.dumps([name, options, str(path)])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's own memory")


@on_linux
@pytest.mark.parametrize("chosen", by_backend())
def test_writing_streams(chosen: list[Variant], tmp_path: Path) -> None:
    """Write 142 MB of images with 100 MB of memory; pages of mapped files don't count, as RssAnon of proc(5) has it."""
    taken = run_alone(STREAM, chosen[0].name, [installed(variant).options for variant in chosen], tmp_path)
    assert len(taken) == len(chosen)
    assert max(map(int, taken)) < STREAM_BYTES, taken


@on_linux
def test_writing_streams_would_find_a_copy_of_everything(tmp_path: Path) -> None:
    assert int(run_alone(STREAM, "copying", [{}], tmp_path)[0]) > STREAM_BYTES


@pytest.mark.parametrize("chosen", by_backend())
def test_full_disk(chosen: list[Variant], tmp_path: Path) -> None:
    """A 4 MB file system of its own gets full: one OSError that says so and where, and nothing left behind."""
    mount = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
    small_disk = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount)
    try:
        subprocess.run([*small_disk, str(tmp_path), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user can't mount a file system in a name space")
    options = [installed(variant).options for variant in chosen]
    lines = run_alone(FULL_DISK, chosen[0].name, options, tmp_path, *small_disk, str(tmp_path))
    assert lines == [f"{errno.ENOSPC} {tmp_path / 'store'} []"] * 2 * len(chosen)
