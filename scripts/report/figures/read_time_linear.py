"""How long does it take to read all images?

Time to open a store and read all its images and labels, at the largest number of images that was measured: the seconds
that you wait for one pass. Each panel has its own scale, with the fastest store first.
"""

from matplotlib.figure import Figure

from scripts.report.draw import times
from scripts.report.tables import Tables

POSITION = 11


def draw(tables: Tables) -> Figure:
    """A panel per reading operation, a bar per store."""
    return times.at_largest(tables, tables.operations_of("read"))
