"""How much memory timing a cell takes, and whether that much is left."""

import math
from collections.abc import Iterable

from scripts.measure.operations.catalogue import Entry
from scripts.system import machine

PROCESS_BYTES = 80_000_000
"""Memory (bytes) of the process that takes samples, before its first image."""
LABEL_BYTES = 8
VALUES_BYTES = 256_000_000
"""The values of a store that are decoded alone take so many bytes of memory at most."""
UNIT_BYTES = 100_000_000


def images_held(operation: Entry, cutoff: int, random_images: int) -> int:
    """Return how many images are in memory while an operation of the catalogue is timed, `random_images` as set."""
    if operation.one_image:
        return 1
    if not operation.draws:
        return cutoff
    drawn = min(cutoff, operation.draws * random_images)
    # Each process has its largest share: all, a half, two of a quarter, ... Processes are started in two ways.
    return drawn * (1 + machine.usable_cores().bit_length()) if operation.several_processes else drawn


def shortage(images: int, image_shape: Iterable[int], more_bytes: int = 0) -> str | None:
    """Return why a timing with so many images in memory doesn't fit into the memory that is left, None where it does.

    They are in memory once, with their labels. `more_bytes` are originals, or values that are decoded alone. What the
    backend takes comes on top.
    """
    needed = PROCESS_BYTES + images * (math.prod(image_shape) + LABEL_BYTES) + more_bytes
    left = machine.memory_left_bytes()
    if left is None or needed <= left:
        return None
    said = (math.ceil(needed / UNIT_BYTES) / 10, math.floor(left / UNIT_BYTES) / 10)
    return "needs {:.1f} GB of memory at least, and {:.1f} GB are left".format(*said)
