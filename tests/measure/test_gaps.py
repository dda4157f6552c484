"""Cells and builds that fail by themselves: each is a gap with its reason, and the rest is measured and shown."""

import csv
import json
import textwrap
from pathlib import Path

import pytest

from tests.support.workflow import Workflow

PLANTED = '''
"""Backend {name}: memmap's files, and a fault."""

import os
import signal
import time

from scripts.backends import memmap


class Backend(memmap.Backend):
    """A backend with a fault."""

    def write(self, path, images, labels, *, durable, options):
        """Write the store."""
        super().write(path, images, labels, durable=durable, options=options)
        {write}

    def open(self, path, options):
        """Open the store."""
        reader = super().open(path, options)
        {read}
        return reader
'''
LIMIT_SECONDS = 5
MEASURES = ("build", "time_operation")
FAULTS = {
    "raises": "raise RuntimeError('the library has\\n a bug')",
    "crashes": "signal.raise_signal(signal.SIGSEGV)",
    "eats": "bytearray(1 << 60)",
}
SAYS = {
    "raises": "RuntimeError: the library has a bug",
    "crashes": "its process crashed (SIGSEGV)",
    "eats": "there was not enough memory for it",
}


IN_TIMING = "if 'timing' in str(path) and not durable: {}"
"""Before its samples a timing writes a store durably, whatever it times."""


def plant(workflow: Workflow, name: str, write: str = "pass", read: str = "pass") -> None:
    """Add a backend with a fault that shows when it writes or when it opens."""
    text = textwrap.dedent(PLANTED).strip().format(name=name, write=write, read=read)
    (workflow.directory / f"scripts/backends/{name}.py").write_text(text + "\n")


def rows(workflow: Workflow, table: str) -> list[dict[str, str]]:
    with open(workflow.directory / "results" / f"{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_fault_is_a_gap_with_its_reason_and_the_rest_is_on_the_page(workflow: Workflow) -> None:
    """Faults in a timing alone and in a build. Then nothing is to be done, until one is asked for again."""
    for name, fault in FAULTS.items():
        plant(workflow, name, write=IN_TIMING.format(fault))
    plant(workflow, "lost", write="signal.raise_signal(signal.SIGKILL)")
    workflow.configure(
        backends=["memmap", *FAULTS, "lost"], cutoffs=[30], operations=["write", "read-cold"], budget_seconds=0.01
    )
    output = workflow.finish()
    summary = {(row["backend"], row["operation"]): row for row in rows(workflow, "summary")}
    for name, says in SAYS.items():
        assert summary[name, "read-cold"]["status"] == "measured"
        assert summary[name, "write"]["gap_reason"].startswith(says)
        assert "to try again" in summary[name, "write"]["gap_reason"]
        assert f"write {name} 30: not measured: {says}" in output
    for operation in ("write", "read-cold"):
        assert summary["memmap", operation]["status"] == "measured"
        reason = summary["lost", operation]["gap_reason"]
        assert reason.startswith("its store couldn't be built: its process was killed, most likely for want of memory")
    assert [row["backend"] for row in rows(workflow, "disk_usage") if not row["apparent_bytes"]] == ["lost"]
    assert {row["comparison_group"] for row in summary.values()} == {"1"}
    assert "the library has a bug" in (workflow.directory / "results/report.html").read_text()
    log = next((workflow.directory / "results/logs/time_operation").rglob("raises/32x32/30/write.log"))
    assert "Traceback" in log.read_text()

    workflow.configure(time_limit_seconds=900)
    assert workflow.planned() == set()
    record = next((workflow.directory / "results/records").rglob("raises/32x32/30/write.json"))
    again = workflow.planned("--forcerun", str(record.relative_to(workflow.directory)))
    assert {job for job in again if job[0] in MEASURES} == {("time_operation", "raises", "30", "write")}
    again = workflow.planned("--forcerun", "results/stores/lost/32x32/30/manifest.json")
    assert ("build", "lost", "30") in again
    assert {job[1] for job in again if job[0] in MEASURES} == {"lost"}


def test_a_timing_that_hangs_is_ended_and_is_a_gap(workflow: Workflow) -> None:
    plant(workflow, "hangs", write=IN_TIMING.format("time.sleep(600)"))
    workflow.configure(backends=["hangs"], cutoffs=[1], operations=["write"], time_limit_seconds=LIMIT_SECONDS)
    workflow.finish("results/summary.csv")
    (gap,) = rows(workflow, "summary")
    assert (
        f"it wasn't done after {LIMIT_SECONDS} s, the time limit (time_limit_seconds, on a cluster also runtime)"
        in gap["gap_reason"]
    )


def test_a_build_that_hangs_is_ended_and_leaves_nothing_behind(workflow: Workflow) -> None:
    plant(workflow, "hangs", write="time.sleep(600)")
    workflow.configure(backends=["hangs"], cutoffs=[3], time_limit_seconds=LIMIT_SECONDS)
    path = Path("results/stores/hangs/32x32/3/manifest.json")
    workflow.finish(str(path))
    manifest = json.loads((workflow.directory / path).read_text())
    assert manifest["failed"].startswith(f"it wasn't done after {LIMIT_SECONDS} s")
    assert (manifest["digest"], manifest["apparent_bytes"]) == (None, None)
    assert [each.name for each in (workflow.directory / path).parent.parent.iterdir()] == ["3"]


def test_a_page_of_gaps_alone(workflow: Workflow) -> None:
    plant(workflow, "lost", write="os.abort()")
    workflow.configure(backends=["lost"], cutoffs=[1], operations=["write", "workers-cold"])
    workflow.finish()
    assert {row["status"] for row in rows(workflow, "summary")} == {"gap"}
    assert "couldn&#39;t be built" in (workflow.directory / "results/report.html").read_text()


@pytest.mark.parametrize("fault", ["raise OSError(28, 'No space left on device')", "raise PermissionError(13, 'no')"])
def test_what_the_user_can_put_right_stops_the_run_and_is_no_gap(workflow: Workflow, fault: str) -> None:
    plant(workflow, "stopped", write=IN_TIMING.format(fault))
    workflow.configure(backends=["stopped"], cutoffs=[1], operations=["write"])
    done = workflow.run("results/summary.csv")
    assert done.returncode != 0
    assert not list((workflow.directory / "results/records").rglob("*.json"))
