"""The samples of one cell, taken in turn with the baseline: what the process does that a timing job starts."""

import gc
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common.progress import Progress, report
from scripts.dataset.image_set import PROVENANCE, ImageSet, read_provenance
from scripts.measure import stopping
from scripts.measure.baseline import Baseline
from scripts.measure.operations import catalogue
from scripts.measure.operations.base import NO_FACTS, Inputs, Operation, Sample, Subject, Unmeasurable
from scripts.measure.operations.state import CacheState
from scripts.measure.settings import Job
from scripts.stores.check import check_files, check_key
from scripts.stores.choice import Choice, store_key
from scripts.stores.content import read_checksums
from scripts.stores.manifest import DATA

DATA_FILES = ("operations/*.py",)
MANY_IMAGES = 10_000
"""With so many images, what comes before the first sample takes a while, so a line says that it has begun."""


def take(job: Job, place: Path) -> dict[str, Any]:
    """Take the samples of a cell, writing in the empty directory `place`; return what its record says of them.

    Raises UserError where the store isn't the one that these images, this code and these options make, and where the
    backend doesn't do the whole work.
    """
    choice = Choice(job.module, job.options)
    image_set = ImageSet.load(job.image_set)
    content = check_files(job.store, store_key(image_set.provenance["digest"], job.cell.cutoff, choice))
    images, labels = choice.first(image_set, job.cell.cutoff)
    operation: Operation = catalogue.load(job.cell.operation)(
        Inputs(
            images,
            labels,
            job.store / DATA,
            content["digest"],
            read_checksums(job.store, content),
            content["lossless"],
            place,
            job.settings,
        ),
        Subject("backend", backends.load(job.module), job.options),
        Subject("baseline", Baseline(), {"image_shape": list(images.shape[1:])}),
    )
    gap_reason = None
    try:
        sample(operation, job.label)
    except Unmeasurable as reason:
        gap_reason = str(reason)
    finally:
        operation.finish()
    return _record(job, gap_reason, operation.facts(), operation.samples)


def gap(job: Job, reason: str) -> dict[str, Any]:
    """Return what the record of a job says that is a gap for this reason, with no sample.

    Raises UserError where the store isn't the one that these images, this code and these options make.
    """
    digest = read_provenance(job.image_set / PROVENANCE)["digest"]
    check_key(job.store, store_key(digest, job.cell.cutoff, Choice(job.module, job.options)))
    cold = catalogue.entry(job.cell.operation).state == catalogue.COLD
    eviction = CacheState(cold=cold, drop_caches=job.settings.drop_caches).eviction
    return _record(job, reason, NO_FACTS | {"eviction": eviction}, [])


def _record(job: Job, gap_reason: str | None, facts: dict[str, Any], samples: list[Sample]) -> dict[str, Any]:
    if gap_reason:
        report(f"{job.label}: not measured: {gap_reason}")
    status = {"status": "gap" if gap_reason else "measured", "gap_reason": gap_reason}
    return {**status, **facts, "samples": [asdict(taken) for taken in samples]}


def sample(operation: Operation, label: str) -> None:
    """Run what comes before the first sample, then the samples. Raises Unmeasurable.

    In each round the backend comes last, as `check` looks at what the last run read.
    """
    backend, baseline, settings = operation.backend, operation.baseline, operation.inputs.settings
    for subject in (baseline, backend):
        operation.rehearse(subject)
    # Before each run garbage is collected; what is here to stay needn't be looked through again each time.
    gc.freeze()
    if operation.count >= MANY_IMAGES:
        report(f"{label}: preparing, and a first run")
    operation.prepare()
    others = [baseline, *([operation.decoding] if operation.decoding else [])]

    def run(subject: Subject, *, counts: bool = True) -> list[Sample]:
        return operation.decode() if subject is operation.decoding else operation.run(subject, counts=counts)

    last = {subject.name: run(subject) for subject in (*others, backend)}
    operation.check()
    *_, first = last[backend.name]
    # A first run that lasts long isn't run again for nothing, unless the state needs an identical run before it.
    is_long = first.seconds >= settings.long_sample_seconds
    keep_first = is_long and first.state_verified and not operation.needs_identical_run_first
    if keep_first:
        operation.keep(last[backend.name], 0.0)

    def take_one(subject: Subject, started: float) -> Sample:
        # Right after an identical run, a short one finds its memory at hand: on a virtual machine, memory that hasn't
        # been touched for a while can cost several times what the work on it does.
        if operation.repeats_short_runs and last[subject.name][-1].seconds < settings.repeated_seconds:
            run(subject, counts=False)
        last[subject.name] = run(subject)
        operation.keep(last[subject.name], started)
        return last[subject.name][-1]

    def take_backend(started: float) -> float | None:
        taken = take_one(backend, started)
        return taken.seconds if taken.state_verified else None

    def take_others(started: float) -> None:
        for subject in others:
            take_one(subject, started)

    rounds = stopping.alternate(take_backend, take_others, settings, first=first.seconds if keep_first else None)
    with Progress(label, None, "samples", done=int(keep_first)) as progress:
        for done, at_most in rounds:
            progress.update(done, at_most)
    operation.check()
    samples = [taken for taken in operation.samples if taken.subject == backend.name]
    if not any(taken.state_verified for taken in samples):
        raise Unmeasurable(_why_unverified(operation.declared.state, samples))


def _why_unverified(state: str, samples: list[Sample]) -> str:
    known = [taken.resident_fraction for taken in samples if taken.resident_fraction is not None]
    resident = f"{min(known):.1%} to {max(known):.1%} of the store" if known else "an unknown part of the store"
    read = [taken.device_read_bytes for taken in samples if taken.device_read_bytes is not None]
    moved = f", and at most {max(read):,} bytes came from the device" if read else ""
    return f"no sample started from the state {state}: {resident} was in the page cache{moved}"
