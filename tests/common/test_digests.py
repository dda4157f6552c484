"""Digests of code cover what runs, and nothing more."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import backends
from scripts.common import digests
from scripts.plan.code import Code
from scripts.plan.config import configuration
from scripts.plan.plan import Plan
from scripts.stores.store import Choice
from tests.support.backend_variants import RUNNABLE
from tests.support.checkout import CHECKOUT

pytestmark = pytest.mark.usefixtures("libraries")
STEPS = sorted(path.stem for path in (CHECKOUT / "scripts/steps").glob("*.py"))
NEVER_IN_A_TIMING = {"pandas", "matplotlib", "jinja2", "jsonschema", "yaml", "requests", "snakemake"}


def imported_by(program: str) -> tuple[set[str], set[str]]:
    """Run a program in a fresh interpreter; return this project's files that it loaded, and the top-level modules."""
    program += (
        "\nimport sys, json; own = [m for name, m in sys.modules.items() if name.startswith('scripts.')]"
        "\nprint(json.dumps([[m.__file__ for m in own if getattr(m, '__file__', None)],"
        " sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files, modules = json.loads(run.stdout.splitlines()[-1])
    return set(files), set(modules)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_nothing_outside_its_digest(step: str) -> None:
    files, _ = imported_by(f"import scripts.steps.{step}")
    assert files <= set(map(str, digests.code_files([digests.step_file(step)])))


@pytest.mark.parametrize("name", RUNNABLE)
def test_writing_and_reading_a_store_runs_nothing_outside_its_digest(name: str, tmp_path: Path) -> None:
    choice = Choice(name, backends.resolve(name, {}))
    files, modules = imported_by(f"""
import numpy as np
from pathlib import Path
from types import SimpleNamespace
from scripts import backends
from scripts.steps import time_operation, build
from scripts.measure.operations import catalogue
made = [catalogue.load(name) for name in catalogue.entries()]
images, labels = np.zeros((3, 4, 4, 3), np.uint8), np.zeros(3, np.int64)
backend = backends.load({name!r})
backend.write(Path({str(tmp_path / "store")!r}), images, labels, durable=True, options={choice.options!r})
with backend.open(Path({str(tmp_path / "store")!r}), {choice.options!r}) as reader:
    reader.load_all(), reader.load([2, 0])
""")
    covered = digests.code_files([digests.step_file("time_operation"), digests.step_file("build"), *choice.files()])
    assert files <= set(map(str, covered))
    # What a backend's own library brings along is part of it.
    _, brought = imported_by("\n".join(["import sys", *(f"import {package}" for package in choice.packages())]))
    assert not (modules - brought) & NEVER_IN_A_TIMING


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the scripts that digests are taken of, free to be edited."""
    shutil.copytree(CHECKOUT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digests, "CHECKOUT", tmp_path)
    return tmp_path / "scripts"


def digest_of(*files: Path) -> str:
    digests._file_digest.cache_clear()
    digests._imports.cache_clear()
    return digests.code_digest(files)


def test_an_edit_of_what_is_imported_changes_the_digest(copy: Path) -> None:
    before = digest_of(copy / "steps/build.py")
    (copy / "system/disk/disk_usage.py").write_text((copy / "system/disk/disk_usage.py").read_text() + "\nX = 1\n")
    assert digest_of(copy / "steps/build.py") != before


def test_an_edit_of_an_operation_changes_the_digest_of_timings_alone(copy: Path) -> None:
    before = {step: digest_of(copy / f"steps/{step}.py") for step in STEPS}
    (copy / "measure/operations/write.py").write_text((copy / "measure/operations/write.py").read_text() + "\nX = 1\n")
    changed = {step for step in STEPS if digest_of(copy / f"steps/{step}.py") != before[step]}
    assert changed == {"time_operation"}


def test_an_edit_of_one_backend_leaves_every_other_digest_alone(copy: Path) -> None:
    files = {name: copy / "backends" / f"{name}.py" for name in backends.names()}
    before = {name: digest_of(file) for name, file in files.items()}
    edited, *others = files
    files[edited].write_text(files[edited].read_text() + "\nX = 1\n")
    assert digest_of(files[edited]) != before[edited]
    assert {name: digest_of(files[name]) for name in others} == {name: before[name] for name in others}


def test_a_touch_changes_nothing(copy: Path) -> None:
    before = digest_of(copy / "steps/build.py")
    (copy / "steps/build.py").touch()
    assert digest_of(copy / "steps/build.py") == before


def test_another_version_of_a_library_changes_the_digest(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of(copy / "steps/build.py")
    monkeypatch.setattr(digests, "_distribution", lambda module: (module, "0.0.1"))
    assert digest_of(copy / "steps/build.py") != before


def test_a_library_under_another_name_than_its_distribution_is_found() -> None:
    assert "pillow" in digests.library_versions([CHECKOUT / "scripts/codecs/png.py"])


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("import no_such_library\n")
    assert digests.library_versions([tmp_path / "some.py"]) == {"no_such_library": "not installed"}


def test_every_figure_has_a_digest_of_its_own() -> None:
    plan = Plan(configuration.complete({}), with_conda=False, on_cluster=False)
    found = [Code(plan).figure(SimpleNamespace(figure=figure)) for figure in plan.figures]
    assert len(set(found)) == len(found) > 0


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("common/errors.py", '"""', '"""Words. '),
        ("measure/stopping.py", "import ", "# A remark.\nimport "),
        ("backends/base.py", "import ", "\n\nimport "),
        ("measure/operations/read.py", "Read, cold.", "Read, from disk."),
    ],
)
def test_words_are_in_no_digest(copy: Path, path: str, before: str, after: str) -> None:
    steps = [copy / "steps/build.py", copy / "steps/time_operation.py", copy / "backends/lmdb.py"]
    digest = digest_of(*steps)
    text = (copy / path).read_text()
    (copy / path).write_text(text.replace(before, after, 1))
    assert (copy / path).read_text() != text
    assert digest_of(*steps) == digest


def test_words_that_a_step_reads_are_in_its_digest(copy: Path) -> None:
    file = copy / "figures.py"
    file.write_text('"""What?"""\n\nX = 1\n')
    before = digests.docstrings([file])
    file.write_text('"""Why?"""\n\nX = 1\n')
    assert digests.docstrings([file]) != before
