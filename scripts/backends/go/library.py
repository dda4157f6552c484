"""Libraries that are built from sources in this repository: their sources, versions and places.

A library's name has the digest of its sources and of the kind of machine, so a library that is loaded was built from
the sources that are there. `scripts/backends/go/compiler.py` builds them.
"""

import hashlib
import os
import platform
import re
from pathlib import Path

from scripts.backends.base import Native
from scripts.common import digests, sealed

LIBRARIES = Path("results/libraries")
"""Where built libraries are, in the directory that every step runs in."""
MODULE_FILE = "go.mod"


def path(native: Native) -> Path:
    """Return where the built library is, or will be."""
    content = {file.name: file.read_text() for file in sources(native)}
    # `platform.libc_ver` tells what the interpreter asks for, so two interpreters would look for two libraries.
    has_name = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
    machine = [platform.system(), platform.machine(), os.confstr("CS_GNU_LIBC_VERSION") if has_name else None]
    return LIBRARIES / f"{native.directory}-{digests.digest([content, native.command, machine])}.so"


def sources(native: Native) -> list[Path]:
    """Return every file that the library is built from, sorted."""
    return sorted(file for file in directory(native).iterdir() if file.suffix in native.suffixes)


def versions(native: Native) -> dict[str, str]:
    """Return the versions of the modules that the backend uses, as the sources pin them."""
    text = (directory(native) / MODULE_FILE).read_text()
    required = dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", text, re.MULTILINE))
    return {module: required[module] for module in native.modules}


def toolchain(native: Native) -> dict[str, str]:
    """Return what the library that is there was built with: the tool and its version."""
    toolchain: dict[str, str] = sealed.read(told(path(native)))["toolchain"]
    return toolchain


def tell(library: Path, toolchain: dict[str, str]) -> None:
    """Write beside a built library what it was built with, and its digest."""
    sealed.write(told(library), {"toolchain": toolchain, "sha256": _sha256(library)})


def is_whole(library: Path) -> bool:
    """Say whether a library is there as it was built."""
    try:
        return bool(sealed.read(told(library))["sha256"] == _sha256(library))
    except (OSError, KeyError, sealed.Damaged):
        return False


def told(library: Path) -> Path:
    """Return the file beside a built library that says what it was built with."""
    return library.with_suffix(".json")


def _sha256(library: Path) -> str:
    with open(library, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def directory(native: Native) -> Path:
    """Return the directory of the sources."""
    return Path(__file__).parent.parent / native.directory
