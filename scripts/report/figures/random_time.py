"""What does one of many random images cost?

Time per image to read images in a shuffled order, against the number of images in the store, both axes logarithmic.
They are drawn over the whole store and read by a reader that is open already: one call for each image above, one for
each batch below. Left: the store is in the page cache. Right: it was evicted before it was opened, and the eviction was
verified; of a few images opening may have read all.
"""

from matplotlib.figure import Figure

from scripts.report import captions, curves
from scripts.report.tables import Tables

POSITION = 2


def draw(tables: Tables) -> Figure:
    """A panel per operation on shuffled images."""
    operations = [*tables.operations_like("random"), *tables.operations_like("batch")]
    return curves.draw(tables, captions.title("random_time"), operations, log=True, per_image=True)
