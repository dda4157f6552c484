"""What all tests may ask for: a place on a real disk, a workflow, and an end to every test that hangs."""

import faulthandler
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import backends
from scripts.backends.go import library
from scripts.system import lock
from tests.support import shared
from tests.support.backend_variants import RUNNABLE
from tests.support.checkout import FEW_FIGURES
from tests.support.workflow import Workflow, copy_checkout, unload_snakemake

LONGEST_TEST_SECONDS = 1800
"""For one test with its fixtures: three times as long as any took on a busy machine."""

RUNS_THE_WORKFLOW = {"workflow", "finished", "finished_once"}
"""Fixtures whose tests are slow: they start Snakemake, which takes seconds each time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a nightly run ask for what takes long or depends on the network."""
    parser.addoption("--nightly", action="store_true", help="run the tests that are marked nightly, too")


def pytest_configure(config: pytest.Config) -> None:
    """Make the directory that all workers share, and let what tests start be quick to start, and be interrupted."""
    if not hasattr(config, "workerinput"):
        shared.begin()
    # NumPy starts a thread for each core in each of the many processes that tests start. No test needs these threads.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Without bytecode, each of these processes would compile all code again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A job in the background of a shell ignores the signal, and its children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what this worker has started, and remove the directory that all workers share."""
    unload_snakemake()
    if not hasattr(config, "workerinput"):
        shared.end()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests on a cluster mostly wait for it."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by what they ask for: a whole workflow and a cluster are slow.

    Tests on a cluster come first, as they mostly wait. The other slow ones come next.
    """
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
            if not config.getoption("nightly"):
                item.add_marker(pytest.mark.skip(reason="takes long or needs the network: run it with --nightly"))
        names = set(getattr(item, "fixturenames", ()))
        if "cluster" in names:
            item.add_marker("cluster")
        if names & {*RUNS_THE_WORKFLOW, "cluster"}:
            item.add_marker("slow")
    # If the last tests are short, all workers end at about the same time.
    items.sort(key=lambda item: (not item.get_closest_marker("cluster"), not item.get_closest_marker("slow")))


def pytest_collection_finish() -> None:
    """Exclude the tests and their modules from the search for garbage: they stay until the end."""
    gc.freeze()


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
        if backends.load(name).go_modules:
            library.built()


@pytest.fixture
def disk() -> Iterator[Path]:
    """An empty directory on the checkout's file system, for what a file system in memory can't show."""
    with tempfile.TemporaryDirectory(prefix=".test-", dir=shared.directory()) as directory:
        yield Path(directory)


@pytest.fixture
def workflow(disk: Path) -> Workflow:
    """A copy of the checkout in which nothing has run yet."""
    return copy_checkout(disk / "checkout")


@pytest.fixture(scope="session")
def finished_once() -> Workflow:
    """A copy of the checkout with a finished run; all tests share it, so take `finished` to change it."""

    def make(directory: Path) -> None:
        workflow = copy_checkout(directory, FEW_FIGURES)
        (directory / "output.txt").write_text(workflow.finish())

    return Workflow(shared.once("finished", make))


@pytest.fixture
def finished(finished_once: Workflow, disk: Path) -> Workflow:
    """A copy of the checkout with a finished run, free to be changed."""
    return finished_once.copy(disk / "checkout")
