"""Step `download`: finds or downloads the source that `images:` names, and records which one it is."""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.dataset.obtain import CIFAR10, obtain


@command
def main(
    *,
    images: Annotated[str, "cifar10, synthetic, synthetic-photographs, or a path"],
    addresses: Annotated[list[str], "where to download from, in order"] = [CIFAR10.address],  # noqa: B006
    directory: Annotated[Path, "where downloaded archives are kept"],
    offline_fallback: Annotated[bool, "let synthetic images stand in where no address can be reached"] = False,
    most: Annotated[int, "how many images will be read at most"] = 0,
    output: Annotated[Path, "the record to write, source.json"],
) -> None:
    """Obtain the source."""
    obtain(images, output, directory=directory, addresses=addresses, offline_fallback=offline_fallback, most=most)
