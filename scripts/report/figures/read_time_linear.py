"""How long does it take to read all images?

Time to open a store and read all its images and labels on linear axes: the seconds that one would wait for one pass.
Where one store is much slower than all others, a second row looks closer at those. With many stores, bars show the
largest number of images, the shortest first.
"""

from matplotlib.figure import Figure

from scripts.report.draw import captions, times
from scripts.report.tables import Tables

POSITION = 11


def draw(tables: Tables) -> Figure:
    """A panel per reading operation."""
    return times.draw(tables, captions.title("read_time_linear"), tables.operations_of("read"), log=False)
