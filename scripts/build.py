"""Step `build`: one backend's store of one cutoff, read back, with its manifest."""

import argparse
import json
from pathlib import Path

from scripts.dataset.image_set import ImageSet
from scripts.measure import store


def main(arguments: list[str]) -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python scripts build", description=__doc__)
    parser.add_argument("--name", required=True, help="name of the backend or variant in the config")
    parser.add_argument("--module", required=True, help="the backend's file in scripts/backends, without .py")
    parser.add_argument("--options", type=json.loads, required=True, help="its complete options, as JSON")
    parser.add_argument("--cutoff", type=int, required=True, help="number of images")
    parser.add_argument("--image-set", type=Path, required=True, help="directory of the image set")
    parser.add_argument("--store", type=Path, required=True, help="directory that the store gets")
    given = parser.parse_args(arguments)
    image_set = ImageSet.load(given.image_set)
    store.build(given.name, store.Choice(given.module, given.options), given.cutoff, image_set, given.store)
