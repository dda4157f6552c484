"""Whole runs over every backend, codecs as an axis, and what happens to those that can't run here."""

import csv
import json
import os
import re
from pathlib import Path

import pytest

from scripts import backends
from scripts.backends.go import library
from scripts.report.records.reading import read
from tests.support import shared
from tests.support.backend_variants import NATIVE, RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.workflow import Workflow, copy_checkout

pytestmark = pytest.mark.slow
SUMMARY = "results/summary.csv"
ABSENT = '''"""Backend absent: one whose library nobody has."""

from scripts.backends import hdf5


class Backend(hdf5.Backend):
    """HDF5 that also wants something else."""

    packages = {"no_such_library": "no-such-library==1.0"}
'''


def rows(workflow: Workflow, table: str) -> list[dict[str, str]]:
    with open(workflow.directory / "results" / f"{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def page(workflow: Workflow) -> str:
    return (workflow.directory / "results/report.html").read_text()


def add_absent(workflow: Workflow) -> None:
    (workflow.directory / "scripts/backends/absent.py").write_text(ABSENT)


@pytest.fixture
def without_go(workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """A copy of the checkout, to be run where there is no Go."""
    directories = []
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        if (place / "go").exists():
            without = tmp_path / str(len(directories))
            without.mkdir()
            for program in place.iterdir():
                if program.name != "go":
                    (without / program.name).symlink_to(program)
            place = without
        directories.append(str(place))
    monkeypatch.setenv("PATH", os.pathsep.join(directories))
    return workflow


def test_every_backend_in_one_run(workflow: Workflow) -> None:
    """All that can run here, and what can't run named; a store that opening changes is copied.

    `test_timing.py` has every operation with every backend, `test_many.py` every figure of many stores.
    """
    add_absent(workflow)
    workflow.configure(backends="all", cutoffs=[30], operations=["read-cold"], budget_seconds=0.02)
    output = workflow.finish("--until", "build")
    assert "left out: absent: the Python package no-such-library is not installed" in output
    changed = [name for name in RUNNABLE if not backends.load(name).opens_without_writing]
    assert changed
    paths = [path for name in changed for path in (workflow.directory / f"results/stores/{name}").rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in paths}
    workflow.finish()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    copied = {
        record.cell.backend
        for path in (workflow.directory / "results/records").rglob("*.json")
        if (record := read(path)).store.copied
    }
    assert copied == set(changed)
    expected = set(RUNNABLE)
    summary = rows(workflow, "summary")
    assert {row["backend"] for row in summary} == expected
    if "CI" in os.environ:
        assert expected == set(backends.names())
    gaps = {(row["backend"], row["operation"], row["gap_reason"]) for row in summary if row["status"] != "measured"}
    assert not gaps
    assert "no-such-library" in page(workflow)
    assert all(f">{name}<" in page(workflow) for name in expected)
    assert workflow.planned() == set()


def test_codecs_are_an_axis_and_the_file_of_one_is_part_of_the_stores_that_use_it(workflow: Workflow) -> None:
    workflow.take_few_synthetic_images()
    workflow.configure(backends=["lmdb", "tiledb", "files"], codecs=["raw", "zstd", "png"], cutoffs=[2])
    stores = {job[1] for job in workflow.planned() if job[0] == "build"}
    assert stores == {"lmdb", "lmdb-zstd", "lmdb-png", "tiledb", "files", "files-zstd", "files-png"}
    workflow.configure(backends=["lmdb", "files"], codecs=["raw", "webp"], operations=["read-warm"])
    workflow.finish(SUMMARY)
    files = {row["backend"]: row["files"] for row in rows(workflow, "disk_usage")}
    assert (files["files-webp"], files["lmdb-webp"]) == ("3", files["lmdb"])
    manifest = json.loads((workflow.directory / "results/stores/lmdb-webp/32x32/2/manifest.json").read_text())
    assert manifest["options"]["codec"] == "webp"
    workflow.edit("scripts/codecs/webp.py")
    built = {job[1] for job in workflow.planned(SUMMARY) if job[0] == "build"}
    assert built == {"lmdb-webp", "files-webp"}


def test_a_missing_package_is_named_with_its_command_before_any_work(workflow: Workflow) -> None:
    add_absent(workflow)
    workflow.configure(backends=["hdf5", "absent"])
    done = workflow.run()
    assert done.returncode != 0
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "backend absent" in errors[0]
    assert "-m pip install --require-hashes -r requirements/all.txt" in errors[0]
    assert not (workflow.directory / "results").exists()


def test_without_the_tool_that_builds_its_library_a_backend_is_a_gap(without_go: Workflow) -> None:
    assert NATIVE
    without_go.configure(backends=["hdf5", *NATIVE], cutoffs=[1], operations=["read-warm"])
    output = without_go.finish()
    assert f"left out: {', '.join(NATIVE)}: there is no `go` on the PATH; install Go" in output
    shown = re.sub("<[^>]*>", "", page(without_go))
    for name in NATIVE:
        assert re.search(rf"{name}\s*there is no `?go`? on the PATH", shown)
    assert {row["backend"] for row in rows(without_go, "summary")} == {"hdf5"}


def test_with_nothing_left_the_run_ends_with_a_line(without_go: Workflow) -> None:
    without_go.configure(backends=NATIVE)
    done = without_go.run()
    assert done.returncode != 0
    assert "error: none of the backends asked for can run here: there is no `go`" in done.stdout


@pytest.fixture(scope="module")
def native_once(libraries: None) -> Workflow:
    """A finished run with backends that need a library built; shared, so not to be changed."""
    if not set(NATIVE) <= set(RUNNABLE):
        pytest.skip("their library can't be built here")

    def make(directory: Path) -> None:
        workflow = copy_checkout(directory)
        workflow.configure(backends=["hdf5", *NATIVE], cutoffs=[1], operations=["read-warm"])
        workflow.finish(SUMMARY)

    return Workflow(shared.once("native", make))


@pytest.fixture
def with_native(native_once: Workflow, disk: Path) -> Workflow:
    """A copy of it, free to be changed."""
    return native_once.copy(disk / "native")


def built_library(workflow: Workflow) -> Path:
    [found] = (workflow.directory / "results/libraries").glob("*.so")
    return found


def test_a_library_is_built_only_where_it_is_asked_for(workflow: Workflow, with_native: Workflow) -> None:
    assert "compile" not in {job[0] for job in workflow.planned()}
    assert with_native.planned(SUMMARY) == set()
    versions = [
        json.loads((with_native.directory / f"results/stores/{name}/32x32/1/manifest.json").read_text())["versions"]
        for name in NATIVE
    ]
    assert all(found["go"].startswith("go1.") and len(found) > 2 for found in versions)


def test_an_edit_of_a_librarys_sources_redoes_the_stores_of_both(with_native: Workflow) -> None:
    source = next(library.SOURCES.glob("*.go"))
    with_native.edit(str(source.relative_to(CHECKOUT)), "\n// edited\n")
    planned = with_native.planned()
    assert len([job for job in planned if job[0] == "compile"]) == 1
    assert {job[1] for job in planned if job[0] in ("build", "time_operation")} == set(NATIVE)


def test_an_edit_of_what_all_backends_share_redoes_those_too_that_need_a_library(with_native: Workflow) -> None:
    with_native.edit("scripts/backends/base.py")
    built = {job[1] for job in with_native.planned(SUMMARY) if job[0] == "build"}
    assert built == {"hdf5", *NATIVE}


def test_a_library_that_is_lost_is_built_again_and_no_store(with_native: Workflow) -> None:
    built_library(with_native).unlink()
    assert {job[0] for job in with_native.planned()} - {"figure", "page"} == {"compile"}
    with_native.configure(backends=["hdf5", *NATIVE], cutoffs=[1], operations=["read-warm", "write"])
    with_native.finish(SUMMARY)
    assert built_library(with_native).is_file()
    assert with_native.planned(SUMMARY) == set()


def test_a_backend_whose_library_is_built_needs_its_tool_no_more(with_native: Workflow, without_go: Workflow) -> None:
    assert with_native.planned(SUMMARY) == set()
