"""The commands of README and docs, as they stand, in order, in a copy with a small config; README's links, length."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.system import lock
from tests.support.archives import write_small_archive
from tests.support.checkout import CHECKOUT
from tests.support.drawn_files import drawn
from tests.support.workflow import Workflow, copy_checkout

README = (CHECKOUT / "README.md").read_text()
OTHER_SECTIONS = r"(?ms)^## (Test|Run on a cluster)$.*?(?=^## |\Z)"
"""The tests themselves, and what `test_cluster.py` runs."""
INSTALLS = re.compile(r"python3 -m venv |-m pip install ")
ASKS_FOR_OTHER_STORES = re.compile(r"snakemake .*\b(backends|codecs)=")
"""What such a run makes, `test_all_backends.py` sees; here Snakemake only plans it."""
REPEATS = re.compile(r"snakemake .*--forcerun ")
"""Each day only planned, as it does again what a command before it did."""
PHOTOGRAPHS = "/data/photographs"
"""The folder that the documents name, of which the copy has its own."""
SECONDS = re.compile(r"--seconds \S+")

DOCUMENTS = [CHECKOUT / "docs" / f"{name}.md" for name in ("method", "configure", "all-stores", "codecs")]
MOST_WORDS = 700
"""What README has room for; all else is in docs/."""


def commands() -> list[str]:
    """The indented lines of README, outside the sections that other tests run, and then those of the documents."""
    texts = [re.sub(OTHER_SECTIONS, "", README), *(path.read_text() for path in DOCUMENTS)]
    return list(dict.fromkeys(line for text in texts for line in re.findall(r"(?m)^    (\S.*)$", text)))


def test_it_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS


def without_installing(command: str) -> str:
    """A command for an environment that is there already; empty where it does nothing else than to install one."""
    return " && ".join(part for part in command.split(" && ") if not INSTALLS.search(part))


def run(command: str, copy: Path) -> None:
    environment = os.environ | {lock.ENVIRONMENT_VARIABLE: str(copy / "lock"), "COLUMNS": "200"}
    done = subprocess.run(command, shell=True, cwd=copy, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout with its tests, in which nothing is installed."""
    workflow = copy_checkout(tmp_path / "checkout")
    write_small_archive(workflow.directory / "archive.tar.gz", rows=50)
    (workflow.directory / "photographs").mkdir()
    for number in range(100):
        (workflow.directory / f"photographs/{number}.jpg").write_bytes(drawn(number, 240, 230))
    workflow.configure(backends=["lmdb"], cutoffs=[100], operations=["write"])
    shutil.copytree(CHECKOUT / "tests", workflow.directory / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", workflow.directory)
    return workflow.directory


@pytest.mark.slow
@pytest.mark.parametrize("spared", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_every_command_works_as_it_stands(copy: Path, spared: bool) -> None:
    """With the environment of this test in the place of the README's; each day without what costs time alone."""
    (copy / ".venv").symlink_to(sys.prefix)
    # Those of other images come last: the others are of the results of the same ones.
    found = sorted(filter(None, map(without_installing, commands())), key=lambda command: PHOTOGRAPHS in command)
    found = [command.replace(PHOTOGRAPHS, "photographs") for command in found]
    assert len(found) >= 7
    for command in found:
        planned = ASKS_FOR_OTHER_STORES.search(command) or (spared and REPEATS.search(command))
        if spared and planned:
            program, *arguments = shlex.split(command)
            done = Workflow(copy).run_loaded(*arguments, "--dry-run")
            assert (program, done.returncode) == (".venv/bin/snakemake", 0), done.stdout[-3000:]
        else:
            command = SECONDS.sub("--seconds 0.1", command) if spared else command
            run(f"{command} --dry-run" if planned else command, copy)
    assert (copy / "results/report.html").is_file()
    assert (copy / "results/quick/report.html").is_file()


@pytest.mark.nightly
def test_a_fresh_environment_runs_the_workflow_and_its_tests(copy: Path) -> None:
    """All that the README installs, downloaded and put into an environment of the copy's own."""
    installs = [command for command in commands() if INSTALLS.search(command)]
    assert installs
    for command in installs:
        run(command, copy)
    assert (copy / "results/report.html").is_file()
    (test_command,) = re.findall(r"(?m)^    (\S.*pytest.*)$", re.search(r"(?ms)^## Test$.*?(?=^## |\Z)", README)[0])
    run(f"{test_command} tests/codecs tests/backends/test_contract.py", copy)


def test_every_place_that_it_links_to_is_there() -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert places
    assert [place for place in places if not (CHECKOUT / place).exists()] == []
