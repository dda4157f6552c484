"""Step `download`: finds, downloads or generates the archive that `images:` names, and records which one it is."""

import argparse
from pathlib import Path

from scripts.dataset.obtain import CIFAR10, obtain


def main(arguments: list[str]) -> None:
    """Read the step's arguments and obtain the archive."""
    parser = argparse.ArgumentParser(prog="python scripts download", description=__doc__)
    parser.add_argument("--images", required=True, help="cifar10, synthetic, or the path of an archive")
    parser.add_argument("--addresses", nargs="+", default=[CIFAR10.address], help="where to download from, in order")
    parser.add_argument("--directory", type=Path, required=True, help="where downloaded archives are kept")
    parser.add_argument(
        "--offline-fallback",
        type=str.lower,
        choices=["true", "false"],
        default="true",
        help="whether synthetic images may stand in where no address can be reached",
    )
    parser.add_argument("--output", type=Path, required=True, help="the record to write, archive.json")
    options = parser.parse_args(arguments)
    obtain(
        options.images,
        options.output,
        directory=options.directory,
        addresses=options.addresses,
        offline_fallback=options.offline_fallback == "true",
    )
