"""Stores and records that are there already: made by somebody else, or forgotten by Snakemake. None is taken for
another one."""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from scripts.common import digests
from scripts.common.atomic import writable
from scripts.common.cells import Cell, Store
from scripts.common.errors import UserError
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.measure.settings import AGAIN
from scripts.report.records import outdated
from scripts.stores import manifest, store


def check(plan: Any, used: Collection[str]) -> None:
    """Raise UserError for a store that isn't the one that the plan's images, code and options make.

    `used` are normal paths of what is looked at: manifests of stores, and the image set's provenance. With a manifest,
    the image set must be there.
    """
    provenance = Path(plan.dataset, PROVENANCE)
    if os.path.normpath(provenance) in used and provenance.exists():
        read_provenance(provenance)
    stores = [found for found in _there(plan) if f"{found.directory(plan.stores)}/{manifest.MANIFEST}" in used]
    digest = _image_set_digest(plan) if stores else ""
    for found in stores:
        key = store.key(digest, found.cutoff, plan.choices[found.backend])
        store.check_key(found.directory(plan.stores), key)


def check_what_may_only_be_read(plan: Any) -> None:
    """Raise UserError for stores that the run would have to replace and may only read; Snakemake would show a list."""
    places = [found.directory(plan.stores) for found in _there(plan)]
    fixed = {f"{place}/{manifest.MANIFEST}" for place in places if not writable(place.parent)}
    if fixed and not Path(plan.dataset, PROVENANCE).exists():
        raise UserError(
            f"{plan.stores} may only be read, and {plan.dataset} has no image set that its stores can be of; set "
            "download_dir and store_dir to the directories of their owner, or store_dir to one of your own"
        )
    check(plan, fixed)


def is_of_plan(path: Path, plan: Any) -> bool:
    """Say whether a manifest, at its place, is of the store that the plan's images, code and options make."""
    found = Store.in_directory(path.parent)
    try:
        store.check_key(path.parent, store.key(_image_set_digest(plan), found.cutoff, plan.choices[found.backend]))
    except (UserError, KeyError):
        return False
    return True


def refuse_other_records(plan: Any, records: list[str]) -> None:
    """Move records that aren't of the plan to the outdated ones, and raise UserError: this run won't make them again.

    `records` are those that are there, and that Snakemake takes for made without any memory of how.
    """
    others = [path for path in records if not is_record_of(Path(path), plan)]
    if others:
        place = outdated.put(others, plan.results)
        # Without the tables, which were made of them, the next run asks for new ones.
        for table in plan.tables():
            Path(table).unlink(missing_ok=True)
        raise UserError(
            f"{len(others)} record{'' if len(others) == 1 else 's'} of other images, code or settings that Snakemake "
            f"had no memory of, the first of them {others[0]}; now in {place}; run again, and the cells are timed again"
        )


def is_record_of(record: Path, plan: Any) -> bool:
    """Say whether a record, at its place, is what timing its cell with the plan's images, code and settings gives, or
    measuring it again for longer."""
    cell = Cell.of_record(record)
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return (
            found["store"]["key"] == store.key(_image_set_digest(plan), cell.cutoff, plan.choices[cell.backend])
            and found["measuring_digest"] == digests.code_digest([digests.step_file("time_operation")])
            and (asked := _asked(found["settings"])) == asked | json.loads(plan.settings_of(cell.operation))
        )
    except (UserError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _asked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that a record's run had asked for, before its cell was measured again for longer."""
    return settings | {"budget_seconds": settings.get(AGAIN, settings["budget_seconds"])}


def _image_set_digest(plan: Any) -> str:
    return read_provenance(Path(plan.dataset, PROVENANCE))["digest"]


def _there(plan: Any) -> list[Store]:
    """Those stores of the plan that are there."""
    return [found for found in plan.all_stores() if (found.directory(plan.stores) / manifest.MANIFEST).exists()]
