"""Step page: everything that was found, on one self-contained page."""

from pathlib import Path
from typing import Annotated, Any

from scripts.common.command_line import command
from scripts.report.page.page import write_page
from scripts.report.page.run import Run


@command
def main(
    *,
    tables: Annotated[Path, "directory of the tables"],
    provenance: Annotated[list[Path], "provenance.json of the image set of each size"],
    records: Annotated[Path, "directory of the machine's records, beside others'"],
    figures: Annotated[list[Path], "SVG files, in the order to show them"],
    settings: Annotated[dict[str, Any], "what the config changes, as JSON"],
    missing: Annotated[dict[str, str], "backends that can't run here, as JSON: name to reason and remedy"] = {},  # noqa: B006
    left_out: Annotated[dict[str, str], "image sizes and cutoffs left out, as JSON: what to reason"] = {},  # noqa: B006
    with_thumbnails: Annotated[bool, "show the first images, small"] = False,
    output: Annotated[Path, "the page to write"],
) -> None:
    """Write the page."""
    run = Run.load(tables, provenance, records, settings, missing, left_out, with_thumbnails)
    write_page(run, figures, output)
