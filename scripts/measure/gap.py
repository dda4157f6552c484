"""The part of a record that says that a cell couldn't be measured, in the place of samples."""

from pathlib import Path
from typing import Any

from scripts.common.progress import report
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.measure.operations import catalogue, state
from scripts.measure.settings import Settings
from scripts.stores import store


def record(
    reason: str,
    cell: Any,
    module: str,
    options: dict[str, Any],
    image_set: Path,
    directory: Path,
    settings: Settings,
) -> dict[str, Any]:
    """Return what the record of a cell says that is a gap for this reason; `directory` is that of its store.

    Raises UserError where the store isn't the one that these images, this code and these options make.
    """
    choice = store.Choice(module, options)
    store.check_key(directory, store.key(read_provenance(image_set / PROVENANCE)["digest"], cell.cutoff, choice))
    report(f"{cell.operation} {cell.backend} {cell.cutoff}: not measured: {reason}")
    cold = catalogue.entry(cell.operation).state == catalogue.COLD
    return {
        "status": "gap",
        "gap_reason": reason,
        "eviction": state.eviction(cold=cold, drop_caches=settings.drop_caches),
        "device_share": None,
        "latencies": None,
        "overwrite_seconds": None,
        "samples": [],
    }
