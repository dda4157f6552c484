"""Trying one operation on one backend: a time in seconds, nothing left behind, and one line for each mistake."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.system import lock
from tests.support.archives import members, tar_gz
from tests.support.image_sets import write_image_set


@pytest.fixture
def run_try(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the step on a real disk, with little time for samples; its store is in `place`."""
    monkeypatch.chdir(disk)
    monkeypatch.setenv(lock.ENVIRONMENT_VARIABLE, str(disk / "lock"))
    step = importlib.import_module("scripts.steps.try")
    return lambda *arguments: step.main([*arguments, "--directory", "place", "--seconds", "0.1"])


@pytest.fixture
def found(run_try: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Runs the step and returns the lines that it prints, after which nothing of it is left."""

    def lines(*arguments: str) -> list[str]:
        run_try(*arguments)
        assert list(Path("place").iterdir()) == []
        printed, progress = capsys.readouterr()
        return [line for line in printed.splitlines() if line not in progress.splitlines()]

    return lines


@pytest.mark.parametrize(
    "operation",
    ["read-warm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("write-durable", "batch-cold"))],
)
def test_a_trial_says_median_interval_and_ratio(found: Callable[..., list[str]], operation: str) -> None:
    images, time, ratio = found("memmap", operation, "--cutoff", "40")
    assert images == f"memmap, {operation}: 40 images of 32x32 ({SYNTHETIC_LABEL})"
    assert re.fullmatch(r"  median [0-9.]+ [mµ]?s \((95 % interval|range) [0-9.]+ .*to [0-9.]+ [mµ]?s\)", time)
    assert re.fullmatch(
        rf"  memmap is [0-9.]+x (slower|faster) than the reference file "
        rf"\({operation}; (95 % interval|range) [0-9.]+x to [0-9.]+x(; tied|; undecided)?\)",
        ratio,
    )


def test_each_way_of_sharing_the_work_has_a_time(found: Callable[..., list[str]]) -> None:
    lines = found("memmap", "workers-warm", "--cutoff", "20")
    assert any(line.endswith("1 process, forked") for line in lines)
    assert any(line.endswith("1 process, spawned") for line in lines)


def test_a_codec_is_tried_on_an_image_set_and_on_an_archive(disk: Path, found: Callable[..., list[str]]) -> None:
    write_image_set(disk / "set", 12)
    archive = tar_gz(disk / "mine.tar.gz", members())
    codec = ("--cutoff", "8", "--options", '{"codec": "png"}')
    for images, label in (("set", "small"), (archive.name, archive.name)):
        assert found("sqlite", "read-warm", *codec, "--images", images)[0] == (
            f"sqlite, read-warm: 8 images of 32x32 ({label})"
        )
    assert (disk / "set/images.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lmbd", "read-warm"), "there is no backend lmbd; did you mean lmdb?"),
        (("lmdb", "read-hot"), "there is no operation read-hot; did you mean read-"),
        (("lmdb", "read-warm", "--cutoff", "0"), "--cutoff 0 is no number of images; give 1 or more"),
        (
            ("lmdb", "read-warm", "--images", "nowhere"),
            "--images nowhere is neither the path of images nor the directory",
        ),
        (("lmdb", "read-warm", "--options", '{"kodek": 1}'), "backend lmdb has no option kodek; did you mean codec?"),
        (("lmdb", "read-warm", "--options", "[]"), "--options is no JSON object; give names and values"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    run_try: Callable[..., None], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError) as error:
        run_try(*arguments)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
    assert not Path("place").exists() or list(Path("place").iterdir()) == []
