"""Names of the places on the page that marks in figures lead to: a cell's row, and a store's disk usage."""

from typing import Any

PAGE = "../report.html"
"""The page, from the directory of the figures."""


def cell(row: dict[str, Any]) -> str:
    """The row of a cell among all cells; one for each way of sharing the work, where there are several."""
    way = f"-{row['processes']}-{row['start_method']}" if row["start_method"] else ""
    return f"cell-{row['backend']}-{row['cutoff_images']}-{row['operation']}{way}"


def store(row: dict[str, Any]) -> str:
    """The field of a store in the table of disk usage."""
    return f"store-{row['backend']}-{row['cutoff_images']}"


def from_figure(place: str) -> str:
    """The address of a place on the page, for a mark in a figure."""
    return f"{PAGE}#{place}"
