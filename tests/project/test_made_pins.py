"""Pins are made from what backends and codecs declare, so that a new backend is one file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.project import pins
from tests.support.checkout import CHECKOUT, copied

NEW_BACKEND = """from scripts.backends import memmap
from scripts.backends.memmap import Reader


class Backend(memmap.Backend):
    packages = {"shelf": "shelf-store==1.2; sys_platform == 'linux'"}
"""
UV = """#!/bin/sh
echo "$@" >> calls
"""
"""Stands in for uv, which needs a network."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    directory = copied(tmp_path / "checkout", {})
    shutil.copy(CHECKOUT / "pyproject.toml", directory)
    shutil.copytree(CHECKOUT / "docs", directory / "docs")
    return directory


def run(checkout: Path, *arguments: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": path, "IMAGE_STORAGE_BENCHMARK_LOCK": str(checkout.with_name("lock"))}
    command = [sys.executable, "scripts", "pins", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_no_file_is_behind_what_backends_and_codecs_declare() -> None:
    assert pins.behind() == []


@pytest.mark.slow
def test_a_new_backend_is_one_file_and_its_package_gets_into_every_file(checkout: Path) -> None:
    (checkout / "scripts/backends/shelf.py").write_text(NEW_BACKEND)
    done = run(checkout, "--check")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error in pins: behind what backends and codecs declare: pyproject.toml, envs/all.yaml, requirements/all.txt, "
        "requirements/test.txt, docs/stores.md; run: python scripts pins"
    ]
    programs = checkout / "bin"
    programs.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    done = run(checkout, path=f"{programs}:/usr/bin:/bin")
    assert done.stdout.split("\n") == ["made pyproject.toml", "made envs/all.yaml", "made docs/stores.md", ""]
    requirement = "shelf-store==1.2; sys_platform == 'linux'"
    assert f'    "scikit-image==0.26.0",\n    "{requirement}",\n' in (checkout / "pyproject.toml").read_text()
    assert f"      - {requirement}\n" in (checkout / "envs/all.yaml").read_text()
    assert "[shelf](#shelf)" in (checkout / "docs/stores.md").read_text()
    calls = (checkout / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == list(pins.REQUIREMENTS)
    assert all("--generate-hashes" in call for call in calls)
    assert "--extra=all --extra=slurm --extra=test" in calls[-1]


def test_a_new_version_of_a_core_package_gets_into_every_file(checkout: Path) -> None:
    replace(checkout / "scripts/backends/lmdb.py", "lmdb==3.0.0", "lmdb==3.1.0")
    replace(checkout / "pyproject.toml", "jinja2==3.1.6", "jinja2==3.1.7")
    (named,) = run(checkout, "--check").stderr.splitlines()
    for file in ("pyproject.toml", "envs/core.yaml", "envs/all.yaml", "envs/report.yaml", *pins.REQUIREMENTS):
        assert file in named
    assert "envs/dataset.yaml" not in named


def test_two_versions_of_one_package_are_refused(checkout: Path) -> None:
    replace(checkout / "scripts/codecs/webp.py", "pillow==13.0.0", "pillow==12.0.0")
    done = run(checkout)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pillow==13.0.0 and pillow==12.0.0; declare the same requirement" in line


def test_without_uv_nothing_is_changed_and_one_line_says_how_to_get_it(checkout: Path) -> None:
    replace(checkout / "scripts/backends/lmdb.py", "lmdb==3.0.0", "lmdb==3.1.0")
    before = (checkout / "pyproject.toml").read_text()
    done = run(checkout)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error in pins: uv, which finds the hashes of the pins, is not on the PATH; install it: "
        "python -m pip install uv"
    ]
    assert (checkout / "pyproject.toml").read_text() == before
