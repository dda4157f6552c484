"""What does a single image cost?

Time to write a store of one image, and to open it and read that image. Each panel has its own scale, with the fastest
store first. At this size the fixed cost of creating and opening a store is nearly all there is. First image, where it
was measured, does so in a process that was just started.
"""

from matplotlib.figure import Figure

from scripts.report.draw import notes, times
from scripts.report.tables import Tables

POSITION = 14
KINDS = ("write", "read", "first-image")
"""Kinds of operations that a store of one image says something about; drawing from it at random does not."""


def draw(tables: Tables) -> Figure:
    """A panel per operation, a bar per store."""
    operations = [name for kind in KINDS for name in tables.operations_of(kind)]
    if 1 not in tables.cutoffs or not operations:
        return notes.empty(tables, "The numbers of images of this run do not include a single image.")
    return times.at(tables, operations, 1)
