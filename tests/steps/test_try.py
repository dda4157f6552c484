"""Trying one operation on one backend: a time in seconds, nothing left behind, and one line for each mistake."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.system import lock
from tests.support.archives import members, tar_gz
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set


def run_try(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the step with little time for samples and its store below `tmp_path`."""
    command = [sys.executable, CHECKOUT / "scripts", "try", *arguments, "--directory", "place", "--seconds", "0.1"]
    environment = os.environ | {lock.ENVIRONMENT_VARIABLE: str(tmp_path / "lock")}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)


def found(tmp_path: Path, *arguments: str) -> list[str]:
    """The lines that a trial prints, after which nothing of it is left."""
    done = run_try(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "place").iterdir()) == []
    return [line for line in done.stdout.splitlines() if line not in done.stderr.splitlines()]


@pytest.mark.parametrize("operation", ["read-warm", "write-durable", "batch-cold"])
def test_a_trial_says_median_interval_and_ratio(disk: Path, operation: str) -> None:
    images, time, ratio = found(disk, "memmap", operation, "--cutoff", "40")
    assert images == f"memmap, {operation}: 40 images of 32x32 (synthetic images)"
    assert re.fullmatch(r"  median [0-9.]+ [mµ]?s \((95 % interval|range) [0-9.]+ .*to [0-9.]+ [mµ]?s\)", time)
    assert re.fullmatch(
        rf"  memmap is [0-9.]+x (slower|faster) than the reference file "
        rf"\({operation}; (95 % interval|range) [0-9.]+x to [0-9.]+x(; tied|; undecided)?\)",
        ratio,
    )


def test_each_way_of_sharing_the_work_has_a_time(disk: Path) -> None:
    lines = found(disk, "memmap", "workers-warm", "--cutoff", "20")
    assert any(line.endswith("1 process, forked") for line in lines)
    assert any(line.endswith("1 process, spawned") for line in lines)


def test_a_codec_is_tried_on_an_image_set_and_on_an_archive(disk: Path) -> None:
    write_image_set(disk / "set", 12)
    archive = tar_gz(disk / "mine.tar.gz", members())
    codec = ("--cutoff", "8", "--options", '{"codec": "png"}')
    for images, label in (("set", "small"), (archive.name, archive.name)):
        assert found(disk, "sqlite", "read-warm", *codec, "--images", images)[0] == (
            f"sqlite, read-warm: 8 images of 32x32 ({label})"
        )
    assert (disk / "set/images.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lmbd", "read-warm"), "there is no backend lmbd; did you mean lmdb?"),
        (("lmdb", "read-hot"), "there is no operation read-hot; did you mean read-"),
        (("lmdb", "read-warm", "--cutoff", "0"), "--cutoff 0 is no number of images; give 1 or more"),
        (("lmdb", "read-warm", "--images", "nowhere"), "--images nowhere is neither an archive nor the directory"),
        (("lmdb", "read-warm", "--options", '{"kodek": 1}'), "backend lmdb has no option kodek; did you mean codec?"),
        (("lmdb", "read-warm", "--options", "[]"), "--options is no JSON object; give names and values"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run_try(tmp_path, *arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error in try: {said}")
    assert not (tmp_path / "place").exists() or list((tmp_path / "place").iterdir()) == []
