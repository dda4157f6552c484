"""Which pins install without a compiler, by Python version and platform: `python -m tests.yardsticks.wheels`.

For each pin of `requirements/` whose marker holds on a platform, pip looks for a wheel there, and installs nothing. A
package that is published as source alone counts as installable where that source is Python only. Exits with 1 where a
pin beyond the core has neither: pip then installs nothing of its file.

The platforms are those with glibc 2.35 (Ubuntu 22.04, Debian 12) or macOS 14, and newer ones. It takes a few minutes.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.markers import Marker

from tests.support.checkout import CHECKOUT

FILES = ("run.txt", "all.txt", "slurm.txt", "test.txt")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
GLIBC_MINOR = 35
LINUX_TAGS = ("manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{n}" for n in range(5, GLIBC_MINOR + 1)))
MACOS_TAGS = ("macosx_14_0",)
PLATFORMS = (
    ("Linux", "x86_64", LINUX_TAGS),
    ("Linux", "aarch64", LINUX_TAGS),
    ("Darwin", "arm64", MACOS_TAGS),
    ("Darwin", "x86_64", MACOS_TAGS),
)
"""What markers call the system and the machine, and the starts of the tags of wheels that fit."""

COMPILED = (".c", ".cc", ".cpp", ".h", ".pyx", ".rs", ".f90")
"""Suffixes of sources that need a compiler."""


def pins(file: str) -> dict[str, Marker | None]:
    """Return the pins of a requirement file as pip writes them, `name==version`, with their markers."""
    text = (CHECKOUT / "requirements" / file).read_text()
    found = re.findall(r"^([a-z0-9-]+==[^ ;]+)(?: ; ([^\\]+))? \\$", text, re.MULTILINE)
    return {pin: Marker(marker) if marker else None for pin, marker in found}


def environment(version: str, system: str, machine: str) -> dict[str, str]:
    """Return what markers see on a platform, beside what is the same on all of them."""
    return {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "platform_system": system,
        "sys_platform": system.lower(),
        "platform_machine": machine,
    }


def without_wheel(wanted: Iterable[str], version: str, tags: Iterable[str]) -> list[str]:
    """Return the pins for which pip finds no wheel; it stops at the first, and is asked again without that one."""
    left, missing = list(wanted), []
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    command += ["--only-binary=:all:", "--python-version", version]
    command += [part for tag in tags for part in ("--platform", tag)]
    while left:
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([*command, "--target", place, *left], capture_output=True, text=True)
        if done.returncode == 0:
            break
        named = re.search(r"No matching distribution found for (\S+)", done.stderr)
        if named is None:
            sys.exit(f"pip failed:\n{done.stderr}")
        left.remove(named[1])
        missing.append(named[1])
    return missing


def is_python_only(pin: str) -> bool:
    """Say whether the source of a package is Python alone."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "-d", place]
        if subprocess.run([*command, pin], capture_output=True).returncode:
            return False
        with tarfile.open(next(Path(place).iterdir())) as archive:
            return not any(name.endswith(COMPILED) for name in archive.getnames())


def main() -> int:
    """Print the table, a row for each pin that lacks a wheel somewhere; returns the exit code."""
    by_file = {file: pins(file) for file in FILES}
    every = {pin: marker for found in by_file.values() for pin, marker in found.items()}
    needed, missing = {}, {}
    for system, machine, tags in PLATFORMS:
        name = f"{system} {machine}"
        for version in VERSIONS:
            seen = environment(version, system, machine)
            needed[name, version] = {pin for pin, marker in every.items() if marker is None or marker.evaluate(seen)}
            missing[name, version] = without_wheel(
                sorted(needed[name, version]), version, [f"{tag}_{machine}" for tag in tags]
            )
    incomplete = {pin for found in missing.values() for pin in found}
    everywhere = {pin for pin in incomplete if all(pin in missing[place] for place in needed if pin in needed[place])}
    source_only = {pin for pin in everywhere if is_python_only(pin)}
    excluded = {pin for pin in every for wanted in needed.values() if pin not in wanted}
    print(f"{len(every)} pins; the other {len(every) - len(incomplete | excluded)} have a wheel everywhere")
    width = max(map(len, every))
    for pin in sorted(incomplete | excluded):
        files = ", ".join(file for file, found in by_file.items() if pin in found)
        print(f"\n{pin:{width}}  ({files}){'  published as Python source alone' if pin in source_only else ''}")
        for name in dict.fromkeys(name for name, _ in needed):
            words = []
            for version in VERSIONS:
                if pin not in needed[name, version]:
                    word = "left out"
                elif pin not in missing[name, version]:
                    word = "wheel"
                else:
                    word = "source" if pin in source_only else "COMPILER"
                words.append(f"{version} {word}")
            print(f"  {name:16}" + "".join(f"{word:16}" for word in words))
    core = by_file["run.txt"]
    return int(bool(incomplete - source_only - core.keys()))


if __name__ == "__main__":
    sys.exit(main())
