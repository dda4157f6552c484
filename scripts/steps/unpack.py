"""Step `unpack`: from what the step `gather` gathered to the image set of one size, arrays and provenance."""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.dataset.unpack import unpack


@command
def main(
    *,
    directory: Annotated[Path, "where the step `gather` put what it gathered; the image set goes below it"],
    image_size: Annotated[str, "height x width in pixels, such as 224x224"],
    most: Annotated[int | None, "how many images at most; all where it isn't given"] = None,
    upscale: Annotated[bool, "let more than half of the images be smaller than that"] = False,
    cores: Annotated[int, "processes that decode"] = 1,
) -> None:
    """Unpack the images."""
    unpack(directory, image_size, most=most, upscale=upscale, cores=cores)
