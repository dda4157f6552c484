"""What does one of many random images cost?

Time per image to read images in shuffled order, against the number of images in the store. Both axes are logarithmic.
Each store has a panel; the others are in grey behind it. The images are drawn over the whole store. Random has one call
for each image, batch one call for each batch. In memory (warm), the store is open already and in the page cache. On
disk (cold), it was evicted, the eviction was verified, and opening it counts.
"""

from matplotlib.figure import Figure

from scripts.report.draw import times
from scripts.report.tables import Tables

POSITION = 4


def draw(tables: Tables) -> Figure:
    """A grid of panels for single images and one for batches."""
    operations = [*tables.operations_of("random"), *tables.operations_of("batch")]
    return times.lines(tables, operations, per_image=True)
