"""Stores and records that are there already: made by somebody else, or forgotten by Snakemake. None is taken for
another one."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from scripts import digests
from scripts.errors import UserError
from scripts.files import writable
from scripts.measure import store


def check(plan: Any, used: Collection[str]) -> None:
    """Raise UserError for a store that isn't the one that the plan's images, code and options make.

    `used` are the manifests, as normal paths, of the stores to look at; with any, the image set must be there.
    """
    stores = [found for found in _there(plan) if f"{found[-1]}/{store.MANIFEST}" in used]
    digest = _image_set_digest(plan) if stores else ""
    for name, cutoff, directory in stores:
        store.check_key(directory, store.key(digest, cutoff, plan.choices[name]))


def check_what_may_only_be_read(plan: Any) -> None:
    """Raise UserError for stores that the run would have to replace and may only read; Snakemake would show a list."""
    fixed = {f"{found}/{store.MANIFEST}" for *_, found in _there(plan) if not writable(found.parent)}
    if fixed and not Path(plan.dataset, "provenance.json").exists():
        raise UserError(
            f"{plan.stores} may only be read, and {plan.dataset} has no image set that its stores can be of; set "
            "download_dir and store_dir to the directories of whoever made them, or store_dir to one of your own"
        )
    check(plan, fixed)


def is_of(record: Path, plan: Any) -> bool:
    """Say whether a record, at its place, is what timing its cell with the plan's images, code and settings gives."""
    name, operation = record.parts[-3], record.stem
    choice = plan.choices[name]
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        asked = json.loads(plan.settings_of(operation))
        return (
            found["image_set"]["digest"] == _image_set_digest(plan)
            and found["measuring_digest"] == digests.code_digest([digests.step_file("time_operation")])
            and (found["backend"]["digest"], found["backend"]["options"]) == (choice.digest(), choice.options)
            and found["settings"] == found["settings"] | asked
        )
    except (ValueError, KeyError):
        return False


def _image_set_digest(plan: Any) -> str:
    return json.loads(Path(plan.dataset, "provenance.json").read_text(encoding="utf-8"))["digest"]


def _there(plan: Any) -> Iterator[tuple[str, int, Path]]:
    """Backend, cutoff and directory of each store of the plan that is there."""
    for name in plan.choices:
        for cutoff in plan.cutoffs:
            directory = Path(plan.stores, name, str(cutoff))
            if (directory / store.MANIFEST).exists():
                yield name, cutoff, directory
