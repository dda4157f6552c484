"""Step `discard`: remove what timing jobs of this host wrote, and what killed jobs left, once their run has ended."""

import argparse
from pathlib import Path

from scripts.common.atomic import remove_abandoned
from scripts.system.disk import scratch


def main(arguments: list[str]) -> None:
    """Read the arguments and remove."""
    parser = argparse.ArgumentParser(prog="python scripts discard", description=__doc__)
    parser.add_argument("--stores", type=Path, required=True, help="directory of the stores")
    parser.add_argument("--among", nargs="*", default=[], help="directories, as patterns, in which files appear")
    given = parser.parse_args(arguments)
    remove_abandoned(given.among)
    scratch.remove_all(given.stores)
