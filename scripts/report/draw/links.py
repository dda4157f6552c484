"""What a figure's file and the page share: the places on the page that marks lead to, a cell's row and a store's disk
usage, and what the page leaves out of a figure. No drawing library is imported here.
"""

from scripts.report.rows import DiskUsageRow, SummaryRow

PAGE = "../report.html"
"""The page, from the directory of the figures."""
EMPTY = "empty"
"""The keyword of a figure's file that has nothing to show but why."""
TITLE_INCHES = 0.45
"""The band at the top of each figure that holds its title; the page cuts it off and sets its own heading."""


def cell(row: SummaryRow, shown_size: str | None = None) -> str:
    """The row of a cell among all cells; one for each way of sharing the work, where there are several. Rows are of the
    image size that the page shows, where `shown_size` doesn't say otherwise."""
    way = f"-{row.processes}-{row.start_method}" if row.start_method else ""
    size = "" if shown_size in (None, row.image_size) else f"-{row.image_size}"
    return f"cell-{row.backend}{size}-{row.cutoff_images}-{row.operation}{way}"


def store(row: DiskUsageRow) -> str:
    """The field of a store in the table of disk usage."""
    return f"store-{row.backend}-{row.cutoff_images}"


def from_figure(place: str) -> str | None:
    """The address of a place on the page, for a mark in a figure; None for no place."""
    return f"{PAGE}#{place}" if place else None
