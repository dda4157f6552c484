"""Whether a backend can run here: its Python packages, and the tools that build what it needs built.

Only the start of a run asks: what is said of it is in no digest.
"""

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

from scripts import compiler, digests, native
from scripts.measure.store import Choice

RUN_PINS, STORES_PINS = "requirements/run.txt", "requirements/stores.txt"
"""What a plain run needs, and what all backends and codecs do."""


def why_not(choice: Choice) -> str | None:
    """Return why it can't run here, and the remedy, or None where it can."""
    needed = choice.backend.native
    if needed and not native.path(needed).is_file() and (reason := compiler.missing(needed)):
        return reason
    return lacks_package(choice)


def lacks_package(choice: Choice) -> str | None:
    """Return which Python package is missing here and the command that installs it, or None."""
    for module, distribution in choice.packages().items():
        if importlib.util.find_spec(module) is None:
            return (
                f"the Python package {distribution} is not installed; run `{_interpreter()} -m pip install "
                f"--require-hashes -r {_pins_with(distribution)}`"
            )
    return None


def needs_only_core(choice: Choice) -> bool:
    """Say whether the packages of a plain run are all that it needs."""
    return not choice.backend.native and all(_pins_with(name) == RUN_PINS for name in choice.packages().values())


def _interpreter() -> str:
    """The interpreter that runs Snakemake, as the user would write it."""
    relative = os.path.relpath(sys.executable)
    return sys.executable if relative.startswith(os.pardir) else relative


def _pins_with(distribution: str) -> str:
    """The pins that hold a distribution: those of a plain run, or those of all stores."""
    return RUN_PINS if f"\n{distribution}==" in _text(digests.CHECKOUT / RUN_PINS) else STORES_PINS


@cache
def _text(path: Path) -> str:
    return f"\n{path.read_text()}"
