"""The door to the steps: what it says to a user, and what it leaves to whoever mends a defect."""

import importlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.__main__ import TIMING_STEP
from scripts.common.errors import UserError
from scripts.common.progress import Progress, duration
from scripts.steps import figure
from scripts.system import lock
from tests.support.checkout import CHECKOUT

STEPS = sorted(path.stem for path in (CHECKOUT / "scripts/steps").glob("*.py"))


def run(*arguments: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECKOUT / "scripts", *arguments], cwd=cwd, capture_output=True, text=True)


def test_without_a_step_the_steps_are_named() -> None:
    done = run()
    assert done.returncode == 2
    assert all(step in done.stderr for step in STEPS)
    assert run("biuld").returncode == 2


def test_a_step_explains_itself_from_anywhere_and_without_waiting(tmp_path: Path) -> None:
    with lock.alone():
        done = run(TIMING_STEP, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"python scripts {TIMING_STEP}" in done.stdout


@pytest.mark.parametrize("step", STEPS)
def test_every_step_explains_itself(step: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"scripts.steps.{step}").main(["--help"])
    assert ended.value.code == 0
    assert f"python scripts {step}" in capsys.readouterr().out


def run_planted(directory: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run a step of this source, in a copy of what every step needs."""
    shutil.copytree(CHECKOUT / "scripts", directory / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "scripts/steps/planted.py").write_text(source)
    return subprocess.run([sys.executable, "scripts", "planted"], cwd=directory, capture_output=True, text=True)


def test_a_missing_library_is_one_line(tmp_path: Path) -> None:
    done = run_planted(tmp_path, "import no_such_library\n\ndef main(arguments):\n    pass\n")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no_such_library" in done.stderr
    assert "pip install" in done.stderr


def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    done = run_planted(tmp_path, "\ndef main(arguments):\n    raise MemoryError\n")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "leave out the largest cutoffs" in done.stderr


def test_a_defect_keeps_its_traceback(tmp_path: Path) -> None:
    done = run_planted(tmp_path, "\ndef main(arguments):\n    1 / 0\n")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_progress_says_count_rate_and_time_left(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with Progress("build png", 1000) as progress:
        progress.update(1)
        progress.update(400)
        progress.done = 1000
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "build png: 400 of 1,000 images (40%), 100 images/s, 6 s left",
        "build png: 1,000 images in 10 s",
    ]
    assert said.out == said.err


def test_a_line_comes_once_wherever_the_outputs_lead(tmp_path: Path) -> None:
    """To the log and to the terminal, and once where both are one, as after `2>&1 | tee`."""
    command = [sys.executable, "-c", "from scripts.common.progress import report; report('line')"]
    apart = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert (apart.stdout, apart.stderr) == ("line\n", "line\n")
    together = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert together.stdout == "line\n"


def test_progress_leaves_work_done_before_out_of_the_rate(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 20.0, 40.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with Progress("write png", None, "samples", done=1) as progress:
        progress.update(2, 3)
        progress.done = 3
    assert capsys.readouterr().err.splitlines()[0] == "write png: 2 of 3 samples (67%) in 20 s, 20 s left"


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min")])
def test_durations_are_said_as_a_reader_would(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_figure_without_its_tables_is_one_line(tmp_path: Path) -> None:
    files = ["--tables", str(tmp_path), "--svg", str(tmp_path / "x.svg"), "--png", str(tmp_path / "x.png")]
    with pytest.raises(UserError) as error:
        figure.main(["latency", *files])
    assert str(error.value) == f"{tmp_path}/summary.csv is missing; give the directory of a finished run's tables"
