"""Whether a backend can run here: its Python packages, and the tools that build what it needs built."""

import importlib.util
import os
import platform
import sys
from collections.abc import Iterable

from packaging.markers import Marker

from scripts.backends.go import library
from scripts.common import digests, requirements, supported
from scripts.stores.choice import Choice

RUN_PINS, ALL_PINS = (digests.CHECKOUT / "requirements" / name for name in ("run.txt", "all.txt"))
"""The pins of what a plain run needs, and of what all backends and codecs need."""

CONDA_PYTHON = "3.11"
"""The version of Python in the conda environments."""
COMPLETE_PLATFORM = "Linux x86_64 with Python 3.11 or 3.12"
"""The platform on which every pin has a wheel."""
SYSTEMS = {"Darwin": "macOS"}
"""The names of systems for which Python has another name."""


def why_not(choice: Choice) -> str | None:
    """Return why a backend can't run here, and the remedy, or None when it can."""
    if choice.backend.go_modules and not library.is_whole(library.path()) and (reason := library.missing()):
        return reason
    for module in choice.backend.standard_modules:
        if reason := supported.lacks_standard(module):
            return reason
    return lacks_wheel(choice, _lacking(choice)) or lacks_package(choice)


def why_not_with_conda(choice: Choice) -> str | None:
    """Return why a backend can't run in a conda environment, and the remedy, or None when it can."""
    return lacks_wheel(choice, choice.packages().values(), CONDA_PYTHON)


def lacks_wheel(choice: Choice, distributions: Iterable[str], python: str | None = None) -> str | None:
    """Return which of a backend's distributions the pins leave out on this platform, and the remedy, or None.

    `python` is the version of Python that the pins are for, by default this one. For another, as with conda, the remedy
    isn't to build the package.
    """
    version = python or platform.python_version()
    short = ".".join(version.split(".")[:2])
    here = {"python_version": short, "python_full_version": version}
    for distribution in distributions:
        pinned = requirements.pins(ALL_PINS).get(distribution, {"": ""})
        if any(not marker or Marker(marker).evaluate(here) for marker in pinned.values()):
            continue
        remedy = f"measure it on {COMPLETE_PLATFORM}"
        if choice.backend.built_with and python is None:
            command = f"{_interpreter()} -m pip install {distribution}=={min(pinned)}"
            remedy += f", or build the package by `{command}`, which takes {choice.backend.built_with}"
        system = SYSTEMS.get(platform.system(), platform.system())
        return (
            f"the Python package {distribution} is not published for Python {short} on {system} {platform.machine()}; "
            f"{remedy}"
        )
    return None


def lacks_package(choice: Choice) -> str | None:
    """Return which Python package of a backend is missing, and the command that installs it, or None when none is."""
    lacking = _lacking(choice)
    if not lacking or lacks_wheel(choice, lacking):
        return None
    return (
        f"the Python package {lacking[0]} is not installed; run `{_interpreter()} -m pip install --require-hashes -r "
        f"{(RUN_PINS if _is_core(lacking[0]) else ALL_PINS).relative_to(digests.CHECKOUT)}`"
    )


def needs_only_core(choice: Choice) -> bool:
    """Say whether a backend needs only the packages of a plain run."""
    return not choice.backend.go_modules and all(map(_is_core, choice.packages().values()))


def _lacking(choice: Choice) -> list[str]:
    """The distributions of a backend that aren't installed."""
    return [name for module, name in choice.packages().items() if importlib.util.find_spec(module) is None]


def _interpreter() -> str:
    """The interpreter that runs Snakemake, as the user would write it."""
    relative = os.path.relpath(sys.executable)
    return sys.executable if relative.startswith(os.pardir) else relative


def _is_core(distribution: str) -> bool:
    """Whether a plain run has the distribution."""
    return distribution in requirements.pins(RUN_PINS)
