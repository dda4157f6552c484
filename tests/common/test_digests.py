"""Digests of code cover what runs, and nothing more."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.common import digests
from scripts.plan.read import read_plan
from scripts.plan.rule_digests import RuleDigests
from scripts.report.draw import captions
from scripts.stores.choice import Choice
from tests.support.backend_variants import EACH_RUNNABLE
from tests.support.checkout import CHECKOUT

pytestmark = pytest.mark.usefixtures("libraries")
STEPS = sorted(path.stem for path in (CHECKOUT / "scripts/steps").glob("*.py"))
NEVER_IN_A_TIMING = {"pandas", "matplotlib", "jinja2", "jsonschema", "yaml", "requests", "snakemake"}


EACH_IN_A_PROCESS = """
import json, os, sys
import matplotlib.figure, pandas
for program in json.loads(sys.argv[1]):
    if os.fork() == 0:
        exec(program)
        own = [module for name, module in sys.modules.items() if name.startswith("scripts.")]
        os.write(1, json.dumps([module.__file__ for module in own if module.__file__]).encode() + b"\\n")
        os._exit(0)
    os.wait()
"""
"""Runs programs one after the other, each in a fresh process that has the largest libraries already; says which of the
project's files it loaded."""


def imported_by_steps() -> dict[str, set[str]]:
    """The files of the project that each step loads."""
    programs = [f"import importlib; importlib.import_module('scripts.steps.{step}')" for step in STEPS]
    command = [sys.executable, "-c", EACH_IN_A_PROCESS, json.dumps(programs)]
    run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return dict(zip(STEPS, map(set, map(json.loads, run.stdout.splitlines())), strict=True))


def test_a_step_imports_nothing_outside_its_digest() -> None:
    for step, files in imported_by_steps().items():
        assert files
        assert files <= set(map(str, digests.code_files([digests.step_file(step)]))), step


@pytest.mark.parametrize("name", EACH_RUNNABLE)
def test_writing_and_reading_a_store_runs_nothing_outside_its_digest(name: str, tmp_path: Path) -> None:
    choice = Choice(name, backends.resolve(name, {}))
    packages = "\n".join(f"import {package}" for package in choice.packages())
    # What a backend's own library brings along is part of it, so that comes first.
    program = f"""
import json, sys
{packages}
brought = {{name.split('.')[0] for name in sys.modules}}
import numpy as np
from pathlib import Path
from scripts import backends
from scripts.steps import time_operation, build
from scripts.measure.operations import catalogue
made = [catalogue.load(name) for name in catalogue.entries()]
images, labels = np.zeros((3, 4, 4, 3), np.uint8), np.zeros(3, np.int64)
backend = backends.load({name!r})
backend.write(Path({str(tmp_path / "store")!r}), images, labels, durable=True, options={choice.options!r})
with backend.open(Path({str(tmp_path / "store")!r}), {choice.options!r}) as reader:
    reader.read_all(images, labels), reader.load([2, 0])
own = [module.__file__ for name, module in sys.modules.items() if name.startswith("scripts.")]
print(json.dumps([list(filter(None, own)), sorted({{name.split('.')[0] for name in sys.modules}} - brought)]))
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files, modules = json.loads(run.stdout.splitlines()[-1])
    covered = digests.code_files([digests.step_file("time_operation"), digests.step_file("build"), *choice.files()])
    assert set(files) <= set(map(str, covered))
    assert not NEVER_IN_A_TIMING & set(modules)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the scripts, free to be edited."""
    shutil.copytree(CHECKOUT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


def digests_in(copy: Path, *names: str, variables: dict[str, str] | None = None) -> dict[str, str]:
    """The digest of each of these files, by its name, as a fresh interpreter finds it in the copy."""
    program = (
        "import json, sys; from pathlib import Path; from scripts.common import digests; "
        "print(json.dumps({name: digests.code_digest([Path('scripts', name).resolve()]) for name in sys.argv[1:]}))"
    )
    command = [sys.executable, "-c", program, *names]
    environment = os.environ | (variables or {})
    done = subprocess.run(command, cwd=copy.parent, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_what_was_read_of_files_is_kept_until_they_change(copy: Path) -> None:
    """The next process reads it where it may, and where it is damaged it is made again."""
    names = ["steps/build.py", "backends/lmdb.py"]
    fresh = digests_in(copy, *names)
    [kept] = (copy / "common/__pycache__").glob("digests.*.json")
    whole = json.loads(kept.read_text())
    kept.write_text(json.dumps(planted(whole)))
    assert {name for name, one in digests_in(copy, *names).items() if one != fresh[name]} == {"backends/lmdb.py"}
    edit(copy / "backends/lmdb.py")
    edited = digests_in(copy, *names)
    assert {name for name in names if edited[name] != fresh[name]} == {"backends/lmdb.py"}
    assert json.loads(kept.read_text())["files"].keys() == whole["files"].keys()
    of_other_code = planted(json.loads(kept.read_text())) | {"module": "of other code"}
    for no_use in (of_other_code, {}, [], of_other_code | {"module": whole["module"], "files": {"a": ["too few"]}}):
        kept.write_text(json.dumps(no_use))
        assert digests_in(copy, *names) == edited
    kept.write_text("{")
    assert digests_in(copy, *names) == edited


def planted(kept: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with another digest of a backend."""
    sha256, _, *others = kept["files"]["scripts/backends/lmdb.py"]
    return kept | {"files": kept["files"] | {"scripts/backends/lmdb.py": [sha256, "another", *others]}}


def test_data_files_are_named_or_found_by_patterns(tmp_path: Path) -> None:
    (tmp_path / "code/inner").mkdir(parents=True)
    for name in ("above.yaml", "code/one.j2", "code/inner/two.yaml"):
        (tmp_path / name).touch()
    module = tmp_path / "code/module.py"
    module.write_text('DATA_FILES = ("../above.yaml", "*.j2", "in*/two.yaml")\n')
    found = [str(file.relative_to(tmp_path)) for file in digests.code_files([module])]
    assert found == ["above.yaml", "code/inner/two.yaml", "code/module.py", "code/one.j2"]


def edit(file: Path) -> None:
    file.write_text(file.read_text() + "\nEDITED = True\n")


@pytest.mark.slow
def test_an_edit_changes_the_digests_of_what_imports_it_and_of_nothing_else(copy: Path) -> None:
    steps = [f"steps/{step}.py" for step in STEPS]
    stores = [f"backends/{name}.py" for name in backends.names()]
    edited, *others = stores
    found = [digests_in(copy, *steps, *stores)]
    for path in ("steps/build.py", "system/disk/disk_usage.py", "measure/operations/write.py", edited):
        (copy / path).touch() if path == "steps/build.py" else edit(copy / path)
        found.append(digests_in(copy, *steps, *stores))
    changed = [{name for name in one if one[name] != other[name]} for one, other in itertools.pairwise(found)]
    touched, of_a_system_module, of_an_operation, of_a_backend = changed
    assert touched == set()
    assert "steps/build.py" in of_a_system_module
    # `example` finds a run's files as `again` does, which times cells.
    assert of_an_operation == {f"steps/{step}.py" for step in ("again", "example", "time_operation", "try")}
    assert of_a_backend == {edited}
    assert others


def test_another_version_of_a_library_changes_the_digest(copy: Path, tmp_path: Path) -> None:
    """The version that is installed is read from its metadata, so a changed copy of the metadata is another version."""
    metadata = next(Path(np.__file__).parent.parent.glob("numpy-*.dist-info"))
    other = shutil.copytree(metadata, tmp_path / "site" / metadata.name) / "METADATA"
    other.write_text(re.sub(r"(?m)^Version: .*", "Version: 99.0", other.read_text(), count=1))
    before = digests_in(copy, "steps/build.py")
    assert digests_in(copy, "steps/build.py", variables={"PYTHONPATH": str(tmp_path / "site")}) != before


def test_a_library_under_another_name_than_its_distribution_is_found() -> None:
    assert "pillow" in digests.library_versions([CHECKOUT / "scripts/codecs/png.py"])


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("import no_such_library\n")
    assert digests.library_versions([tmp_path / "some.py"]) == {"no_such_library": "not installed"}


def test_every_figure_has_a_digest_of_its_own() -> None:
    plan = read_plan({"images": "synthetic"}, with_conda=False, on_cluster=False)
    found = [RuleDigests(plan).figure(SimpleNamespace(figure=figure)) for figure in captions.names()]
    assert len(set(found)) == len(found) > 0


WORDS = [
    ("common/errors.py", '"""', '"""Words. '),
    ("measure/stopping.py", "import ", "# A remark.\nimport "),
    ("backends/base.py", "import ", "\n\nimport "),
    ("measure/operations/read.py", "Read, cold.", "Read, from disk."),
]
"""A file, what is in it, and what takes its place."""


def test_words_are_in_no_digest(copy: Path) -> None:
    names = ["steps/build.py", "steps/time_operation.py", "backends/lmdb.py"]
    before = digests_in(copy, *names)
    for path, old, new in WORDS:
        text = (copy / path).read_text()
        assert old in text
        (copy / path).write_text(text.replace(old, new, 1))
    assert digests_in(copy, *names) == before


def test_words_that_a_step_reads_are_found(disk: Path) -> None:
    asked, why = disk / "asked.py", disk / "why.py"
    asked.write_text('"""What?"""\n\nX = 1\n')
    why.write_text('"""Why?"""\n\nX = 1\n')
    assert list(digests.docstrings([why, asked]).values()) == ["What?", "Why?"]
