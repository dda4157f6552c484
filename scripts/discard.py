"""Step `discard`: remove what timing jobs of this host wrote, once the run that they belong to has ended."""

import argparse
from pathlib import Path

from scripts.measure import scratch


def main(arguments: list[str]) -> None:
    """Read the arguments and remove."""
    parser = argparse.ArgumentParser(prog="python scripts discard", description=__doc__)
    parser.add_argument("--stores", type=Path, required=True, help="directory of the stores")
    scratch.remove_all(parser.parse_args(arguments).stores)
