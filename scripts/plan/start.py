"""The start of a run: what it will do, about how long that takes, and whether there is the room and the permission.

Snakemake says which files it is going to make; their paths say which stores are built and which cells are timed.
"""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.backends.go import compiler
from scripts.common.cells import Store
from scripts.common.errors import UserError
from scripts.common.progress import duration
from scripts.dataset.sources.cifar10 import IMAGE_SHAPE
from scripts.measure import memory
from scripts.measure.operations import catalogue
from scripts.plan import cluster, existing, forecast, permission, room
from scripts.plan.plan import FOUND_VARIABLE, Plan
from scripts.report import intact
from scripts.report.records import outdated
from scripts.system import lock
from scripts.system.disk import file_system

SECONDS_BESIDE = 15
"""For everything but stores and timings."""

BUILD, TIMING, TABLES_RULE = "build", "time_operation", "summarise"


def records_for_tables(plan: Plan, workflow: Any) -> list[str]:
    """Return the records of all cells, as the input of the tables.

    Snakemake asks for them as it plans the tables, and looks at its own outputs no further than whether they are there.
    So this is the moment to have it make them once more, as `--forcerun summarise` does, where one of them isn't as it
    was written. Of `workflow`, Snakemake's own, the attribute `dag.forcerules` isn't public (9.27).
    """
    damaged = [] if workflow.remote_exec else intact.damaged(Path(plan.results))
    if damaged:
        names = ", ".join(map(str, damaged))
        print(f"not as the workflow wrote it: {names}; the tables are made once more", file=sys.stderr)
        workflow.dag.forcerules.add(workflow.get_rule(TABLES_RULE))
    return plan.records()


def start(plan: Plan, workflow: Any) -> None:
    """Look at what Snakemake is about to do and say it; end the process with one line where that can't go well.

    `workflow` is Snakemake's own, right before its first job.
    """
    if workflow.touch:
        return
    _lift_job_rate_limit(workflow.scheduler)
    jobs = list(workflow.dag.needrun_jobs())
    forgotten = _forgotten(plan, workflow)
    to_make, to_use = [path for job in jobs for path in job.output], [path for job in jobs for path in job.input]
    try:
        lock.check()
        cluster.refuse_beside_others()
        if not workflow.local_exec:
            _check_cluster(workflow, jobs)
        check(plan, to_make, to_use)
        existing.refuse_other_records(plan, [job.output[0] for job in forgotten if job.rule.name == TIMING])
    except UserError as error:
        sys.exit(f"error: {error}")
    for job in forgotten:
        workflow.async_run(workflow.persistence.finished(job))
    if not workflow.local_exec:
        _build_libraries(plan, jobs)
        os.environ[FOUND_VARIABLE] = plan.found_text()
        _forget_outdated(plan, jobs, workflow.persistence)
    for reason in dict.fromkeys(plan.missing.values()):
        names = [name for name, why in plan.missing.items() if why == reason]
        print(f"left out: {', '.join(names)}: {reason}", file=sys.stderr)
    if gaps := _gaps_ahead(plan, _normal(to_make)):
        print(gaps, file=sys.stderr)
    if workflow.local_exec:
        print(*_too_large(plan, _normal(to_make)), sep="", end="", file=sys.stderr)
    print(_opening(plan, _normal(to_make)), file=sys.stderr)


def _gaps_ahead(plan: Plan, to_make: Collection[str]) -> str | None:
    """Say that what is to be read cold will be gaps, where the stores are on a file system that can't be emptied."""
    cold = [
        path for path in room.made(plan.records(), to_make) if catalogue.entry(Path(path).stem).state == catalogue.COLD
    ]
    why = file_system.never_cold(Path(plan.stores)) if cold and not plan.config["scratch_dir"] else None
    if not why:
        return None
    cells = f"{len(cold)} cold cell{'' if len(cold) == 1 else 's'}"
    return f"{cells} will be shown as gaps ({why}); to measure them, set store_dir to a directory on a disk"


def _lift_job_rate_limit(scheduler: Any) -> None:
    """Take Snakemake's limit of jobs started in a second from its scheduler; no step here is that short.

    For that limit Snakemake 9 looks at all jobs that are ready again, each second, for each job that has ended: after
    hundreds of cells it takes a core for itself, beside the timings. No option turns it off.
    """
    scheduler.job_rate_limiter = None


def _check_cluster(workflow: Any, jobs: Iterable[Any]) -> None:
    """Raise UserError where what this run asks of its cluster wouldn't go well."""
    cells = [job.resources for job in jobs if job.rule.name == TIMING]
    # Snakemake's own list of groups, get_jobs_or_groups, fails where a job that isn't needed has one.
    submitted = {workflow.dag._group.get(job, job) for job in jobs if not job.is_local}
    settings = workflow.executor_settings
    cluster.check(
        workflow.global_resources,
        cells,
        [job.resources for job in submitted],
        getattr(settings, "status_command", None),
        bool(getattr(settings, "partition_config", None) or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")),
    )


def _build_libraries(plan: Plan, jobs: Iterable[Any]) -> None:
    """Build what jobs of a cluster need built, before any is submitted: nodes may lack the tools."""
    names = {job.wildcards.backend for job in jobs if job.rule.name in (BUILD, TIMING)}
    try:
        for needed in {plan.choices[name].backend.native for name in names} - {None}:
            compiler.built(needed)
    except UserError as error:
        sys.exit(f"error: {error}")


def check(plan: Plan, to_make: Iterable[str], to_use: Iterable[str]) -> None:
    """Raise UserError where the run can't write, the disk is too small, or a store isn't the one it's taken for.

    `to_make` are the paths of the files that Snakemake is going to make, `to_use` of those that go into them.
    """
    made = _normal(to_make)
    existing.check(plan, _normal(to_use) - made)
    permission.check(plan, made)
    room.check(plan, made)


def _too_large(plan: Plan, to_make: Collection[str]) -> Iterator[str]:
    """Lines on the cells that don't fit into the memory that is left now; each looks again when it's its turn."""
    for cutoff in sorted(set(_cutoffs(plan.records(), to_make))):
        if shortage := memory.shortage(cutoff, IMAGE_SHAPE):
            yield f"to time {cutoff:,} images {shortage}: those cells will be gaps\n"


def _opening(plan: Plan, to_make: Collection[str]) -> str:
    """What this run will do, in a line."""
    stores, timings = _cutoffs(plan.manifests(), to_make), _cutoffs(plan.records(), to_make)
    size = (
        f"{len(plan.records())} cells on {plan.machine}: {len(plan.choices)} backends x {len(plan.cutoffs)} cutoffs "
        f"x {len(plan.operations)} operations"
    )
    if not timings and not stores:
        return f"{size}; nothing to build and nothing to time"
    seconds = (
        sum(map(forecast.seconds_to_build, stores))
        + sum(forecast.seconds_to_time(cutoff, plan.budget_seconds) for cutoff in timings)
        + SECONDS_BESIDE
    )
    download = " and the time of the download" if f"{plan.dataset}/archive.json" in to_make else ""
    return (
        f"{size}; {len(stores)} stores to build and {len(timings)} cells to time: about {duration(seconds)} "
        f"on an idle machine with two cores{download}, up to {room.size(room.total(plan, to_make).bytes)} on the disk"
    )


def _forgotten(plan: Plan, workflow: Any) -> list[Any]:
    """The jobs whose record or manifest is there, that Snakemake takes for made and has no memory of: of another
    checkout, or of a cluster, where they ended when nobody waited for them. Manifests of other stores are left out.

    With conda the versions of libraries, which decide, are those of another environment: nothing is said of them.
    """
    if plan.with_conda or not os.path.exists(f"{plan.dataset}/provenance.json"):
        return []
    found = []
    for job in workflow.dag.jobs:
        made = job.rule.name in (BUILD, TIMING) and not workflow.dag.needrun(job) and os.path.exists(job.output[0])
        if made and not workflow.persistence.has_metadata(job):
            of_plan = job.rule.name == TIMING or existing.is_of_plan(Path(job.output[0]), plan)
            found += [job] if of_plan else []
    return found


def _forget_outdated(plan: Plan, jobs: Iterable[Any], persistence: Any) -> None:
    """Clear away what this run makes again. Its records move to the outdated ones. Its manifests are removed, and so is
    what Snakemake remembers of both. The tables are removed where any of them was.

    On a cluster a failed job keeps what it has finished (`keep-incomplete` in profiles/slurm), and jobs go on where
    Snakemake is killed. The next run then takes all that is there for made. So nothing old may be there, and nothing
    new may be taken for old. Without tables the next run asks for the records that are missing.
    """
    manifests, records = _normal(plan.manifests()), _normal(plan.records())
    made_again = [job for job in jobs if not (manifests | records).isdisjoint(_normal(job.output))]
    for job in made_again:
        persistence.cleanup(job)
    paths = [os.path.normpath(path) for job in made_again for path in job.output]
    old = [path for path in paths if path in records and os.path.exists(path)]
    if old:
        print(
            f"{len(old)} outdated record{'' if len(old) == 1 else 's'} put into {outdated.put(old, plan.results)}",
            file=sys.stderr,
        )
    for path in [*(path for path in paths if path in manifests), *plan.tables()] if made_again else []:
        Path(path).unlink(missing_ok=True)


def _normal(paths: Iterable[str]) -> set[str]:
    return {os.path.normpath(path) for path in paths}


def _cutoffs(files: Iterable[str], to_make: Collection[str]) -> list[int]:
    """The cutoffs of those manifests or records that are to be made."""
    return [Store.in_directory(Path(path).parent).cutoff for path in room.made(files, to_make)]
