"""Libraries that are built from sources in this repository: where they are, whether they can be built, and building.

A library's name has the digest of its sources and of the kind of machine, so that whoever loads it has what its sources
say.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from scripts import digests, files
from scripts.backends.base import Native
from scripts.errors import UserError

LIBRARIES = Path("results/libraries")
"""In the directory that every step runs in."""
COMPILER = "CC"
"""The environment variable that names another C compiler than these."""
COMPILERS = ("gcc", "clang")
MODULE_FILE = "go.mod"
LAST_LINES = 5
"""How many of a compiler's lines are shown when it fails."""


def path(native: Native) -> Path:
    """Return where the built library is, or goes."""
    content = {file.name: file.read_text() for file in sources(native)}
    built_from = [content, native.command, platform.system(), platform.machine()]
    return LIBRARIES / f"{native.directory}-{digests.digest(built_from)}.so"


def sources(native: Native) -> list[Path]:
    """Return every file that the library is built from, sorted."""
    return sorted(file for file in _directory(native).iterdir() if file.suffix in native.suffixes)


def versions(native: Native) -> dict[str, str]:
    """Return the versions of the modules that the backend uses, and of the language."""
    text = (_directory(native) / MODULE_FILE).read_text()
    required = dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", text, re.MULTILINE))
    return {**{module: required[module] for module in native.modules}, "go": _language(native)}


def missing(native: Native) -> str | None:
    """Return in one line why the library can't be built here, with the remedy; None where it can."""
    if shutil.which(native.tool) is None:
        return f"there is no `{native.tool}` on the PATH; {native.remedy}"
    # It tells what is installed, and isn't to download the version that a module asks for.
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    run = subprocess.run(
        [native.tool, "version"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    version = re.search(r"\bgo(\d[\d.]*)", run.stdout)
    if run.returncode or version is None:
        return (
            f"`{native.tool} version` doesn't tell a version: {_last_lines(run.stdout + run.stderr)}; {native.remedy}"
        )
    if _numbers(version[1]) < _numbers(_language(native)):
        return f"{shutil.which(native.tool)} is {version[1]}, older than {_language(native)}; {native.remedy}"
    compilers = [os.environ[COMPILER].split()[0]] if os.environ.get(COMPILER) else COMPILERS
    if not any(map(shutil.which, compilers)):
        return f"there is no C compiler ({' or '.join(compilers)}) on the PATH; install one, such as gcc"
    return None


def build(native: Native, output: Path) -> None:
    """Build the library and put it at `output`, whole or not at all. Raises UserError where that fails."""
    if reason := missing(native):
        raise UserError(f"the library {native.directory} can't be built: {reason}")
    with files.neighbour(output) as directory:
        directory.mkdir()
        built = directory.resolve() / output.name
        command = [part.format(output=built) for part in native.command]
        environment = os.environ | {"CGO_ENABLED": "1"}
        run = subprocess.run(
            command, cwd=_directory(native), env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise UserError(
                f"building the library {native.directory} failed; see that modules can be downloaded (or set GOPROXY) "
                f"and that {native.tool} and the C compiler work, then try again; the last it said: "
                f"{_last_lines(run.stdout + run.stderr)}"
            )
        os.replace(built, output)


def built(native: Native) -> Path:
    """Return the built library's place. Raises UserError where nobody has built it."""
    place = path(native)
    if not place.is_file():
        raise UserError(
            f"the library {place} isn't built; run snakemake, which builds it, or `python scripts compile` with the "
            f"backend that needs it and --output {place}"
        )
    return place


def _directory(native: Native) -> Path:
    return Path(__file__).parent / native.directory


def _language(native: Native) -> str:
    found = re.search(r"^go (\S+)", (_directory(native) / MODULE_FILE).read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".") if number]


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-LAST_LINES:]) or "nothing"
