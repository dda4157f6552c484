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
    sets: Annotated[list[str], "image sizes, each with a number of images, such as 32x32/1000"],
    operations: Annotated[list[str], "operations, in the order to show them"],
    tables: Annotated[Path, "directory for the tables"],
) -> None:
    """Write the tables."""
    write_tables(records, machine, stores, backends, sets, operations, tables)
