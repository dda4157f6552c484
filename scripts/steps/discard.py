"""Step `discard`: remove what timing jobs of this host wrote, and what killed jobs left, once their run has ended."""

from pathlib import Path
from typing import Annotated

from scripts.common.atomic import remove_abandoned
from scripts.common.command_line import command
from scripts.system.disk import scratch


@command
def main(
    *,
    stores: Annotated[Path, "directory of the stores"],
    among: Annotated[list[str], "directories, as patterns, in which files appear"] = [],  # noqa: B006
) -> None:
    """Remove what was left."""
    remove_abandoned(among)
    scratch.remove_all(stores)
