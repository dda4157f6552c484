"""How does the time to store images grow with their number?

Time to write a new store against the number of images, both axes logarithmic, so that equal distances are equal factors
and a straight line of slope one is proportional growth. At the end of a write bytes may still be in the page cache; of
a durable one everything is on the disk.
"""

from matplotlib.figure import Figure

from scripts.report.draw import captions, times
from scripts.report.tables import Tables

POSITION = 6


def draw(tables: Tables) -> Figure:
    """A panel per writing operation."""
    return times.draw(tables, captions.title("write_time_log"), tables.operations_of("write"), log=True)
