"""Step `unpack`: from what the step `download` recorded to an image set, arrays and provenance."""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.dataset.unpack import unpack


@command
def main(
    *,
    archive: Annotated[Path, "archive.json, as the step `download` wrote it"],
    directory: Annotated[Path, "where the image set goes"],
) -> None:
    """Unpack the archive."""
    unpack(archive, directory)
