"""How much memory timing a cell takes, and whether that much is left."""

import math
from collections.abc import Iterable

from scripts.system import machine

PROCESS_BYTES = 80_000_000
"""Memory (bytes) of the process that takes samples, before its first image."""
LABEL_BYTES = 8
UNIT_BYTES = 100_000_000


def shortage(cutoff: int, image_shape: Iterable[int]) -> str | None:
    """Return why timing a cell of so many images doesn't fit into the memory that is left, None where it does.

    All images are in memory once, with their labels; what the backend takes comes on top.
    """
    needed = PROCESS_BYTES + cutoff * (math.prod(image_shape) + LABEL_BYTES)
    left = machine.memory_left_bytes()
    if left is None or needed <= left:
        return None
    said = (math.ceil(needed / UNIT_BYTES) / 10, math.floor(left / UNIT_BYTES) / 10)
    return "needs {:.1f} GB of memory at least, and {:.1f} GB are left".format(*said)
