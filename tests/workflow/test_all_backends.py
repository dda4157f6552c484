"""Whole runs over every backend, codecs as an axis, and what happens to those that can't run here."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.plan import configuration, plan
from scripts.report.records.reading import read
from tests.support.backend_variants import RUNNABLE
from tests.support.workflow import Workflow, copy_checkout

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


def test_every_backend_in_one_run(disk: Path) -> None:
    """All that can run here, with every figure, and what can't run named."""
    workflow = copy_checkout(disk / "checkout")
    add_absent(workflow)
    workflow.add_all_figures()
    operations = ["write-durable", "read-cold", "batch-warm"]
    workflow.configure(backends="all", cutoffs=[30], operations=operations, budget_seconds=0.02)
    output = workflow.finish()
    assert "left out: absent: the Python package no-such-library is not installed" in output
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


def test_a_store_that_opening_changes_is_read_from_a_copy(workflow: Workflow) -> None:
    changed = [name for name in RUNNABLE if not backends.load(name).opens_without_writing]
    assert changed
    workflow.configure(backends=changed, cutoffs=[30], operations=["read-warm", "random-cold"])
    workflow.finish("--until", "build")
    stores = workflow.directory / "results/stores"
    before = {path: path.stat().st_mtime_ns for path in stores.rglob("*") if "timing" not in str(path)}
    workflow.finish("results/summary.csv")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    kept = [read(path) for path in (workflow.directory / "results/records").rglob("*.json")]
    assert {record["store"]["copied"] for record in kept} == {True}
    assert {record["status"] for record in kept} == {"measured"}


def test_codecs_are_an_axis(workflow: Workflow) -> None:
    workflow.configure(backends=["lmdb", "hdf5", "files"], codecs=["raw", "zstd", "png"], cutoffs=[2])
    stores = {job[1] for job in workflow.planned() if job[0] == "build"}
    assert stores == {"lmdb", "lmdb-zstd", "lmdb-png", "hdf5", "files", "files-zstd", "files-png"}
    workflow.configure(codecs=["webp"])
    workflow.finish("results/disk_usage.csv")
    assert {(row["backend"], row["files"]) for row in rows(workflow, "disk_usage")} >= {("files-webp", "3")}


@pytest.mark.parametrize(
    ("name", "options"),
    [("lmdb-png", {"codec": "png"}), ("files-zstd", {"codec": "zstd"}), ("lmdb-raw", {"codec": "raw"})],
)
def test_a_codec_in_the_name_of_a_backend_needs_no_variant(name: str, options: dict[str, str]) -> None:
    choice = plan.Plan(configuration.complete({"backends": [name]}), with_conda=False, on_cluster=False).choices[name]
    assert choice.module == name.partition("-")[0]
    assert options.items() <= choice.options.items()


@pytest.mark.parametrize(
    ("config", "help_in_it"),
    [
        ({"backends": ["hdf5-png"]}, "hdf5-png is unknown"),
        ({"backends": ["lmdb-pgn"]}, "lmdb-pgn is unknown"),
        ({"codecs": ["pgn"]}, "codecs: pgn is unknown; did you mean png?"),
        ({"backends": "every"}, "write it as backends=[every]"),
        ({"variants": {"lmdb-png": {"backend": "hdf5"}}}, "lmdb-png means"),
    ],
)
def test_a_mistake_is_one_line(config: dict[str, object], help_in_it: str) -> None:
    with pytest.raises((SystemExit, UserError)) as stop:
        plan.read(config, with_conda=False, on_cluster=False)
    assert help_in_it in str(stop.value)
    assert "\n" not in str(stop.value)


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


def native_backends() -> list[str]:
    return [name for name in backends.names() if backends.load(name).native]


def test_without_the_tool_that_builds_its_library_a_backend_is_a_gap(without_go: Workflow) -> None:
    native = native_backends()
    assert native
    without_go.configure(backends=["hdf5", *native], cutoffs=[1], operations=["read-warm"])
    output = without_go.finish()
    assert f"left out: {', '.join(native)}: there is no `go` on the PATH; install Go" in output
    shown = re.sub("<[^>]*>", "", page(without_go))
    for name in native:
        assert re.search(rf"{name}\s*there is no `?go`? on the PATH", shown)
    assert {row["backend"] for row in rows(without_go, "summary")} == {"hdf5"}


def test_with_nothing_left_the_run_ends_with_a_line(without_go: Workflow) -> None:
    without_go.configure(backends=native_backends())
    done = without_go.run()
    assert done.returncode != 0
    assert "error: none of the backends asked for can run here: there is no `go`" in done.stdout


@pytest.fixture(scope="module")
def native_once(tmp_path_factory: pytest.TempPathFactory, libraries: None) -> Workflow:
    """A finished run with backends that need a library built; shared, so not to be changed."""
    if not set(native_backends()) <= set(RUNNABLE):
        pytest.skip("their library can't be built here")
    workflow = copy_checkout(tmp_path_factory.mktemp("native") / "checkout")
    workflow.configure(backends=["hdf5", *native_backends()], cutoffs=[1], operations=["read-warm"])
    workflow.finish()
    return workflow


@pytest.fixture
def with_native(native_once: Workflow, disk: Path) -> Workflow:
    """A copy of it, free to be changed."""
    shutil.copytree(native_once.directory, disk / "native", symlinks=True)
    return Workflow(disk / "native")


def library(workflow: Workflow) -> Path:
    [found] = (workflow.directory / "results/libraries").glob("*.so")
    return found


def test_a_library_is_built_only_where_it_is_asked_for(workflow: Workflow, with_native: Workflow) -> None:
    assert "compile" not in {job[0] for job in workflow.planned()}
    assert with_native.planned() == set()
    versions = [
        json.loads((with_native.directory / f"results/stores/{name}/1/manifest.json").read_text())["versions"]
        for name in native_backends()
    ]
    assert all(found["go"].startswith("go1.") and len(found) > 2 for found in versions)


def test_an_edit_of_a_librarys_sources_redoes_the_stores_of_both(with_native: Workflow) -> None:
    directory = backends.load(native_backends()[0]).native.directory
    source = next((with_native.directory / "scripts" / directory).glob("*.go"))
    with_native.edit(str(source.relative_to(with_native.directory)), "\n// edited\n")
    planned = with_native.planned()
    assert len([job for job in planned if job[0] == "compile"]) == 1
    assert {job[1] for job in planned if job[0] in ("build", "time_operation")} == set(native_backends())


def test_an_edit_of_what_all_backends_share_redoes_those_too_that_need_a_library(with_native: Workflow) -> None:
    with_native.edit("scripts/backends/base.py")
    built = {job[1] for job in with_native.planned() if job[0] == "build"}
    assert built == {"hdf5", *native_backends()}


def test_a_library_that_is_lost_is_built_again_and_no_store(with_native: Workflow) -> None:
    library(with_native).unlink()
    assert {job[0] for job in with_native.planned()} == {"compile"}
    with_native.configure(backends=["hdf5", *native_backends()], cutoffs=[1], operations=["read-warm", "write"])
    with_native.finish("results/summary.csv")
    assert library(with_native).is_file()
    assert with_native.planned("results/summary.csv") == set()


def test_with_conda_a_library_is_built_before_the_stores_whose_steps_lack_the_tools() -> None:
    config = configuration.complete({"backends": ["hdf5", *native_backends()]})
    with_conda, without = (plan.Plan(config, with_conda=conda, on_cluster=False) for conda in (True, False))
    assert {name: bool(with_conda.libraries_first(name)) for name in with_conda.choices} == {
        "hdf5": False,
        **dict.fromkeys(native_backends(), True),
    }
    assert not any(without.libraries_first(name) for name in without.choices)


def test_a_backend_whose_library_is_built_needs_its_tool_no_more(with_native: Workflow, without_go: Workflow) -> None:
    assert with_native.planned() == set()


def test_a_codecs_file_is_part_of_what_uses_it_and_of_nothing_else(workflow: Workflow) -> None:
    workflow.configure(backends=["lmdb"], codecs=["raw", "zstd"], cutoffs=[1], operations=["read-warm"])
    workflow.finish("results/summary.csv")
    workflow.edit("scripts/codecs/zstd.py")
    built = {job[1] for job in workflow.planned("results/summary.csv") if job[0] == "build"}
    assert built == {"lmdb-zstd"}
    manifest = json.loads((workflow.directory / "results/stores/lmdb-zstd/1/manifest.json").read_text())
    assert manifest["options"]["codec"] == "zstd"
