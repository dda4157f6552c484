"""Step `compile`: the library that a backend needs, built from its sources, where `scripts/native.py` says."""

import argparse

from scripts import backends, compiler


def main(arguments: list[str]) -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python scripts compile", description=__doc__)
    parser.add_argument("--backend", required=True, help="the backend's file in scripts/backends, without .py")
    compiler.built(backends.load(parser.parse_args(arguments).backend).native)
