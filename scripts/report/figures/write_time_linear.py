"""How long does it take to store images?

Time to write a new store on linear axes, as the article draws them: the largest stores are what one sees, and
differences are in seconds that one would wait. Where one store is much slower than all others, a second row looks
closer at those. With many stores, bars show the largest number of images, the shortest first.
"""

from matplotlib.figure import Figure

from scripts.report.draw import captions, times
from scripts.report.tables import Tables

POSITION = 12


def draw(tables: Tables) -> Figure:
    """A panel per writing operation."""
    return times.draw(tables, captions.title("write_time_linear"), tables.operations_of("write"), log=False)
