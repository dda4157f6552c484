"""A small workflow in a copy of the checkout: to run, to plan and to edit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from scripts.plan import images
from scripts.system import lock
from tests.support.archives import write_small_archive
from tests.support.checkout import CHECKOUT, FEW_FIGURES, FIGURES, SNAKEMAKE, configure, copied

SMALL = {
    "images": "archive.tar.gz",
    "backends": ["hdf5", "lmdb"],
    "cutoffs": [1, 30],
    "operations": ["write", "read-warm"],
    "budget_seconds": 0.05,
    "minimum_samples": 6,
}
LONGEST_RUN_SECONDS = 900
"""For a run to its end, on a busy machine."""


@dataclass(frozen=True)
class Workflow:
    """A copy of the checkout with a small config, to run the workflow in and to edit."""

    directory: Path
    prefix: ClassVar[Sequence[str]] = ()
    """What each command starts with."""

    def configure(self, **changes: Any) -> None:
        """Change keys of config.yaml; None removes one."""
        configure(self.directory, changes)

    def start(
        self, *arguments: str, prefix: Sequence[str] = (), variables: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start Snakemake, after `prefix`, in a session of its own, with a host's lock of its own.

        `variables` are added to its environment; `options` are those of `subprocess.Popen`.
        """
        return subprocess.Popen(
            [*self.prefix, *prefix, SNAKEMAKE, "--cores", "2", *arguments],
            cwd=self.directory,
            env=self.environment | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; output and errors are one text, in `stdout`.

        It is a fork of a process that has loaded Snakemake, unless an option or the prefix needs a new process.
        """
        if not self.prefix and not any(options.values()):
            return self.run_loaded("--cores", "2", *arguments)
        process = self.start(*arguments, **options)
        output, _ = process.communicate(timeout=LONGEST_RUN_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def run_loaded(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Snakemake by a fork of a process that has loaded it; as `run`, but adds no argument."""
        loaded, child = _loaded_snakemake(), None
        with tempfile.TemporaryDirectory() as place:
            output = Path(place, "output")
            print(json.dumps([str(self.directory), self.environment, str(output), arguments]), file=loaded.stdin)
            try:
                child = int(loaded.stdout.readline())
                code = int(loaded.stdout.readline())
            except BaseException:  # the test's time is over, say
                _loaded_snakemake.cache_clear()
                loaded.kill()
                with suppress(ProcessLookupError, TypeError):
                    os.killpg(child, signal.SIGKILL)
                raise
            return subprocess.CompletedProcess(arguments, code, output.read_text())

    def finish(self, *arguments: str, **options: Any) -> str:
        """Run Snakemake, see that it succeeds, and return what it printed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def planned(self, *arguments: str, **options: Any) -> set[tuple[str, ...]]:
        """Return the jobs that Snakemake would run: the rule and its wildcards' values (without machine and size)."""
        output = self.finish("--dry-run", *arguments, **options)
        jobs = set()
        for block in re.split(r"\n *(?=(?:local)?(?:rule|checkpoint) \w+:)", output)[1:]:
            rule = re.match(r"(?:local)?(?:rule|checkpoint) (\w+):", block)[1]
            wildcards = re.search(r"\n +wildcards: (.*)", block)
            values = dict(pair.split("=") for pair in wildcards[1].split(", ")) if wildcards else {}
            for constant in ("machine", "image_size"):
                values.pop(constant, None)
            jobs.add((rule, *values.values()))
        return jobs - {("all",)}

    def copy(self, directory: Path) -> "Workflow":
        """Copy all of it, results included, to the new `directory`."""
        shutil.copytree(self.directory, directory, symlinks=True)
        return Workflow(directory)

    def take_few_synthetic_images(self) -> None:
        """Measure generated images, which are repeated where a cutoff is larger; only a few of them."""
        source = self.directory / "scripts/dataset/sources/synthetic.py"
        text = source.read_text()
        assert "Synthetic(50_000)" in text
        source.write_text(text.replace("Synthetic(50_000)", "Synthetic(100)"))
        self.configure(images="synthetic")

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
    def dataset(self) -> str:
        """Where the images of the archive are gathered, from the directory."""
        return f"results/dataset/{images.folder(SMALL['images'], SMALL['images'])}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run: without what pytest and other runs leave in it."""
        return os.environ | {lock.ENVIRONMENT_VARIABLE: str(self.directory / "lock"), "COLUMNS": "200"}


@cache
def _loaded_snakemake() -> subprocess.Popen[str]:
    """The process that has loaded Snakemake, one for each worker, until `unload_snakemake`."""
    command = [sys.executable, CHECKOUT / "tests/support/loaded_snakemake.py"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def unload_snakemake() -> None:
    """End that process, if there is one."""
    if _loaded_snakemake.cache_info().currsize:
        _loaded_snakemake().communicate()


def copy_checkout(directory: Path, figures: Sequence[str] = FEW_FIGURES[:1]) -> Workflow:
    """Copy what a run needs into the new `directory`, with one figure or few, a small archive and a small config."""
    copied(directory, SMALL, figures)
    write_small_archive(directory / "archive.tar.gz")
    return Workflow(directory)
