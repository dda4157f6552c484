"""Paths in the config: variables in them are expanded, and a path that can't be meant is refused in one line."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from scripts.common.atomic import nearest_directory
from scripts.common.errors import shown

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
CONTROL = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of bytes that are no UTF-8, and of line and paragraph breaks. A name with
one of them would break logs, tables and figures."""
OTHER_MEANING = {"download_dir": "{}<>", "store_dir": "{}<>\\", "scratch_dir": "\\"}
"""The letters that a path may not have: Snakemake fills in brackets, and one library takes a backslash for a slash."""


def expanded(path: str | None) -> str | None:
    """Return a path with variables and `~` expanded. A path that is there as it's written stays, and so does None."""
    if not path:
        return None
    complete = os.path.normpath(path if _is_there(path) else os.path.expanduser(os.path.expandvars(path)))
    # A step would take a relative path that starts with a hyphen for one of its options.
    return os.path.abspath(complete) if complete.startswith("-") else complete


def faults_of_images(images: str) -> Iterator[str]:
    """Yield why a path of images, as `expanded` returns it, won't do, with the remedy. A pattern of paths will."""
    yield from _faults(images)
    found = glob.iglob(images) if glob.has_magic(images) and not os.path.exists(images) else iter([images])
    first = next(found, images)
    if not os.path.exists(first) and "{" not in images:
        yield "isn't there; give cifar10, synthetic, synthetic-photographs, or the path of a folder or file with images"
    elif os.path.exists(first) and not os.access(first, os.R_OK | (os.X_OK if os.path.isdir(first) else 0)):
        yield "is there, but there is no permission to read it; make it readable"


def faults_of_directory(key: str, path: str, *, variables_are_the_nodes: bool = False) -> Iterator[str]:
    """Yield why a directory, as the config writes it, can't be meant or can't be made, with the remedy.

    With `variables_are_the_nodes` each node expands the path for itself, and only its text is looked at.
    """
    yield from _faults(path, variables_are_the_nodes=variables_are_the_nodes)
    directory = expanded(path) or path
    if letters := sorted(set(OTHER_MEANING[key]) & set(directory)):
        yield (
            f"has {' '.join(letters)} in it, which Snakemake or a library would take for something else; give a "
            "directory without, for example a link to this one"
        )
    if variables_are_the_nodes:
        return
    try:
        nearest = nearest_directory(directory)
    except OSError as error:
        yield f"can't be made: {error.strerror}; give another directory"
    else:
        if not nearest.is_dir():
            yield f"can't be made: {shown(nearest)} is a file, not a directory; give a directory"


def _faults(path: str, *, variables_are_the_nodes: bool = False) -> Iterator[str]:
    if any(unicodedata.category(letter) in CONTROL for letter in path):
        yield "has a line break or another control character in it; rename it, or give another"
    if _is_there(path):
        return
    if path != path.strip():
        yield "starts or ends with a space; write the path without"
    if ADDRESS.match(path):
        yield "is an address, not a path on this machine; download what it names, and give the path of that"
    if not variables_are_the_nodes:
        for variable in map("".join, VARIABLE.findall(path)):
            if variable not in os.environ:
                yield f"names the variable {variable}, which isn't set; set {variable}, or write the path itself"
    if path.startswith("~") and os.path.expanduser(path) == path:
        yield "starts with ~ and the name of a user that isn't there; write the path itself"


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
