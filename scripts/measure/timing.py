"""Timing one cell: the state, the samples in turn with the baseline, and the record."""

import gc
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts import backends, digests
from scripts.dataset.image_set import ImageSet
from scripts.measure import machine, sampling, scratch, store
from scripts.measure.baseline import Baseline
from scripts.measure.operations import OPERATIONS, Inputs, Operation, Sample, Subject, Unmeasurable
from scripts.progress import Progress, report

RECORD_VERSION = 1
MANY_IMAGES = 10_000
"""From here on what comes before the first sample can take a while, so a line says that it has begun."""
STEP = "time_operation"


@dataclass(frozen=True)
class Cell:
    """One backend x cutoff x operation on one machine."""

    machine: str
    backend: str
    cutoff: int
    operation: str


def time_cell(
    cell: Cell, choice: store.Choice, image_set_directory: Path, store_directory: Path, settings: sampling.Settings
) -> dict[str, Any]:
    """Time one cell and return its record. The caller sees to it that nothing else runs (`scripts.measure.lock`).

    Raises UserError where the store isn't the one that these images, this code and these options make.
    """
    image_set = ImageSet.load(image_set_directory)
    manifest = store.check(store_directory, store.key(image_set.provenance["digest"], cell.cutoff, choice))
    started = _now()
    load_before = machine.load_average()
    with scratch.directory(store.root(store_directory)) as place:
        images, labels = image_set.first(cell.cutoff)
        inputs = Inputs(images, labels, store_directory / store.DATA, manifest["digest"], place)
        operation = OPERATIONS[cell.operation](
            inputs,
            Subject("backend", backends.load(choice.module), choice.options),
            Subject("baseline", Baseline(), {}),
        )
        label = f"{cell.operation} {cell.backend} {cell.cutoff}"
        gap_reason = None
        try:
            _sample(operation, settings, label)
        except Unmeasurable as reason:
            gap_reason = str(reason)
            report(f"{label}: not measured: {gap_reason}")
    load_after = machine.load_average()
    return {
        "record_version": RECORD_VERSION,
        "cell": asdict(cell),
        "status": "gap" if gap_reason else "measured",
        "gap_reason": gap_reason,
        "backend": {
            "module": choice.module,
            "options": choice.options,
            "digest": manifest["backend_digest"],
            "versions": manifest["versions"],
        },
        "measuring_digest": digests.code_digest([digests.step_file(STEP)]),
        "image_set": manifest["image_set"],
        "store": {"key": manifest["key"], "digest": manifest["digest"]},
        "settings": asdict(settings),
        "started": started,
        "ended": _now(),
        "machine": machine.describe(),
        "file_system": machine.file_system(store_directory),
        "load_average_before": load_before,
        "load_average_after": load_after,
        "samples": [asdict(sample) for sample in operation.samples],
    }


def _sample(operation: Operation, settings: sampling.Settings, label: str) -> None:
    """Run what comes before the first sample, then the samples. Raises Unmeasurable."""
    backend, baseline = operation.backend, operation.baseline
    for subject in (baseline, backend):
        operation.rehearse(subject)
    # Before each run garbage is collected; what is here to stay needn't be looked through again each time.
    gc.freeze()
    if len(operation.inputs.labels) >= MANY_IMAGES:
        report(f"{label}: preparing, and a first run")
    operation.prepare()
    last = {subject.name: operation.run(subject) for subject in (baseline, backend)}
    operation.check()
    first = last[backend.name]
    # A first run that lasts long isn't run again for nothing, unless the state needs an identical run before it.
    keep_first = _is_long(first, settings) and first.state_verified and not operation.needs_identical_run_first
    if keep_first:
        operation.samples.append(first)

    def take(subject: Subject) -> Sample:
        # Right after an identical run, a short one finds its memory at hand: on a virtual machine, memory that hasn't
        # been touched for a while can cost several times what the work on it does.
        if not _is_long(last[subject.name], settings):
            operation.run(subject)
        last[subject.name] = operation.run(subject)
        operation.samples.append(last[subject.name])
        return last[subject.name]

    def take_backend() -> float | None:
        sample = take(backend)
        return sample.seconds if sample.state_verified else None

    rounds = sampling.alternate(
        take_backend, lambda: take(baseline), settings, first=first.seconds if keep_first else None
    )
    with Progress(label, None, "samples", done=int(keep_first)) as progress:
        for done, at_most in rounds:
            progress.update(done, at_most)
    operation.check()
    samples = [sample for sample in operation.samples if sample.subject == backend.name]
    if not any(sample.state_verified for sample in samples):
        known = [sample.resident_fraction for sample in samples if sample.resident_fraction is not None]
        resident = f"{min(known):.1%} to {max(known):.1%} of the store" if known else "an unknown part of the store"
        raise Unmeasurable(f"no sample started from the state {operation.state}: {resident} was in the page cache")


def _is_long(sample: Sample, settings: sampling.Settings) -> bool:
    return sample.seconds >= settings.long_sample_seconds


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
