"""Files that are read where they lie: whether the user's folder can be compared with the stores, or a copy of it."""

import os
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


def choices(
    asked: dict[str, Choice], folder: Path | None, stores: Path, scratch: str | None
) -> tuple[dict[str, Choice], dict[str, str]]:
    """Return the backends and variants asked for, those that keep files in a folder reading these in the user's own.

    `folder` is the user's, None for another source; `stores` is where the stores go, `scratch` where copies of them are
    timed, if they are. Where the folder can't be compared with the stores, a copy takes its place, and the second value
    has the reason by the name of what is left out.
    """
    if folder is None:
        return asked, {}
    found: dict[str, Choice] = {}
    reasons = {}
    for name, choice in asked.items():
        if not _may_be_in_place(choice):
            found[name] = choice
            continue
        found[name] = replace(choice, options=choice.options | {base.ROOT: os.path.realpath(folder)})
        if reason := _why_not(folder, stores, scratch):
            found[f"{name}-{COPY}"] = choice
            reasons[name] = f"{reason}; a copy of it is compared, {name}-{COPY}"
    return found, reasons


def _may_be_in_place(choice: Choice) -> bool:
    """Whether a choice keeps files in a folder, and names none itself."""
    if choice.options.get(base.ROOT, None) != "":
        return False
    return codecs.load(choice.options[codecs.OPTION]).keeps_originals


def _why_not(folder: Path, stores: Path, scratch: str | None) -> str | None:
    """Why files in a folder can't be compared with the stores, None where they can."""
    if scratch:
        return f"stores are timed in scratch_dir ({scratch}), where {folder} isn't"
    place = nearest_directory(str(stores))
    if os.stat(folder).st_dev != os.stat(place).st_dev:
        kinds = f"{file_system.type_of(folder)} and {file_system.type_of(place)}"
        return f"{folder} is on another file system than the stores ({kinds}); set store_dir to a directory on that one"
    if not page_cache.tells(folder):
        return f"{folder} belongs to another user, so the kernel doesn't tell what of it is in the page cache"
    return None
