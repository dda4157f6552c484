"""Step `compile`: the library that a backend needs, built from its sources."""

import argparse

from scripts import backends
from scripts.backends.go import compiler
from scripts.common.errors import UserError


def main(arguments: list[str]) -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python scripts compile", description=__doc__)
    parser.add_argument("--backend", required=True, help="the backend's file in scripts/backends, without .py")
    name = parser.parse_args(arguments).backend
    needed = backends.load(name).native
    if needed is None:
        raise UserError(f"backend {name} needs no library built")
    compiler.built(needed)
