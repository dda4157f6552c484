"""The start of a run: what it will do, about how long that takes, and whether there is the room and the permission.

Snakemake says which files it is going to make; their paths say which stores are built and which cells are timed.
"""

import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from scripts.backends.go import library
from scripts.common.errors import UserError
from scripts.common.progress import duration
from scripts.dataset.sources.cifar10 import IMAGE_SHAPE
from scripts.measure import memory
from scripts.measure.operations import catalogue
from scripts.plan import forecast
from scripts.plan.checks import cluster, existing, permission, room
from scripts.plan.checks.existing import BUILD, TIMING
from scripts.plan.plan import Plan
from scripts.plan.snakemake_internals import SnakemakeRun
from scripts.system import lock
from scripts.system.disk import file_system

SECONDS_BESIDE = 15
"""Seconds that a run takes for everything but stores and timings."""


def start(plan: Plan, run: SnakemakeRun) -> None:
    """Look at what Snakemake is about to do and say it; end the process with one line when that can't go well.

    It's called right before the first job.
    """
    if run.only_touches:
        return
    run.lift_job_rate_limit()
    jobs = run.jobs_to_run()
    to_make = {os.path.normpath(path) for job in jobs for path in job.output}
    used = {os.path.normpath(path) for job in jobs for path in job.input} - to_make
    try:
        lock.check()
        cluster.refuse_beside_others()
        if not run.is_on_one_machine:
            cluster.check(run, [job for job in jobs if job.rule.name == TIMING], jobs)
        existing.check(plan, used)
        permission.check(plan, to_make)
        room.check(plan, to_make)
        existing.take_forgotten(plan, run)
        if not run.is_on_one_machine:
            # Nodes may lack the tools that build what jobs of a cluster need built.
            names = {job.wildcards.backend for job in jobs if job.rule.name in (BUILD, TIMING)}
            if any(plan.choices[name].backend.go_modules for name in names):
                library.built()
            plan.hand_to_jobs()
            existing.clear_outdated(plan, run, jobs)
    except UserError as error:
        sys.exit(f"error: {error}")
    for line in _said(plan, to_make, is_on_one_machine=run.is_on_one_machine):
        print(line, file=sys.stderr)


def _said(plan: Plan, to_make: Collection[str], *, is_on_one_machine: bool) -> Iterator[str]:
    """Lines on what this run leaves out, what will be gaps, and what it will do."""
    for reason in dict.fromkeys(plan.missing.values()):
        names = [name for name, why in plan.missing.items() if why == reason]
        yield f"left out: {', '.join(names)}: {reason}"
    cells = plan.cells_of(to_make)
    cold = [cell for cell in cells if catalogue.entry(cell.operation).state == catalogue.COLD]
    if cold and not plan.config["scratch_dir"] and (why := file_system.never_cold(Path(plan.stores))):
        count = f"{len(cold)} cold cell{'' if len(cold) == 1 else 's'}"
        yield f"{count} will be shown as gaps ({why}); to measure them, set store_dir to a directory on a disk"
    # Each cell looks again when it's its turn.
    for cutoff in sorted({cell.cutoff for cell in cells}) if is_on_one_machine else ():
        if shortage := memory.shortage(cutoff, IMAGE_SHAPE):
            yield f"to time {cutoff:,} images {shortage}: those cells will be gaps"
    yield _opening(plan, to_make)


def _opening(plan: Plan, to_make: Collection[str]) -> str:
    """What this run will do, in a line."""
    stores, cells = plan.stores_of(to_make), plan.cells_of(to_make)
    size = (
        f"{len(plan.cells())} cells on {plan.machine}: {len(plan.choices)} backends x {len(plan.cutoffs)} cutoffs "
        f"x {len(plan.operations)} operations"
    )
    if not cells and not stores:
        return f"{size}; nothing to build and nothing to time"
    seconds = (
        sum(forecast.seconds_to_build(store.cutoff) for store in stores)
        + sum(forecast.seconds_to_time(cell.cutoff, plan.budget_seconds) for cell in cells)
        + SECONDS_BESIDE
    )
    download = " and the time of the download" if f"{plan.dataset}/archive.json" in to_make else ""
    return (
        f"{size}; {len(stores)} stores to build and {len(cells)} cells to time: about {duration(seconds)} "
        f"on an idle machine with two cores{download}, up to {room.size(room.total(plan, to_make).bytes)} on the disk"
    )
