"""The part of a record that says that a cell couldn't be measured, in the place of samples."""

from typing import Any

from scripts.common.progress import report
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.measure.job import Job
from scripts.measure.operations import catalogue, state
from scripts.stores import store


def record(job: Job, reason: str) -> dict[str, Any]:
    """Return what the record of a job says that is a gap for this reason.

    Raises UserError where the store isn't the one that these images, this code and these options make.
    """
    choice = store.Choice(job.module, job.options)
    image_set_digest = read_provenance(job.image_set / PROVENANCE)["digest"]
    store.check_key(job.store, store.key(image_set_digest, job.cutoff, choice))
    report(f"{job.label}: not measured: {reason}")
    cold = catalogue.entry(job.operation).state == catalogue.COLD
    return {
        "status": "gap",
        "gap_reason": reason,
        "eviction": state.eviction(cold=cold, drop_caches=job.settings.drop_caches),
        "device_share": None,
        "latencies": None,
        "overwrite_seconds": None,
        "samples": [],
    }
