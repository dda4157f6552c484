"""Step `gather`: from the source that the step `download` recorded to its good images, in their order."""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.dataset import gather


@command
def main(
    *,
    source: Annotated[Path, "source.json, as the step `download` wrote it"],
    directory: Annotated[Path, "where what is gathered goes"],
    bad_share: Annotated[float, "share of bad images that stops the run"],
    most_bytes: Annotated[int, "bytes of pixels of an image size that are kept at most"],
    most: Annotated[int | None, "how many images at most; all where it isn't given"] = None,
    image_sizes: Annotated[list[str] | None, "sides in pixels, or own, to decode to in the same go"] = None,
    cores: Annotated[int, "processes that decode"] = 1,
) -> None:
    """Gather the images."""
    wanted = gather.Wanted(bad_share=bad_share, most=most, image_sizes=image_sizes, most_bytes=most_bytes, cores=cores)
    gather.gather(source, directory, wanted)
