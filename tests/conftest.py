"""What all tests may ask for: a place on a real disk, a workflow, and an end to every test that hangs."""

import faulthandler
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import backends
from scripts.backends.go import compiler
from scripts.system import lock
from tests.support.backend_variants import RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.workflow import Workflow, copy_checkout

LONGEST_TEST_SECONDS = 1800
"""For one test with its fixtures: three times as long as any took on a busy machine."""

LONGEST = ("test_cluster", "test_cluster_site", "test_readme", "test_workflow", "test_reruns")
"""Started first: a file is one worker's, and a long one that starts last keeps the others waiting. What takes long in
it is at its top: a worker that has two tests left takes another file along."""


def pytest_configure() -> None:
    """Let what tests start be interrupted: a job in the background of a shell ignores that, and hands it on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests on a cluster mostly wait for it."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the order is otherwise the usual one."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """End a test that hangs, with an error; where it hangs in a library's code, by ending its process."""

    def hangs(number: int, frame: Any) -> None:
        pytest.fail(f"it hung: no end after {LONGEST_TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(LONGEST_TEST_SECONDS)
    faulthandler.dump_traceback_later(LONGEST_TEST_SECONDS + 60, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session", autouse=True)
def own_lock(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep steps that tests start from waiting for a run on this host, and such a run from waiting for them."""
    os.environ[lock.ENVIRONMENT_VARIABLE] = str(tmp_path_factory.mktemp("lock") / "lock")


@pytest.fixture(scope="session")
def libraries() -> None:
    """Have built what backends need built, where steps that tests start look for it; for `usefixtures`."""
    for name in RUNNABLE:
        if needed := backends.load(name).native:
            compiler.built(needed)


@pytest.fixture
def disk() -> Iterator[Path]:
    """An empty directory on the checkout's file system, for what a file system in memory can't show."""
    (CHECKOUT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        yield Path(directory)


@pytest.fixture
def workflow(disk: Path) -> Workflow:
    """A copy of the checkout in which nothing has run yet."""
    return copy_checkout(disk / "checkout")


@pytest.fixture(scope="session")
def finished_once() -> Iterator[Workflow]:
    """A copy of the checkout with a finished run; shared, so not to be changed: take `finished`."""
    (CHECKOUT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        workflow = copy_checkout(Path(directory) / "checkout")
        (workflow.directory / "output.txt").write_text(workflow.finish())
        yield workflow


@pytest.fixture
def finished(finished_once: Workflow, disk: Path) -> Workflow:
    """A copy of the checkout with a finished run, free to be changed."""
    directory = disk / "checkout"
    shutil.copytree(finished_once.directory, directory, symlinks=True)
    return Workflow(directory)
