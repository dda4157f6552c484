"""What tests share: a place on a real disk, small archives, and copies of the checkout to run the workflow in."""

import faulthandler
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scripts import backends
from scripts.backends.go import compiler
from scripts.common import sealed
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, ImageSet, provenance_digests
from scripts.dataset.sources import cifar10, synthetic
from scripts.plan import available
from scripts.stores.store import Choice
from scripts.system import lock

CHECKOUT = Path(__file__).resolve().parent.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
PARTS = ("Snakefile", "config.yaml", "scripts", "envs", "profiles", "requirements")
FIGURES = Path("scripts/report/figures")
FEW_FIGURES = ("latency", "read_time_log")
"""Those in copies of the checkout: each is a job of its own, of two seconds."""
RUNNABLE = [name for name in backends.names() if not available.why_not(Choice(name, backends.resolve(name, {})))]
"""The backends that can run here."""
SMALL = {
    "images": "archive.tar.gz",
    "backends": ["hdf5", "lmdb"],
    "cutoffs": [1, 30],
    "operations": ["write", "read-warm"],
    "budget_seconds": 0.05,
    "minimum_samples": 6,
}


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


def mounted(place: Path, at_the_end: Callable[[Callable[[], object]], None], options: str = "size=4m") -> Path:
    """Mount a file system in memory, of 4 MiB or with other options, or skip."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    at_the_end(lambda: subprocess.run(["umount", place], check=True))
    return place


def write_image_set(directory: Path, count: int, images: np.ndarray | None = None) -> ImageSet:
    """Write an image set of `count` images, distinct unless given, in the way that the unpack step does."""
    directory.mkdir(parents=True)
    images = synthetic.generate(count, seed=1) if images is None else images
    labels = np.arange(count, dtype=np.int64) % 10
    for prefix in ("", "test_"):
        np.save(directory / f"{prefix}images.npy", images)
        np.save(directory / f"{prefix}labels.npy", labels)
    provenance = {
        "provenance_version": PROVENANCE_VERSION,
        **{"name": "small", "label": "small", "synthetic": False, "note": None},
        **{"train_images": count, "test_images": count, "image_shape": [32, 32, 3]},
        **provenance_digests(images, labels),
    }
    sealed.write(directory / PROVENANCE, provenance)
    return ImageSet.load(directory)


def write_small_archive(path: Path, rows: int = 10, seed: int = 0) -> None:
    """Write an archive of two training batches and a test batch of `rows` images each."""

    def batch(number: int) -> cifar10.Batch:
        images = synthetic.generate(rows, seed=seed, first=number * rows)
        return cifar10.Batch(images, synthetic.generate_labels(rows, seed=seed, first=number * rows))

    with open(path, "wb") as file:
        cifar10.write_archive(file, list(synthetic.LABEL_NAMES), map(batch, (0, 1)), batch(2), synthetic=False)


@dataclass
class Workflow:
    """A copy of the checkout with a small config, to run the workflow in and to edit."""

    directory: Path

    def configure(self, **changes: Any) -> None:
        """Change keys of config.yaml; None removes one."""
        path = self.directory / "config.yaml"
        config = yaml.safe_load(path.read_text()) | changes
        path.write_text(yaml.safe_dump({key: value for key, value in config.items() if value is not None}))

    def start(self, *arguments: str, prefix: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
        """Start Snakemake, after `prefix`, in a session of its own, with a host's lock of its own."""
        return subprocess.Popen(
            [*prefix, SNAKEMAKE, "--cores", "2", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; output and errors are one text, in `stdout`."""
        process = self.start(*arguments, **options)
        output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def finish(self, *arguments: str) -> str:
        """Run Snakemake, see that it succeeds, and return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def planned(self, *arguments: str) -> set[tuple[str, ...]]:
        """Return the jobs that Snakemake would run: the rule and its wildcards' values (the machine left out)."""
        output = self.finish("--dry-run", *arguments)
        jobs = set()
        for block in re.split(r"\n *(?=(?:local)?rule \w+:)", output)[1:]:
            rule = re.match(r"(?:local)?rule (\w+):", block)[1]
            wildcards = re.search(r"\n +wildcards: (.*)", block)
            values = dict(pair.split("=") for pair in wildcards[1].split(", ")) if wildcards else {}
            values.pop("machine", None)
            jobs.add((rule, *values.values()))
        return jobs - {("all",)}

    def add_all_figures(self) -> None:
        """Copy the figures that are left out otherwise."""
        shutil.copytree(CHECKOUT / FIGURES, self.directory / FIGURES, dirs_exist_ok=True)

    def edit(self, path: str, addition: str = "\nEDITED = True\n") -> None:
        """Append to a file; without `addition`, a line of code."""
        with open(self.directory / path, "a") as file:
            file.write(addition)

    def results(self) -> dict[str, bytes]:
        """Return the content of every table, figure and page."""
        results = self.directory / "results"
        files = [*results.glob("*.csv"), *results.glob("*.html"), *results.glob("figures/*")]
        return {str(path.relative_to(results)): path.read_bytes() for path in files}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run: without what pytest and other runs leave in it."""
        return os.environ | {lock.ENVIRONMENT_VARIABLE: str(self.directory / "lock"), "COLUMNS": "200"}


def as_who_obeys_permissions() -> list[str]:
    """The start of a command that takes root's right to write anywhere from it; skips the test where it can't be."""
    if os.geteuid() != 0:
        return []
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root may write anywhere, and there is no setpriv to change that")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


def copy_checkout(directory: Path) -> Workflow:
    """Copy what a run needs into `directory`, with few figures, a small archive and a small config."""
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(CHECKOUT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / part, directory / part)
    for figure in (directory / FIGURES).glob("*.py"):
        if figure.stem not in FEW_FIGURES:
            figure.unlink()
    write_small_archive(directory / "archive.tar.gz")
    workflow = Workflow(directory)
    workflow.configure(**SMALL)
    return workflow


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
