"""How long does it take to store images?

Time to write a new store, at the largest number of images that was measured: the seconds that you wait for an import.
Each panel has its own scale, with the fastest store first.
"""

from matplotlib.figure import Figure

from scripts.report.draw import times
from scripts.report.tables import Tables

POSITION = 12


def draw(tables: Tables) -> Figure:
    """A panel per writing operation, a bar per store."""
    return times.at_largest(tables, tables.operations_of("write"))
