"""Cells are measured again, for longer: they and nothing else, and the next run keeps what was measured."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.support.workflow import Workflow

CELL = "lmdb/32x32/30/read-warm"


def again(workflow: Workflow, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts", "again", *arguments],
        cwd=workflow.directory,
        env=workflow.environment,
        capture_output=True,
        text=True,
    )


def records(workflow: Workflow) -> dict[str, dict[str, Any]]:
    """The records of a run, by cell."""
    paths = workflow.directory.glob("results/records/*/*/*/*/*.json")
    return {"/".join(path.with_suffix("").parts[-4:]): json.loads(path.read_text()) for path in paths}


def refused(workflow: Workflow, *arguments: str) -> str:
    """The one line that refuses a command, after which nothing has changed."""
    before = records(workflow)
    done = again(workflow, *arguments)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert records(workflow) == before
    return line


def change(workflow: Workflow, cell: str, **changes: Any) -> None:
    path = next(workflow.directory.glob(f"results/records/*/{cell}.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_these_cells_are_measured_for_longer_and_the_next_run_keeps_them(finished: Workflow) -> None:
    """One of them was a gap, which is tried again."""
    change(finished, "hdf5/32x32/1/write", status="gap", gap_reason="it hung", samples=[])
    before, tables = records(finished), finished.results()
    done = again(finished, CELL, "hdf5/32x32/1/write", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    after = records(finished)
    assert {cell for cell in before if after[cell] != before[cell]} == {CELL, "hdf5/32x32/1/write"}
    assert after[CELL]["settings"]["budget_seconds"] == 0.2
    assert after[CELL]["settings"]["run_budget_seconds"] == before[CELL]["settings"]["budget_seconds"]
    assert after["hdf5/32x32/1/write"]["status"] == "measured"
    assert finished.planned() == set()
    changed = {name for name, content in finished.results().items() if content != tables[name]}
    assert {"summary.csv", "timings.csv", "report.html"} <= changed
    summary = (finished.directory / "results/summary.csv").read_text()
    assert [line for line in summary.splitlines()[1:] if line.split(",")[-1] != "1"] == []

    # Also a fresh clone over the same results keeps them.
    shutil.rmtree(finished.directory / ".snakemake")
    (finished.directory / "results/summary.csv").unlink()
    finished.finish("results/summary.csv")
    assert records(finished) == after


def test_a_measurement_that_fails_leaves_what_was_there(finished: Workflow) -> None:
    run = finished.directory / "results/run.json"
    known = json.loads(run.read_text())
    run.write_text(json.dumps(known | {"config": known["config"] | {"time_limit_seconds": 0.001}}))
    before = records(finished)
    done = again(finished, CELL, "--seconds", "1")
    assert done.returncode == 1
    assert f"{CELL} couldn't be measured again, as said above" in done.stderr.splitlines()[-1]
    assert records(finished) == before
    assert finished.planned() == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lmdb/32x32/30/raed-warm", "--seconds", "1"), "did you mean lmdb/32x32/30/read-warm?"),
        (("lmdb/32x32/300/read-warm", "--seconds", "1"), "isn't in results; did you mean lmdb/32x32/30/read-warm?"),
        (("lmdb", "--seconds", "1"), "a cell is BACKEND/SIZE/CUTOFF/OPERATION"),
        ((CELL, "--seconds", "-1"), "--seconds -1 won't do"),
        ((CELL, "--seconds", "nan"), "--seconds nan won't do"),
        ((CELL, "--seconds", "1", "--results", "results/quick"), "results/quick holds no finished run"),
    ],
)
def test_a_mistake_is_one_line(finished_once: Workflow, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(finished_once, *arguments)


def test_what_could_not_be_compared_with_the_rest_is_refused(finished: Workflow) -> None:
    path = next(finished.directory.glob(f"results/records/*/{CELL}.json"))
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b'"measuring_digest": "', b'"measuring_digest": "0'))
    assert "run the workflow first" in refused(finished, CELL, "--seconds", "1")
    path.unlink()
    assert "run the workflow first" in refused(finished, CELL, "--seconds", "1")
    path.write_bytes(kept)
    run = finished.directory / "results/run.json"
    known = json.loads(run.read_text())
    for changed, said in (
        ({"machine": "another"}, "measured on another, and this machine is"),
        ({"on_cluster": True}, "measured on a cluster"),
        ({"with_conda": True}, "measured with conda"),
        ({"config": 3}, "run.json is damaged"),
        ({"config": {}}, "run.json is damaged"),
    ):
        run.write_text(json.dumps(known | changed))
        assert said in refused(finished, CELL, "--seconds", "1")
