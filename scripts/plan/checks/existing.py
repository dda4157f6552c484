"""Stores and records that are there already: made by somebody else, or forgotten by Snakemake. None is taken for
another one."""

import json
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from scripts.common import digests
from scripts.common.atomic import writable
from scripts.common.cells import Cell
from scripts.common.errors import UserError
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.measure.settings import AGAIN
from scripts.plan.plan import Names, Plan
from scripts.plan.snakemake_internals import Job, SnakemakeRun
from scripts.report.records import outdated
from scripts.stores.check import check_key
from scripts.stores.choice import store_key

BUILD, TIMING = "build", "time_operation"
"""The rules that make stores and records."""


def check(plan: Plan, used: Collection[str]) -> None:
    """Raise UserError for a store that isn't the one that the plan's images, code and options make.

    `used` are the normal paths that are looked at: manifests of stores, and the image set's provenance. With a
    manifest, the image set must be there.
    """
    for size in plan.image_sizes:
        provenance = Path(plan.dataset, size, PROVENANCE)
        if os.path.normpath(provenance) in used and provenance.exists():
            read_provenance(provenance)
    for each in plan.stores_of(used):
        if plan.manifest(each).exists():
            check_key(each.directory(plan.stores), _store_key(plan, each))


def check_what_may_only_be_read(plan: Plan) -> None:
    """Raise UserError for stores that the run would have to replace and may only read; Snakemake would show a list."""
    manifests = {plan.manifest(each): each for each in plan.all_stores()}
    fixed = {path: each for path, each in manifests.items() if path.exists() and not writable(path.parent.parent)}
    if any(not Path(plan.provenance(each)).exists() for each in fixed.values()):
        raise UserError(
            f"{plan.stores} may only be read, and {plan.dataset} has no image set that its stores can be of; set "
            "download_dir and store_dir to the directories of their owner, or store_dir to one of your own"
        )
    check(plan, set(map(os.path.normpath, fixed)))


def take_forgotten(plan: Plan, run: SnakemakeRun, to_run: Collection[Job]) -> None:
    """Let Snakemake remember the jobs that it has forgotten, whose manifest or record is there and won't be made.

    Another checkout made it, or a job on a cluster that went on after Snakemake was killed. Manifests of other stores
    are left out. With conda all are: the versions of libraries, which decide, are in the environments. Records that
    aren't of the plan move to the outdated ones, and UserError is raised: this run won't make them again.
    """
    if plan.with_conda:
        return
    forgotten = [
        job
        for job in run.jobs()
        if job.rule.name in (BUILD, TIMING)
        and job not in to_run
        and os.path.exists(job.output[0])
        and os.path.exists(plan.provenance(job.wildcards))
        and not run.remembers(job)
        and (job.rule.name == TIMING or _is_store_of(job, plan))
    ]
    records = [job.output[0] for job in forgotten if job.rule.name == TIMING]
    others = [path for path in records if not is_record_of(Path(path), plan)]
    if others:
        place = outdated.put(others, plan.results)
        _remove_tables(plan)
        raise UserError(
            f"{len(others)} record{'' if len(others) == 1 else 's'} of other images, code or settings that Snakemake "
            f"had no memory of, the first of them {others[0]}; now in {place}; run again, and the cells are timed again"
        )
    for job in forgotten:
        run.remember(job)


def clear_outdated(plan: Plan, run: SnakemakeRun, jobs: Iterable[Job]) -> None:
    """Clear away the manifests and records that these jobs make again, and what Snakemake remembers of both.

    On a cluster a failed job keeps what it has finished (`keep-incomplete` in profiles/slurm), and jobs go on when
    Snakemake is killed. The next run takes all that is there for made. So nothing old may be there, and nothing new may
    be taken for old. Records move to the outdated ones.
    """
    made_again = [job for job in jobs if job.rule.name in (BUILD, TIMING)]
    for job in made_again:
        run.forget(job)
        if job.rule.name == BUILD:
            Path(job.output[0]).unlink(missing_ok=True)
    old = [job.output[0] for job in made_again if job.rule.name == TIMING and os.path.exists(job.output[0])]
    if old:
        place = outdated.put(old, plan.results)
        print(f"{len(old)} outdated record{'' if len(old) == 1 else 's'} put into {place}", file=sys.stderr)
    if made_again:
        _remove_tables(plan)


def is_record_of(record: Path, plan: Plan) -> bool:
    """Say whether a record, at its place, is what timing its cell with the plan's images, code and settings gives, or
    measuring it again for longer."""
    cell = Cell.of_record(record)
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        settings = content["settings"]
        # As its run had asked for, before the cell was measured again for longer.
        settings["budget_seconds"] = settings.get(AGAIN, settings["budget_seconds"])
        return bool(
            content["store"]["key"] == _store_key(plan, cell)
            and content["measuring_digest"] == digests.code_digest([digests.step_file(TIMING)])
            and settings == settings | json.loads(plan.settings(cell))
        )
    except (UserError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _is_store_of(job: Job, plan: Plan) -> bool:
    """Whether the manifest that a job would make is there, of the store that the plan makes."""
    try:
        check_key(Path(job.output[0]).parent, _store_key(plan, job.wildcards))
    except (UserError, KeyError):
        return False
    return True


def _store_key(plan: Plan, store: Names) -> str:
    """The key of a store that the plan's images, code and options make."""
    digest = read_provenance(Path(plan.provenance(store)))["digest"]
    return store_key(digest, int(store.cutoff), plan.choices[store.backend])


def _remove_tables(plan: Plan) -> None:
    """Without the tables, which were made of records, the next run asks for the records that are missing."""
    for table in [*plan.tables, plan.index]:
        Path(table).unlink(missing_ok=True)
