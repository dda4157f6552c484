"""How does the time to read images grow with their number?

Time to open a store and read all its images and labels, in order, against the number of images, both axes logarithmic.
Warm: the store is in the page cache. Cold: it was evicted before each sample, and the eviction was verified.
"""

from matplotlib.figure import Figure

from scripts.report.draw import captions, times
from scripts.report.tables import Tables

POSITION = 3


def draw(tables: Tables) -> Figure:
    """A panel per reading operation."""
    return times.draw(tables, captions.title("read_time_log"), tables.operations_of("read"), log=True)
