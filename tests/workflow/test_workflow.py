"""Whole runs, through Snakemake, on small archives of real stores."""

import csv
import itertools
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.measure.operations import catalogue
from scripts.report.records.reading import read
from scripts.report.records.record import Record
from scripts.system import lock
from tests.support.checkout import SNAKEMAKE
from tests.support.workflow import LONGEST_RUN_SECONDS, Workflow


def records(workflow: Workflow) -> list[Record]:
    return [read(path) for path in sorted((workflow.directory / "results/records").rglob("*.json"))]


def rows(workflow: Workflow, table: str) -> list[dict[str, str]]:
    with open(workflow.directory / "results" / f"{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_ends_in_tables_figures_and_a_page(finished_once: Workflow) -> None:
    found = finished_once.results()
    assert {"timings.csv", "summary.csv", "latencies.csv", "disk_usage.csv", "report.html"} <= set(found)
    assert all(found.values())
    cells = {(row["backend"], row["cutoff_images"], row["operation"]) for row in rows(finished_once, "summary")}
    assert len(cells) == 8
    assert {row["status"] for row in rows(finished_once, "summary")} == {"measured"}
    assert len(rows(finished_once, "disk_usage")) == 4


def most_threads(process: subprocess.Popen[str]) -> int:
    """The most threads that a process had at a time, until its end."""
    threads = [0]
    with ThreadPoolExecutor(max_workers=1) as pool:
        output = pool.submit(process.communicate, timeout=LONGEST_RUN_SECONDS)
        while not output.done():
            with suppress(FileNotFoundError):
                threads.append(len(list(Path(f"/proc/{process.pid}/task").iterdir())))
            time.sleep(0.1)
    assert process.returncode == 0, output.result()[0]
    return max(threads)


@pytest.mark.parametrize("all_figures", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_every_operation_in_one_run(workflow: Workflow, all_figures: bool) -> None:
    """Operations that the default leaves out are in it, through to figures and page.

    Snakemake has nothing to do while cells are timed: by itself it starts a thread for each job that ends, which
    wakes it each second while others are ready.
    """
    operations = list(catalogue.entries())
    if all_figures:
        workflow.add_all_figures()
    workflow.configure(operations=operations, backends=["png"], cutoffs=[30], random_images=20)
    assert most_threads(workflow.start("results/summary.csv")) < 12
    workflow.finish()
    summary = rows(workflow, "summary")
    assert {row["status"] for row in summary} == {"measured"}
    assert {row["operation"] for row in summary} == set(operations)
    assert len(records(workflow)) == len(operations) >= 12
    ways = [(row["start_method"], row["processes"]) for row in summary if row["operation"] == "workers-warm"]
    assert len(set(ways)) == len(ways) > 1
    drawn = {row["operation"]: row["images"] for row in summary}
    assert (drawn["random-warm"], drawn["read-warm"], drawn["first-image-cold"]) == ("20", "30", "1")
    quantiles = rows(workflow, "latencies")
    assert {row["operation"] for row in quantiles} == {"random-warm", "random-cold", "batch-warm", "batch-cold"}
    assert all((workflow.directory / "results" / row["record"]).is_file() for row in [*summary, *quantiles])


PLANTED = '''
"""An operation that a user adds."""

from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.read import Read


@Declaration(kind="revision", state="cold", position=13, settings=("batch_size",))
class RevisionCold(Read):
    """Revision, cold.

    Reading all that was learnt before.

    Adds: How long one revises.

    Takes: an evening
    """
'''


def test_an_operation_is_one_file(workflow: Workflow) -> None:
    planted = workflow.directory / "scripts/measure/operations/planted.py"
    planted.write_text(PLANTED)
    assert "Revision" not in workflow.finish("--dry-run")
    workflow.configure(operations=["revision-cold", "write"], backends=["lmdb"], cutoffs=[30])
    workflow.finish(f"{workflow.dataset}/32x32/provenance.json")
    assert {jobs[-1] for jobs in workflow.planned() if jobs[0] == "time_operation"} == {"revision-cold", "write"}
    workflow.finish()
    (row,) = (row for row in rows(workflow, "summary") if row["operation"] == "revision-cold")
    assert (row["status"], row["images"], row["eviction"]) == ("measured", "30", "posix_fadvise")
    (record,) = (record for record in records(workflow) if record.cell.operation == "revision-cold")
    assert {sample.state for sample in record.samples} == {"cold"}
    assert "batch_size" in record.settings
    page = (workflow.directory / "results/report.html").read_text()
    assert "<dt>Revision, cold</dt><dd>Reading all that was learnt before.</dd>" in page
    assert workflow.planned() == set()
    planted.write_text(PLANTED.replace("learnt", "taught"))
    assert {job[0] for job in workflow.planned()} == {"summarise", "figure", "page"}
    workflow.configure(operations=["write"])
    workflow.finish()
    page = (workflow.directory / "results/report.html").read_text()
    assert "How long one revises." in page
    assert "an evening" in page


def test_no_two_timing_jobs_overlap(finished_once: Workflow) -> None:
    spans = sorted((record.started, record.ended) for record in records(finished_once))
    assert len(spans) == 8
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_cells_that_are_compared_are_timed_one_right_after_the_other(finished_once: Workflow) -> None:
    """So that the machine has changed as little as can be between them; small cutoffs come first."""
    cells = [record.cell for record in sorted(records(finished_once), key=lambda record: record.started)]
    groups = [group for group, _ in itertools.groupby((cell.cutoff, cell.operation) for cell in cells)]
    assert len(groups) == len(set(groups)) == 4
    assert [cutoff for cutoff, _ in groups] == sorted(cutoff for cutoff, _ in groups)


def test_timings_are_alone_whatever_is_passed_and_beside_a_second_checkout(workflow: Workflow, disk: Path) -> None:
    """One run lacks all that keeps its jobs apart by Snakemake's means, and shares the host with another run."""
    bare = ("--max-threads", "1", "--resources", "mem_mb=1000", "--workflow-profile", "none", "--cores", "4")
    runs = {workflow: bare, workflow.copy(disk / "other"): ()}
    lock_of_the_host = {lock.ENVIRONMENT_VARIABLE: str(disk / "lock")}
    for each in runs:
        each.configure(cutoffs=[1], operations=["read-warm"], budget_seconds=0.3)
    processes = [
        each.start("results/summary.csv", *options, variables=lock_of_the_host) for each, options in runs.items()
    ]
    outputs = [process.communicate(timeout=LONGEST_RUN_SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    spans = sorted((record.started, record.ended) for each in runs for record in records(each))
    assert len(spans) == 4
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_records_that_overlap_are_refused(finished: Workflow) -> None:
    one, other = sorted((finished.directory / "results/records").rglob("*.json"))[:2]
    changed = json.loads(one.read_text()) | {"clock": json.loads(other.read_text())["clock"]}
    one.write_text(json.dumps(changed))
    done = finished.run("--forcerun", "summarise")
    assert done.returncode != 0
    assert one.name in done.stdout
    assert "Traceback" not in done.stdout


def test_the_start_and_the_end_of_a_run_say_what_matters(finished_once: Workflow) -> None:
    output = (finished_once.directory / "output.txt").read_text()
    assert "8 cells on" in output
    assert f"The page is {finished_once.directory / 'results/report.html'}" in output


def test_a_quick_run_goes_to_a_place_of_its_own(finished: Workflow) -> None:
    before = finished.results()
    finished.finish("--config", "quick=true", "cutoffs=[1,30]", "backends=[lmdb]", "operations=[read-warm]")
    assert (finished.directory / "results/quick/report.html").is_file()
    assert finished.results() == before
    assert finished.planned() == set()


def test_the_run_works_where_nothing_can_be_reached(workflow: Workflow) -> None:
    """A closed port on loopback stands for a network without a way out. Few images are made up in their place."""
    workflow.take_few_synthetic_images()
    workflow.configure(images="cifar10", addresses=["http://127.0.0.1:9/cifar-10-python.tar.gz"])
    workflow.configure(backends=["hdf5"], cutoffs=[1], operations=["write"])
    workflow.finish()
    for table in ("timings", "summary", "disk_usage"):
        assert {row["image_set"] for row in rows(workflow, table)} == {SYNTHETIC_LABEL}
    page = (workflow.directory / "results/report.html").read_text()
    assert "synthetic images, not CIFAR-10" in page
    for figure in (workflow.directory / "results/figures").glob("*.svg"):
        assert "synthetic images, not CIFAR-10" in figure.read_text(), figure.name
    assert all(record.image_set.synthetic for record in records(workflow))


def test_without_a_fallback_the_remedies_are_named(workflow: Workflow) -> None:
    workflow.configure(
        images="cifar10", addresses=["http://127.0.0.1:9/cifar-10-python.tar.gz"], offline_fallback=False
    )
    done = workflow.run()
    assert done.returncode != 0
    assert "offline_fallback" in done.stdout
    assert "Traceback" not in done.stdout


def test_snakemakes_own_report_can_be_made(finished: Workflow) -> None:
    finished.finish("--report", "snakemake-report.html")
    text = (finished.directory / "snakemake-report.html").read_text()
    for category in ("Page", "Figures", "Tables"):
        assert category in text


@pytest.mark.parametrize("argument", ["--unlock", "--summary", "--lint", "--list-rules"])
def test_snakemakes_other_commands_need_no_cores(finished: Workflow, argument: str) -> None:
    done = finished.run_loaded(argument)
    assert done.returncode == 0, done.stdout


def test_a_printed_command_names_the_interpreter_and_can_be_pasted_into_a_shell(finished: Workflow) -> None:
    output = finished.finish("--dry-run", "--forcerun", "build")
    line = next(line for line in output.splitlines() if line.startswith("Shell command:") and " build " in line)
    command = line.removeprefix("Shell command: ")
    assert command.startswith(f"{Path(sys.executable).parent}/python ")
    subprocess.run(command, shell=True, check=True, cwd=finished.directory)


def test_a_run_from_another_directory_without_an_activated_environment_works(workflow: Workflow, disk: Path) -> None:
    elsewhere = disk / "else where"
    elsewhere.mkdir()
    options = ["--directory", elsewhere, "--config", f"images={workflow.directory / 'archive.tar.gz'}"]
    done = subprocess.run(
        [SNAKEMAKE, "--cores", "1", *options, "backends=[lmdb]", "cutoffs=[1]", "--", "results/summary.csv"],
        cwd=workflow.directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(disk), lock.ENVIRONMENT_VARIABLE: str(disk / "lock")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "results/summary.csv").is_file()


def test_a_store_on_a_file_system_in_memory_shows_a_gap_for_cold_reads(workflow: Workflow) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("this system has no /dev/shm to try a file system in memory with")
    store_directory = memory / f"stores-{time.time_ns()}"
    workflow.configure(store_dir=str(store_directory), operations=["read-cold", "read-warm"], backends=["hdf5"])
    try:
        said = workflow.finish()
    finally:
        subprocess.run(["rm", "-rf", store_directory], check=True)
    (told,) = (line for line in said.splitlines() if "gaps" in line)
    assert told.startswith("2 cold cells will be shown as gaps (tmpfs: it is memory")
    status = {(row["operation"], row["status"]) for row in rows(workflow, "summary")}
    assert status == {("read-cold", "gap"), ("read-warm", "measured")}
    assert "can't be evicted" in rows(workflow, "summary")[0]["gap_reason"]
    assert "evicted from the page cache" in (workflow.directory / "results/report.html").read_text()
