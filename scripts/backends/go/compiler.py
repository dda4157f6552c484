"""Building libraries from sources in this repository: whether that can be done here, and doing it once."""

import fcntl
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scripts.backends.base import Native
from scripts.backends.go import library
from scripts.common import atomic
from scripts.common.errors import UserError
from scripts.system.disk.durability import sync_directory, sync_file

ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "1"}
"""Variables for the tool: the installed one builds, not one that it would download, and no setting of the user's."""
CACHES = ("GOCACHE", "GOMODCACHE")
"""Where the tool keeps what it has built and downloaded: by default in the home directory."""
REMOVABLE = {"GOFLAGS": "-modcacherw"}
"""Leaves directories of downloaded modules writable, so that they can be removed."""
LINES_SHOWN = 5
"""How many of a compiler's last lines an error shows."""


@cache
def missing(needed: Native) -> str | None:
    """Return in one line why the library can't be built here, with the remedy; None where it can."""
    if shutil.which(needed.tool) is None:
        return f"there is no `{needed.tool}` on the PATH; {needed.remedy}"
    # The tool itself compares its version with the one that the sources ask for.
    run = _run([needed.tool, "list", "-m"], library.directory(needed))
    if run.returncode:
        return f"`{needed.tool}` can't build these sources: {_said(run)}; {needed.remedy}"
    compiler = _run([needed.tool, "env", "CC"], Path("/")).stdout
    program = (shlex.split(compiler) or ["cc"])[0]
    if shutil.which(program) is None:
        return f"there is no C compiler `{program}` on the PATH; install it, or name another one in the variable CC"
    return None


def built(needed: Native) -> Path:
    """Return the library's place, building it first where it isn't there whole; of several processes one builds.

    Raises UserError where that can't be done.
    """
    place = library.path(needed)
    if not library.is_whole(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not library.is_whole(place):
                build(needed, place)
    return place


def build(needed: Native, output: Path) -> None:
    """Build the library and put it at `output`, whole or not at all. Raises UserError where that fails."""
    if reason := missing(needed):
        raise UserError(f"the library {needed.directory} can't be built: {reason}")
    with atomic.neighbour(output) as directory:
        directory.mkdir()
        made = directory.resolve() / output.name
        caches = caches_within(directory.resolve(), needed.tool)
        run = _run([part.format(output=made) for part in needed.command], library.directory(needed), caches)
        if run.returncode:
            raise UserError(
                f"building the library {needed.directory} failed; see that modules can be downloaded (or set GOPROXY) "
                f"and that {needed.tool} and the C compiler work, or list `backends` without those that need it; the "
                f"last it said: {_said(run)}"
            )
        version = _run([needed.tool, "env", "GOVERSION"], Path("/")).stdout.strip()
        library.tell(made, {needed.tool: version})
        sync_file(made)
        for file in (library.told(made), made):
            os.replace(file, output.parent / file.name)
        sync_directory(output.parent)


def caches_within(directory: Path, tool: str) -> dict[str, str]:
    """Return variables that put the tool's caches into `directory` where their usual place can't be written to."""
    told = _run([tool, "env", *CACHES], Path("/")).stdout.split("\n")
    moved: dict[str, str] = {}
    for name, place in zip(CACHES, told, strict=False):
        if not os.path.isabs(place) or not atomic.writable(atomic.nearest_directory(place)):
            moved |= {name: str(directory / name), **REMOVABLE}
    return moved


def _run(
    command: list[str], directory: Path, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH")}
    environment = kept | ENVIRONMENT | dict(more or {})
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def _said(run: subprocess.CompletedProcess[str]) -> str:
    """Return what the tool said last, in one line."""
    return " | ".join((run.stdout + run.stderr).strip().splitlines()[-LINES_SHOWN:]) or "nothing"
