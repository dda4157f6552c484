"""The Go library, built from the Go files beside this one: their versions, where it is, and building it once.

Its name has the digest of its sources and of the kind of machine, so a library that is loaded was built from the
sources that are there.
"""

import fcntl
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from scripts.common import atomic, digests, sealed
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.system.disk.durability import sync

LIBRARIES = Path("results/libraries")
"""Where built libraries are, in the directory that every step runs in."""
SOURCES = Path(__file__).parent
SUFFIXES = (".go", ".mod", ".sum")
BUILD = ("build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
REMEDY = "install Go 1.25 or newer (https://go.dev/dl)"
ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "1"}
"""Variables for the tool: the installed one builds, not one that it would download, and no setting of the user's."""
CACHES = ("GOCACHE", "GOMODCACHE")
"""Where the tool keeps what it has built and downloaded: by default in the home directory."""
REMOVABLE = {"GOFLAGS": "-modcacherw"}
"""Leaves directories of downloaded modules writable, so that they can be removed."""
LINES_SHOWN = 5
"""How many of a compiler's last lines an error shows."""


def path() -> Path:
    """Return where the built library is, or will be."""
    content = {file.name: file.read_text() for file in sources()}
    # `platform.libc_ver` tells what the interpreter asks for, so two interpreters would look for two libraries.
    has_name = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
    machine = [platform.system(), platform.machine(), os.confstr("CS_GNU_LIBC_VERSION") if has_name else None]
    return LIBRARIES / f"go-{digests.digest([content, BUILD, machine])}.so"


def sources() -> list[Path]:
    """Return every file that the library is built from, sorted."""
    return sorted(file for file in SOURCES.iterdir() if file.suffix in SUFFIXES)


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of these modules, as the sources pin them."""
    text = (SOURCES / "go.mod").read_text()
    required = dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", text, re.MULTILINE))
    return {module: required[module] for module in modules}


def toolchain() -> dict[str, str]:
    """Return what the library that is there was built with: the tool and its version."""
    found: dict[str, str] = sealed.read(told(path()))["toolchain"]
    return found


def is_whole(library: Path) -> bool:
    """Say whether a library is there as it was built."""
    try:
        return bool(sealed.read(told(library))["sha256"] == file_sha256(library))
    except (OSError, KeyError, sealed.Damaged):
        return False


def told(library: Path) -> Path:
    """Return the file beside a built library that says what it was built with, and its digest."""
    return library.with_suffix(".json")


@cache
def missing() -> str | None:
    """Return in one line why the library can't be built here, with the remedy; None where it can."""
    if shutil.which("go") is None:
        return f"there is no `go` on the PATH; {REMEDY}"
    # The tool itself compares its version with the one that the sources ask for.
    run = _go("list", "-m")
    if run.returncode:
        return f"`go` can't build these sources: {_said(run)}; {REMEDY}"
    program = (shlex.split(_go("env", "CC").stdout) or ["cc"])[0]
    if shutil.which(program) is None:
        return f"there is no C compiler `{program}` on the PATH; install it, or name another one in the variable CC"
    return None


def built() -> Path:
    """Return the library's place, building it first where it isn't there whole; of several processes one builds.

    Raises UserError where that can't be done.
    """
    place = path()
    if not is_whole(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place.with_suffix(".lock"), "w") as lock:
            # Some shared file systems have no locks; there two processes may build the same library.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole(place):
                build(place)
    return place


def build(output: Path) -> None:
    """Build the library and put it at `output`, whole or not at all. Raises UserError where that fails."""
    if reason := missing():
        raise UserError(f"the Go library can't be built: {reason}")
    with atomic.neighbour(output) as directory:
        directory.mkdir()
        made = directory.resolve() / output.name
        run = _go(*BUILD, "-o", str(made), ".", **caches_within(made.parent))
        if run.returncode:
            raise UserError(
                "building the Go library failed; see that modules can be downloaded (or set GOPROXY) and that go and "
                "the C compiler work, or leave out the backends that need it; the last it said: " + _said(run)
            )
        version = _go("env", "GOVERSION").stdout.strip()
        sealed.write(told(made), {"toolchain": {"go": version}, "sha256": file_sha256(made)})
        sync(made)
        for file in (told(made), made):
            os.replace(file, output.parent / file.name)
        sync(output.parent)


def caches_within(directory: Path) -> dict[str, str]:
    """Return variables that put the tool's caches into `directory` where their usual place can't be written to."""
    moved: dict[str, str] = {}
    for name, place in zip(CACHES, _go("env", *CACHES).stdout.split("\n"), strict=False):
        if not os.path.isabs(place) or not atomic.writable(atomic.nearest_directory(place)):
            moved |= {name: str(directory / name), **REMOVABLE}
    return moved


def _go(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH")}
    environment = kept | ENVIRONMENT | variables
    return subprocess.run(["go", *arguments], cwd=SOURCES, env=environment, capture_output=True, text=True, check=False)


def _said(run: subprocess.CompletedProcess[str]) -> str:
    """Return what the tool said last, in one line."""
    return " | ".join((run.stdout + run.stderr).strip().splitlines()[-LINES_SHOWN:]) or "nothing"
