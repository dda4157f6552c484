"""What does one of many random images cost?

Time per image to read images in a shuffled order, against the number of images in the store, both axes logarithmic.
They are drawn over the whole store; random has one call for each image, batch one for each batch. Warm: the store is
open already, and in the page cache. Cold: it was evicted, the eviction was verified, and opening it counts.
"""

from matplotlib.figure import Figure

from scripts.report.draw import captions, times
from scripts.report.tables import Tables

POSITION = 4


def draw(tables: Tables) -> Figure:
    """A panel per operation on shuffled images."""
    operations = [*tables.operations_of("random"), *tables.operations_of("batch")]
    return times.draw(tables, captions.title("random_time"), operations, log=True, per_image=True)
