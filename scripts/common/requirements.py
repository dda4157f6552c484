"""Requirements of packages, such as `plyvel==1.5.1; sys_platform == 'linux'`, read without a library."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9._-]+")
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+)(?: ; ([^\\\n]+?))?(?: \\)?$", re.MULTILINE)
"""A distribution, its version and its marker, if any, in a file of requirements with hashes."""


def distribution(requirement: str) -> str:
    """Return the name of the distribution that a requirement asks for. Raises ValueError where it names none."""
    found = NAME.match(requirement)
    if not found:
        raise ValueError(f"{requirement!r} is no requirement of a package, such as 'lmdb==3.0.0'")
    return found[0]


def distributions(packages: Mapping[str, str]) -> dict[str, str]:
    """Return the distribution of each import name, from its requirement."""
    return {module: distribution(requirement) for module, requirement in packages.items()}


@cache
def pins(file: Path) -> dict[str, dict[str, str]]:
    """Return what a file of requirements pins: the versions of each distribution, each with its marker, or ""."""
    found: dict[str, dict[str, str]] = {}
    for name, version, marker in PIN.findall(file.read_text()):
        found.setdefault(name, {})[version] = marker
    return found
