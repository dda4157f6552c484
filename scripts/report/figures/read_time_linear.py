"""How long does it take to read all images?

Time to open a store and read all its images and labels on linear axes: the seconds that one would wait for one pass.
Where one store is much slower than all others, a second row looks closer at those.
"""

from matplotlib.figure import Figure

from scripts.report import captions, curves
from scripts.report.tables import Tables

POSITION = 9


def draw(tables: Tables) -> Figure:
    """A panel per reading operation."""
    return curves.draw(tables, captions.title("read_time_linear"), tables.operations_like("read"), log=False)
