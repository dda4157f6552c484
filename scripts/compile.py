"""Step `compile`: the library that a backend needs, built from its sources."""

import argparse
from pathlib import Path

from scripts import backends, native
from scripts.errors import UserError


def main(arguments: list[str]) -> None:
    """Read the step's arguments and build."""
    parser = argparse.ArgumentParser(prog="python scripts compile", description=__doc__)
    parser.add_argument("--backend", required=True, help="the backend's file in scripts/backends, without .py")
    parser.add_argument("--output", type=Path, required=True, help="where the library goes")
    options = parser.parse_args(arguments)
    library = backends.load(options.backend).native
    if library is None:
        raise UserError(f"backend {options.backend} needs no library; leave out this step")
    native.build(library, options.output)
