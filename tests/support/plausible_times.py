"""Times and sizes of made-up stores, by formula, about as they are on a usual machine. No time is measured."""

import hashlib

RANDOM_IMAGES = 2_000
BATCH_SIZE = 128
COSTS = {
    "png": {
        **{"write": (400, 217), "write-durable": (900, 232), "read-warm": (90, 82), "read-cold": (300, 230)},
        **{"random-warm": (3, 85), "random-cold": (9, 264), "batch-warm": (4, 83), "batch-cold": (8, 250)},
    },
    "lmdb": {
        **{"write": (1900, 6.4), "write-durable": (2500, 6.9), "read-warm": (60, 1.7), "read-cold": (250, 7)},
        **{"random-warm": (3, 4.7), "random-cold": (20, 109), "batch-warm": (2, 3.1), "batch-cold": (20, 104)},
    },
    "hdf5": {
        **{"write": (600, 0.91), "write-durable": (1200, 1.76), "read-warm": (520, 0.35), "read-cold": (900, 1.6)},
        **{"random-warm": (9, 9), "random-cold": (30, 112), "batch-warm": (9, 8), "batch-cold": (30, 102)},
    },
    "baseline": {
        **{"write": (40, 0.83), "write-durable": (500, 1.68), "read-warm": (12, 0.25), "read-cold": (120, 1.6)},
        **{"random-warm": (1, 1.9), "random-cold": (9, 90), "batch-warm": (1, 1.4), "batch-cold": (9, 89)},
    },
}
"""Microseconds for the store and for each image."""
SIZES = {"png": (4200, 2264, 4097), "lmdb": (20480, 4120, 4120), "hdf5": (2048, 3080, 3081)}
"""Bytes of an empty store, then apparent and allocated bytes for each image."""


def seconds(backend: str, cutoff: int, operation: str) -> float:
    """A plausible time (s); backends and operations that aren't known cost some mixture of those that are."""
    seed = int.from_bytes(hashlib.sha256(f"{backend}{operation}".encode()).digest()[:2]) / 65536
    fixed, each = COSTS.get(backend, {}).get(operation, (200 + 900 * seed, 0.4 * 60**seed))
    images = images_of(cutoff, operation)
    return (fixed + each * images) / 1e6


def images_of(cutoff: int, operation: str) -> int:
    """How many images a sample writes or reads."""
    drawn = {"random": RANDOM_IMAGES, "batch": RANDOM_IMAGES, "workers": 10 * RANDOM_IMAGES, "first": 1}
    return min(cutoff, drawn.get(operation.split("-")[0], cutoff))
