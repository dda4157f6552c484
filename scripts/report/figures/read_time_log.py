"""How does the time to read images grow with their number?

Time to open a store and read all its images and labels, in order, against the number of images. Both axes are
logarithmic. Each store has a panel; the others are in grey behind it. In memory (warm), the store is in the page cache.
On disk (cold), it was evicted before each run, and the eviction was verified.
"""

from matplotlib.figure import Figure

from scripts.report.draw import times
from scripts.report.tables import Tables

POSITION = 3


def draw(tables: Tables) -> Figure:
    """A panel per store, a line per reading operation."""
    return times.lines(tables, tables.operations_of("read"))
