"""Step `unpack`: from the archive that the step `download` recorded to an image set, arrays and provenance."""

import argparse
from pathlib import Path

from scripts.dataset.unpack import unpack


def main(arguments: list[str]) -> None:
    """Read the step's arguments and unpack."""
    parser = argparse.ArgumentParser(prog="python scripts unpack", description=__doc__)
    parser.add_argument("--archive", type=Path, required=True, help="archive.json, as the step `download` wrote it")
    parser.add_argument("--directory", type=Path, required=True, help="where the image set goes")
    options = parser.parse_args(arguments)
    unpack(options.archive, options.directory)
