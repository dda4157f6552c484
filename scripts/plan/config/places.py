"""Paths in the config: variables in them are expanded, and a path that can't be meant is refused in one line."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from scripts.common.atomic import nearest_directory
from scripts.common.errors import UserError, shown

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
CONTROL = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of bytes that are no UTF-8, and of line and paragraph breaks."""
OTHER_MEANING = {"download_dir": "{}<>", "store_dir": "{}<>\\", "scratch_dir": "\\"}
"""The letters that a path may not have: Snakemake fills in brackets, and one library takes a backslash for a slash."""


def expanded(path: str | None) -> str | None:
    """Return a path with variables and `~` expanded. A path that is there as it's written stays, and so does None."""
    if not path:
        return None
    complete = os.path.normpath(path if _is_there(path) else os.path.expanduser(os.path.expandvars(path)))
    # A step would take a relative path that starts with a hyphen for one of its options.
    return os.path.abspath(complete) if complete.startswith("-") else complete


def check_archive(images: str) -> None:
    """Raise UserError where there is no archive to read at a path, as `expanded` returns it."""
    _refuse_control_characters("images", images)
    if os.path.isfile(images):
        if not os.access(images, os.R_OK):
            raise UserError(f"config key images: no permission to read {shown(images)}; make it readable")
        return
    _refuse_faults("images", images)
    kind = "is a directory, not an archive" if os.path.isdir(images) else "isn't there"
    raise UserError(f"config key images: {shown(images)} {kind}; give cifar10, synthetic, or the path of an archive")


def check_directory(key: str, path: str, *, variables_are_the_nodes: bool = False) -> None:
    """Raise UserError for a directory, as the config writes it, that can't be meant or can't be made.

    With `variables_are_the_nodes` each node expands the path for itself, and only its text is looked at.
    """
    _refuse_control_characters(key, path)
    if not _is_there(path):
        _refuse_faults(key, path, variables_are_the_nodes=variables_are_the_nodes)
    directory = expanded(path) or path
    if letters := sorted(set(OTHER_MEANING[key]) & set(directory)):
        raise UserError(
            f"config key {key}: {shown(directory)} has {' '.join(letters)} in it, which Snakemake or a library would "
            "take for something else; give a directory without, for example a link to this one"
        )
    if variables_are_the_nodes:
        return
    try:
        nearest = nearest_directory(directory)
    except OSError as error:
        raise UserError(f"config key {key}: {shown(directory)}: {error.strerror}; give another directory") from None
    if not nearest.is_dir():
        raise UserError(f"config key {key}: {shown(nearest)} is a file, not a directory; give a directory")


def _refuse_control_characters(key: str, path: str) -> None:
    """Such a name, or one that isn't in UTF-8, would break logs, tables and figures."""
    if any(unicodedata.category(letter) in CONTROL for letter in path):
        raise UserError(
            f"config key {key}: {shown(path)} has a line break or another control character in it; rename it, or give "
            "another"
        )


def _refuse_faults(key: str, path: str, *, variables_are_the_nodes: bool = False) -> None:
    for fault in _faults(path, variables_are_the_nodes=variables_are_the_nodes):
        raise UserError(f"config key {key}: {shown(path)} {fault}")


def _faults(path: str, *, variables_are_the_nodes: bool) -> Iterator[str]:
    """Why a path that isn't there can't be meant, with the remedy."""
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
