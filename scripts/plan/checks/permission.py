"""Where a run writes: whether it may, and whether anything fits there, looked at before it begins."""

import os
from collections.abc import Collection
from pathlib import Path

from scripts.common import full_disk
from scripts.common.atomic import nearest_directory, writable
from scripts.common.errors import UserError
from scripts.plan.plan import Plan
from scripts.plan.snakemake_internals import DIRECTORY

LOGS = "results/logs"


def check_snakemakes() -> None:
    """Raise UserError when Snakemake can't write what it remembers. Snakemake itself ends in a traceback then."""
    for place in (nearest_directory(str(DIRECTORY)), *DIRECTORY.glob("*/")):
        if not writable(place):
            raise UserError(
                f"no permission to write to {place}, where Snakemake keeps its memory; make it writable, or run in a "
                "copy of your own"
            )
    if full := full_disk.lacking(nearest_directory(str(DIRECTORY))):
        raise UserError(full_disk.line(full))


def check(plan: Plan, to_make: Collection[str]) -> None:
    """Raise UserError when a run can't write to the directories of what it makes, given by normal paths."""
    elsewhere = {"results": "run in a copy"}
    manifests = {os.path.normpath(plan.manifest(store)) for store in plan.stores_of(to_make)}
    if any(path.startswith(f"{plan.dataset}/") for path in to_make):
        elsewhere[plan.dataset] = "set download_dir to another one"
    for path in manifests:
        elsewhere[str(Path(path).parent.parent)] = "set store_dir to another one"
    if to_make:
        elsewhere |= dict.fromkeys(map(str, Path(LOGS).glob("**/")), "run in a copy")
    for path in set(to_make) - manifests:
        elsewhere.setdefault(os.path.dirname(path), "run in a copy")
    for path, remedy in elsewhere.items():
        place = nearest_directory(path)
        if not writable(place):
            raise UserError(f"no permission to write to {place}; make it writable, or {remedy}")
    for log in Path(LOGS).rglob("*.log") if to_make else ():
        if not os.access(log, os.W_OK):
            raise UserError(f"no permission to write to {log}; make it writable, delete it, or run in a copy")
    devices = {nearest_directory(path).stat().st_dev for path in (plan.writes, plan.stores)}
    if len(devices) > 1 and plan.cells_of(to_make) and not plan.config["scratch_dir"]:
        raise UserError(
            f"{plan.stores} may only be read, and {plan.writes} is on another file system, so there is no place on "
            "theirs for what timings write; set scratch_dir, or set store_dir to a directory of your own"
        )
