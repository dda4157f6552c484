"""Timing one cell: a fresh process that takes the samples, the noise around it, and the record.

The process that starts it stays small, and waits: heavy libraries are loaded where samples are taken, and only there.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common import digests
from scripts.common.errors import Failed
from scripts.measure import ground, memory
from scripts.measure.operations import catalogue
from scripts.measure.settings import Job
from scripts.stores import manifest
from scripts.stores.check import refuse_damaged
from scripts.stores.choice import Choice
from scripts.system import clock, machine, process
from scripts.system.disk import file_system, scratch
from scripts.system.noise import Watch

RECORD_VERSION = 7
STEP = "time_operation"
TRY_AGAIN = "to try again, run snakemake with --forcerun and this cell's record"


def time_cell(
    job: Job, *, writes: Path, node_scratch: str | None = None, limit_seconds: float | None = None
) -> dict[str, Any]:
    """Time one cell and return its record. The caller sees to it that nothing else runs (`scripts.system.lock`).

    `writes` and `node_scratch` are as in `scripts.measure.ground`. Sampling may take `limit_seconds` at most.

    The record is that of a gap, with its reason, where the store couldn't be built, too little memory is left, or
    sampling fails by itself. Raises UserError where the store isn't the one that these images, this code and these
    options make, or is damaged, however its reader fails.
    """
    content = manifest.read(job.store)
    entry = catalogue.entry(job.cell.operation)
    reason = _why_not(job, content)
    reads = reason is None and not entry.writes
    on_a_copy = reads and not backends.load(job.module).opens_without_writing
    try:
        with ground.prepared(job.store, writes, node_scratch, reads=reads, on_a_copy=on_a_copy) as prepared:
            timed = _timed(job, prepared, reason, limit_seconds)
    except Exception as error:
        refuse_damaged(job.store, error)
        raise
    return {
        "record_version": RECORD_VERSION,
        "cell": asdict(job.cell),
        "measuring_digest": digests.code_digest([digests.step_file(STEP)]),
        "settings": job.settings.recorded(entry.all_settings),
        "machine": machine.describe(),
        "backend": {
            "module": job.module,
            "options": job.options,
            "digest": content["backend_digest"],
            "versions": content["versions"],
        },
        "image_set": content["image_set"],
        "store": {"key": content["key"], "digest": content["digest"], "copied": prepared.copied},
        "process": {"threads": job.settings.threads, "cpu_affinity": machine.cores()},
        **timed,
    }


def _why_not(job: Job, content: dict[str, Any]) -> str | None:
    """Why a cell isn't run at all, by the manifest of its store and the memory that is left; None where it is."""
    if content["failed"]:
        return f"its store couldn't be built: {content['failed']}"
    entry = catalogue.entry(job.cell.operation)
    image_shape = content["image_set"]["image_shape"]
    if entry.writes and not backends.load(job.module).footprint(job.options, image_shape).holds_images:
        return "its files stay where they lie, so there is nothing to write"
    held = memory.images_held(entry, job.cell.cutoff, job.settings.random_images)
    beside = content["original_bytes"] or 0
    if not entry.writes:
        codec = Choice(job.module, job.options).codec
        beside = min(content["apparent_bytes"], memory.VALUES_BYTES) if codec and not codec.is_identity else 0
    if shortage := memory.shortage(held, image_shape, beside):
        return f"it {shortage}; {TRY_AGAIN} where there is more"
    return None


def _timed(job: Job, on: ground.Ground, reason: str | None, limit_seconds: float | None) -> dict[str, Any]:
    """Take the samples, unless there is a reason not to; return what the record says of them, and of when and where."""
    started = clock.now()
    with scratch.directory(on.writes) as place:
        watch = Watch(place.parent)
        taken = _gap(job, reason) if reason else _samples_or_gap(job, on.store, place, limit_seconds)
        noise = watch.finish()
    ended = clock.now()
    return {
        "started": started.utc,
        "ended": ended.utc,
        "clock": clock.span(started, ended),
        "file_system": file_system.describe(on.writes),
        "noise": noise,
        **taken,
    }


def _samples_or_gap(job: Job, store: Path, place: Path, limit_seconds: float | None) -> dict[str, Any]:
    """Take the samples in a process of its own, from `store`, the built store or a copy; a gap where that fails."""
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
        refuse_damaged(job.store, failure)
        print(*getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        return _gap(job, f"{failure}; {TRY_AGAIN}")
    return taken


def _gap(job: Job, reason: str) -> dict[str, Any]:
    from scripts.measure import samples  # which loads what only the process that takes samples needs otherwise

    return samples.gap(job, reason)


def _take(job: Job, place: Path) -> dict[str, Any]:
    from scripts.measure import samples  # in the process that was started for it, and nowhere else

    return samples.take(job, place)
