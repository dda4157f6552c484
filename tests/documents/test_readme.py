"""Every command of the README but the test command is run as it stands, in order, in a copy with a small config."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.workflow import copy_checkout

README = (CHECKOUT / "README.md").read_text()


def commands() -> list[str]:
    """The indented lines outside the sections on tests and on clusters, whose lines `test_cluster.py` runs."""
    return re.findall(r"(?m)^    (\S.*)$", re.sub(r"(?ms)^## (Test|Run on a cluster)$.*?(?=^## )", "", README))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workflow = copy_checkout(tmp_path_factory.mktemp("readme") / "checkout")
    workflow.add_all_figures()
    shutil.copytree(CHECKOUT / "tests", workflow.directory / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", workflow.directory)
    return workflow.directory


def test_every_command_works_as_it_stands(copy: Path) -> None:
    found = commands()
    assert len(found) >= 7
    environment = os.environ | {"IMAGE_STORAGE_BENCHMARK_LOCK": str(copy / "lock"), "COLUMNS": "200"}
    for command in found:
        if "pytest" in command:
            install = ".venv/bin/python -m pip install --quiet --require-hashes -r requirements/test.txt"
            subprocess.run(install, shell=True, cwd=copy, check=True)
        done = subprocess.run(command, shell=True, cwd=copy, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert (copy / "results/report.html").is_file()
    assert (copy / "results/quick/report.html").is_file()


def test_every_place_that_it_links_to_is_there() -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert places
    assert [place for place in places if not (CHECKOUT / place).exists()] == []
