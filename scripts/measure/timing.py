"""Timing one cell: a fresh process that takes the samples, the noise around it, and the record.

The process that starts it stays small, and waits: heavy libraries are loaded where samples are taken, and only there.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common import digests
from scripts.common.cells import Cell
from scripts.common.errors import Failed
from scripts.measure import ground, memory
from scripts.measure.job import Job
from scripts.measure.operations import catalogue
from scripts.measure.settings import AGAIN, SAMPLING, Settings
from scripts.stores import manifest
from scripts.system import clock, machine, process
from scripts.system.disk import file_system, scratch
from scripts.system.noise import Watch

RECORD_VERSION = 6
STEP = "time_operation"
TRY_AGAIN = "to try again, run snakemake with --forcerun and this cell's record"


def time_cell(
    cell: Cell,
    module: str,
    options: dict[str, Any],
    image_set_directory: Path,
    store_directory: Path,
    given: dict[str, Any],
    writes: Path | None = None,
    node_scratch: str | None = None,
    seconds: float | None = None,
    limit_seconds: float | None = None,
) -> dict[str, Any]:
    """Time one cell and return its record. The caller sees to it that nothing else runs (`scripts.system.lock`).

    `module` and `options` are the backend's, `given` the settings that the operation depends on, by name; `writes` and
    `node_scratch` are as in `scripts.measure.ground`; `seconds` is the budget instead of the one given, where the cell
    is measured again for longer. Sampling may take `limit_seconds` at most.

    The record is that of a gap, with its reason, where the store couldn't be built, too little memory is left, or
    sampling fails by itself. Raises UserError where the store isn't the one that these images, this code and these
    options make, or is damaged, however its reader fails.
    """
    settings = Settings(**given)
    if seconds is not None:
        settings, given = settings.for_longer(seconds), given | {AGAIN: given["budget_seconds"]}
    content = manifest.read(store_directory)
    job = Job(
        backend=cell.backend,
        module=module,
        options=options,
        cutoff=cell.cutoff,
        operation=cell.operation,
        image_set=image_set_directory,
        store=store_directory,
        settings=settings,
    )
    reason = _why_not(job, content)
    reads = reason is None and not catalogue.entry(cell.operation).writes
    on_a_copy = reads and not backends.load(module).opens_without_writing
    with (
        manifest.damage_named(store_directory),
        ground.prepared(store_directory, writes, node_scratch, reads=reads, on_a_copy=on_a_copy) as prepared,
    ):
        started = clock.now()
        with scratch.directory(prepared.writes) as place:
            watch = Watch(place.parent)
            taken = _gap(job, reason) if reason else _samples_or_gap(job, prepared.store, place, limit_seconds)
            noise = watch.finish()
        ended = clock.now()
        on = file_system.describe(prepared.writes)
    return {
        "record_version": RECORD_VERSION,
        "cell": asdict(cell),
        "measuring_digest": digests.code_digest([digests.step_file(STEP)]),
        "settings": {name: value for name, value in asdict(settings).items() if name in (*SAMPLING, *given)},
        "started": started.utc,
        "ended": ended.utc,
        "clock": clock.span(started, ended),
        "machine": machine.describe(),
        "file_system": on,
        "noise": noise,
        "backend": {
            "module": module,
            "options": options,
            "digest": content["backend_digest"],
            "versions": content["versions"],
        },
        "image_set": content["image_set"],
        "store": {"key": content["key"], "digest": content["digest"], "copied": prepared.copied},
        "process": {"threads": settings.threads, "cpu_affinity": process.cpu_affinity()},
        **taken,
    }


def _why_not(job: Job, content: dict[str, Any]) -> str | None:
    """Why a cell isn't run at all, by the manifest of its store and the memory that is left; None where it is."""
    if content["failed"]:
        return f"its store couldn't be built: {content['failed']}"
    if shortage := memory.shortage(job.cutoff, content["image_set"]["image_shape"]):
        return f"it {shortage}; {TRY_AGAIN} where there is more"
    return None


def _samples_or_gap(job: Job, store: Path, place: Path, limit_seconds: float | None) -> dict[str, Any]:
    """Take the samples of a job in a process of its own, from `store`, the built store or a copy of it.

    Where that process fails by itself, return a gap. Raises UserError where it fails for damage in the built store.
    """
    try:
        taken: dict[str, Any] = process.call(
            _take,
            replace(job, store=store),
            place,
            threads=job.settings.threads,
            thread_variables=backends.load(job.module).thread_variables,
            limit_seconds=limit_seconds,
        )
    except Failed as failure:
        manifest.refuse_damaged(job.store, failure)
        print(*getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        return _gap(job, f"{failure}; {TRY_AGAIN}")
    return taken


def _gap(job: Job, reason: str) -> dict[str, Any]:
    from scripts.measure import gap  # which loads what only the process that takes samples needs otherwise

    return gap.record(job, reason)


def _take(job: Job, place: Path) -> dict[str, Any]:
    from scripts.measure import samples  # in the process that was started for it, and nowhere else

    return samples.take(job, place)
