"""Step summarise: the records and manifests of one machine to the tables."""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.report.write_tables import write_tables


@command
def main(
    *,
    records: Annotated[Path, "directory of the machine's records"],
    machine: Annotated[str, "name of the machine"],
    stores: Annotated[Path, "directory of the stores and their manifests"],
    backends: Annotated[list[str], "backends and variants, in the order to show them"],
    image_sizes: Annotated[list[str], "height x width in pixels, such as 32x32"],
    cutoffs: Annotated[list[int], "numbers of images"],
    operations: Annotated[list[str], "operations, in the order to show them"],
    left_out: Annotated[list[str], "numbers of images that a size is without, as in 512x512/100000"] = [],  # noqa: B006
    tables: Annotated[Path, "directory for the tables"],
) -> None:
    """Write the tables."""
    write_tables(records, machine, stores, backends, image_sizes, cutoffs, operations, left_out, tables)
