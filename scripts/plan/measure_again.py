"""Measuring some cells of a finished run again, for longer; tables, figures and page follow, and nothing else."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.common import digests
from scripts.common.atomic import write_json
from scripts.common.cells import Cell
from scripts.common.errors import UserError, did_you_mean, shown
from scripts.common.progress import duration, report
from scripts.measure import timing
from scripts.measure.settings import Job, Settings
from scripts.plan import jobs
from scripts.plan.checks import existing
from scripts.plan.plan import Plan
from scripts.plan.read import read_plan
from scripts.plan.snakemake_internals import DIRECTORY
from scripts.report.rows import MEASURED
from scripts.system import lock

RUN = "run.json"
"""The file in the results that says the config of the run whose page is there, and where it ran."""
DOWNSTREAM = ("all", "summarise", "figure", "page")
"""The rules that make the page from what is measured."""


def measure(names: list[str], seconds: float, results: Path) -> None:
    """Measure the cells of these names again, for so many seconds each, and make the page of `results` from that.

    Raises UserError when `results` holds no finished run of this machine, for an unknown cell, and for cells that
    couldn't be measured. The records of such cells stay as they were.
    """
    config, machine = _config_and_machine(results)
    # Where Snakemake ran: the results of a quick run are one level further down.
    os.chdir(results.resolve().parents[1 if config["quick"] else 0])
    plan = read_plan(config, with_conda=False, on_cluster=False)
    cells = [_cell(name, plan) for name in dict.fromkeys(names)]
    _check(plan, machine, cells)
    failed = []
    for number, cell in enumerate(cells, start=1):
        report(f"{cell.name}: measured again for {duration(seconds)} ({number} of {len(cells)})")
        if not _measure(plan, cell, seconds):
            failed.append(cell.name)
    _make_page(plan)
    if failed:
        raise UserError(
            f"{', '.join(failed)} couldn't be measured again, as said above; what was there of "
            f"{'it' if len(failed) == 1 else 'them'} counts"
        )


def remember(plan: Plan) -> None:
    """Write what a later `again` must know of a run whose page was made."""
    kept = ("config", "machine", "with_conda", "on_cluster", "dataset")
    write_json(Path(plan.results, RUN), {name: getattr(plan, name) for name in kept})


def _config_and_machine(results: Path) -> tuple[dict[str, Any], str]:
    """The config of the run whose page is in `results`, and the machine that it ran on."""
    path = results / RUN
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if run["on_cluster"] or run["with_conda"]:
            where = "on a cluster" if run["on_cluster"] else "with conda"
            raise UserError(
                f"{results} was measured {where}, and cells of such a run can't be measured again alone; delete their "
                "records and run the workflow again, with a larger budget_seconds for all"
            )
        return run["config"] | {"quick": bool(run["config"]["quick"])}, str(run["machine"])
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing, so {results} holds no finished run; run the workflow first, or give --results"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged; delete {results}/report.html and run the workflow again") from None


def _cell(name: str, plan: Plan) -> Cell:
    """The cell of that name. Raises UserError with the nearest one where the run has none."""
    known = {cell.name: cell for cell in plan.cells()}
    if name in known:
        return known[name]
    form = "" if name.count("/") == 3 else "; a cell is BACKEND/SIZE/CUTOFF/OPERATION"
    raise UserError(f"the cell {shown(name)} isn't in {plan.results}{form}; {did_you_mean(name, known)}")


def _check(plan: Plan, machine: str, cells: list[Cell]) -> None:
    """Raise UserError where what would be measured couldn't be compared with the rest, or the directory is in use."""
    if plan.machine != machine:
        raise UserError(f"{plan.results} was measured on {machine}, and this machine is {plan.machine}; measure there")
    for cell in cells:
        record = plan.record(cell)
        if not record.exists():
            raise UserError(f"{record} isn't there, so the run isn't finished; run the workflow first")
        if not existing.is_record_of(record, plan):
            raise UserError(
                f"{record} was measured with other images, code or settings than those that are here now; run the "
                "workflow first"
            )
    if any(Path(DIRECTORY, "locks").glob("*")):
        raise UserError(
            f"a run is going on in {Path.cwd()}, or was killed; wait for its end, or end it: snakemake --unlock"
        )


def _measure(plan: Plan, cell: Cell, seconds: float) -> bool:
    """Measure a cell again and say whether that went well; what was measured before isn't lost to a gap."""
    choice = plan.choices[cell.backend]
    settings = Settings(**json.loads(plan.settings(cell))).for_longer(seconds)
    store = cell.store.directory(plan.stores)
    job = Job(cell, choice.module, choice.options, Path(plan.image_set(cell)), store, settings)
    limit = jobs.limit_seconds(plan, cell, seconds)
    scratch = plan.config["scratch_dir"]
    try:
        with lock.alone():
            found = timing.time_cell(job, writes=Path(plan.writes), node_scratch=scratch, limit_seconds=limit)
    except UserError as error:
        report(f"error: {error}")
        return False
    path = plan.record(cell)
    is_measured: bool = found["status"] == MEASURED
    if is_measured or json.loads(path.read_bytes())["status"] != MEASURED:
        write_json(path, found)
    return is_measured


def _make_page(plan: Plan) -> None:
    """Let Snakemake make what follows from the records, and nothing that comes before them."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(digests.CHECKOUT / "Snakefile")]
    command += ["--workflow-profile", str(digests.CHECKOUT / "profiles/default"), "--cores", str(os.cpu_count() or 1)]
    command += ["--allowed-rules", *DOWNSTREAM, "--forcerun", "summarise", "--quiet", "all"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(plan.config, config)
        config.flush()
        if subprocess.run([*command, "--configfile", config.name], check=False).returncode:
            raise UserError(
                "the cells are measured, but the page couldn't be made from them; run the workflow to see why"
            )
