"""Stores that are there already: made by somebody else, or forgotten by Snakemake. None is taken for another one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.errors import UserError
from scripts.files import writable
from scripts.measure import store


def check(plan: Any, to_make: set[str]) -> None:
    """Raise UserError for a store that isn't the one that the plan's images, code and options make, if it is used.

    `to_make` are the manifests that the run makes anew, as normal paths.
    """
    provenance = Path(plan.dataset, "provenance.json")
    if not provenance.exists():
        return
    digest = json.loads(provenance.read_text())["digest"]
    for name, cutoff, directory in _there(plan):
        if f"{directory}/{store.MANIFEST}" not in to_make:
            store.check_key(directory, store.key(digest, cutoff, plan.choices[name]))


def check_what_may_only_be_read(plan: Any) -> None:
    """Raise UserError for stores that the run would have to replace and may only read; Snakemake would show a list."""
    replaceable = {f"{found}/{store.MANIFEST}" for *_, found in _there(plan) if writable(found.parent)}
    if len(replaceable) == len(list(_there(plan))):
        return
    if not Path(plan.dataset, "provenance.json").exists():
        raise UserError(
            f"{plan.stores} may only be read, and {plan.dataset} has no image set that its stores can be of; set "
            "download_dir and store_dir to the directories of whoever made them, or store_dir to one of your own"
        )
    check(plan, replaceable)


def _there(plan: Any) -> Iterator[tuple[str, int, Path]]:
    """Backend, cutoff and directory of each store of the plan that is there."""
    for name in plan.choices:
        for cutoff in plan.cutoffs:
            directory = Path(plan.stores, name, str(cutoff))
            if (directory / store.MANIFEST).exists():
                yield name, cutoff, directory
