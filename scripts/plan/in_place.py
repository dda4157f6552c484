"""Files that are read where they lie: whether the user's folder can be compared with the stores, or a copy of it."""

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from scripts import codecs
from scripts.backends import base
from scripts.common.atomic import nearest_directory
from scripts.stores.choice import Choice
from scripts.system import page_cache
from scripts.system.disk import file_system

COPY = "copy"
"""The end of the name of a store that holds a copy of the files."""
NO_FOLDER = "the images are no folder of files, so none lies in place; leave in_place out"


def why_not(root: str | None, stores: Path, scratch: str | None) -> str | None:
    """Return why files can't be read where they lie and be compared with the stores, None where they can.

    `root` is the folder of the files, None where they lie in none; `stores` is where the stores go, `scratch` where
    copies of them are timed, if they are. The page shows the reason, so it names no path.
    """
    if root is None:
        return NO_FOLDER
    if scratch:
        return "stores are timed in scratch_dir, where the folder isn't"
    place = nearest_directory(str(stores))
    if os.stat(root).st_dev != os.stat(place).st_dev:
        kinds = f"{file_system.type_of(Path(root))} and {file_system.type_of(place)}"
        return (
            f"the folder is on another file system than the stores ({kinds}); set store_dir to a directory on that one"
        )
    if not page_cache.tells(Path(root)):
        return "the folder belongs to another user, so the kernel doesn't tell what of it is in the page cache"
    return None


def choices(
    asked: dict[str, Choice], variants: Collection[str], reason: str | None
) -> tuple[dict[str, Choice], dict[str, str]]:
    """Return the backends and variants asked for, those that keep files in a folder reading these in the user's own.

    The `variants` are taken as they are. `reason` is what `why_not` says; where there is one, a copy takes the place of
    the user's folder, and the second value has the reason by the name of what is left out.
    """
    found: dict[str, Choice] = {}
    reasons = {}
    for name, choice in asked.items():
        if name not in variants and reason != NO_FOLDER and _may_be_in_place(choice):
            choice = replace(choice, options=choice.options | {base.IN_PLACE: True})
        found[name] = choice
        if not reason or not choice.options.get(base.IN_PLACE):
            continue
        reasons[name] = reason
        copy = f"{name}-{COPY}"
        if reason != NO_FOLDER and copy not in asked:
            found[copy] = replace(choice, options=choice.options | {base.IN_PLACE: False})
            reasons[name] += f"; a copy of it is compared, {copy}"
    return found, reasons


def _may_be_in_place(choice: Choice) -> bool:
    """Whether a choice keeps files in a folder."""
    return base.IN_PLACE in choice.options and codecs.load(choice.options[codecs.OPTION]).keeps_originals
