"""Measuring some cells of a finished run again, for longer; tables, figures and page follow, and nothing else.

A cell's name is BACKEND/SIZE/CUTOFF/OPERATION. All else is as in the run whose page is there, and the next run keeps
what was measured. It's for runs on one machine, not for those on a cluster or with conda.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.common import digests
from scripts.common.atomic import replacing, write_json
from scripts.common.cells import Cell
from scripts.common.errors import UserError, did_you_mean, shown
from scripts.common.progress import duration, report
from scripts.plan import existing, forecast, plan, room
from scripts.plan.plan import Plan

RUN = "run.json"
"""In the results: the config of the run whose page is there, and where it ran."""
DOWNSTREAM = ("all", "summarise", "figure", "page")
"""The rules that make the page from what is measured."""

MEASURED = "measured"
"""The status of a record that isn't a gap."""


def measure(names: list[str], seconds: float, results: Path) -> None:
    """Measure the cells of these names again, for so many seconds each, and make the page of `results` from that.

    Raises UserError where `results` holds no finished run of this machine, for an unknown cell, and for cells that
    couldn't be measured; what was there of these counts.
    """
    run = _run_of(results)
    # Where Snakemake ran: the results of a quick run are one level further down.
    os.chdir(results.resolve().parents[int(run["is_quick"])])
    found = plan.read(run["config"], with_conda=False, on_cluster=False)
    cells = [_cell(name, found) for name in dict.fromkeys(names)]
    _check(run, found, cells)
    failed = []
    for number, cell in enumerate(cells, start=1):
        report(f"{cell.name}: measured again for {duration(seconds)} ({number} of {len(cells)})")
        if not _measure(found, cell, seconds):
            failed.append(cell.name)
    _make_page(found)
    if failed:
        raise UserError(
            f"{', '.join(failed)} couldn't be measured again, as said above; what was there of "
            f"{'it' if len(failed) == 1 else 'them'} counts"
        )


def remember(of: Plan) -> None:
    """Write what a later `again` must know of a run whose page was made."""
    known = {"config": of.config, "machine": of.machine, "with_conda": of.with_conda, "on_cluster": of.on_cluster}
    write_json(Path(of.results, RUN), known)


def _run_of(results: Path) -> dict[str, Any]:
    path = results / RUN
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if run["on_cluster"] or run["with_conda"]:
            where = "on a cluster" if run["on_cluster"] else "with conda"
            raise UserError(
                f"{results} was measured {where}, and cells of such a run can't be measured again alone; delete their "
                "records and run the workflow again, with a larger budget_seconds for all"
            )
        config = run["config"]
        return {"config": config, "is_quick": bool(config["quick"]), "machine": str(run["machine"])}
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing, so {results} holds no finished run; run the workflow first, or give --results"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged; delete {results}/report.html and run the workflow again") from None


def _cell(name: str, found: Plan) -> Cell:
    """The cell of that name. Raises UserError with the nearest one where the run has none."""
    known = {cell.name: cell for cell in found.cells()}
    if name in known:
        return known[name]
    form = "" if name.count("/") == 3 else "; a cell is BACKEND/SIZE/CUTOFF/OPERATION"
    raise UserError(f"the cell {shown(name)} isn't in {found.results}{form}; {did_you_mean(name, known)}")


def _check(run: dict[str, Any], found: Plan, cells: list[Cell]) -> None:
    """Raise UserError where what would be measured couldn't be compared with the rest, or the directory is in use."""
    if found.machine != run["machine"]:
        raise UserError(
            f"{found.results} was measured on {run['machine']}, and this machine is {found.machine}; measure there"
        )
    for cell in cells:
        record = _record(found, cell)
        if not record.exists():
            raise UserError(f"{record} isn't there, so the run isn't finished; run the workflow first")
        if not existing.is_record_of(record, found):
            raise UserError(
                f"{record} was measured with other images, code or settings than those that are here now; run the "
                "workflow first"
            )
    if any(Path(".snakemake/locks").glob("*")):
        raise UserError(
            f"a run is going on in {Path.cwd()}, or was killed; wait for its end, or end it: snakemake --unlock"
        )


def _record(found: Plan, cell: Cell) -> Path:
    return cell.record(Path(found.results, "records"))


def _measure(found: Plan, cell: Cell, seconds: float) -> bool:
    """Measure a cell again and say whether that went well; what was measured before isn't lost to a gap."""
    record = _record(found, cell)
    before = record.read_bytes()
    done = subprocess.run([sys.executable, str(digests.CHECKOUT / digests.PACKAGE), *_step(found, cell, seconds)])
    if done.returncode == 0 and json.loads(record.read_bytes())["status"] == MEASURED:
        return True
    if json.loads(before)["status"] == MEASURED:
        with replacing(record) as file:
            file.write(before)
    return False


def _step(found: Plan, cell: Cell, seconds: float) -> list[str]:
    """The step that times a cell, as the workflow starts it, with another budget."""
    scratch = found.config["scratch_dir"]
    usual = forecast.limit_seconds(cell.cutoff, seconds, in_files=room.in_files(found, cell.backend))
    limit = found.config["time_limit_seconds"] or usual
    return [
        *("time_operation", "--machine", cell.machine, "--name", cell.backend),
        *("--module", found.choices[cell.backend].module, "--options", found.options_text(cell.backend)),
        *("--image-size", cell.image_size, "--cutoff", str(cell.cutoff), "--operation", cell.operation),
        *("--image-set", found.dataset, "--store", str(cell.store.directory(found.stores))),
        *("--settings", found.settings_of(cell.operation), "--seconds", str(seconds), "--writes", found.writes),
        *(("--node-scratch", scratch) if scratch else ()),
        *("--limit", str(limit)),
        *("--record", str(_record(found, cell))),
    ]


def _make_page(found: Plan) -> None:
    """Let Snakemake make what follows from the records, and nothing that comes before them."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(found.config, config)
        config.flush()
        command = [*_snakemake(config.name), "--quiet", "all"]
        failed = subprocess.run(command, check=False).returncode != 0
    if failed:
        raise UserError("the cells are measured, but the page couldn't be made from them; run the workflow to see why")


def _snakemake(config: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(digests.CHECKOUT / "Snakefile")),
        *("--workflow-profile", str(digests.CHECKOUT / "profiles/default"), "--cores", str(os.cpu_count() or 1)),
        *("--configfile", config, "--allowed-rules", *DOWNSTREAM, "--forcerun", "summarise"),
    ]
