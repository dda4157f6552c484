"""The article's published numbers, for faint comparison, from one unnamed machine with one sample each.

Source: Rebecca Stone, "Three Ways of Storing and Accessing Lots of Images in Python", Real Python (2019). Times of many
images are the outputs of the notebook in its published materials (`storing-images`); times and sizes of a single image
are from the text. Sizes of many images were typed into the notebook by hand.
"""

NAME = "Real Python, 2019"
CUTOFFS = (10, 100, 1_000, 10_000, 100_000)

SECONDS = {
    "write": {
        "png": {1: 1.915e-3, **dict(zip(CUTOFFS, (0.0113, 0.106, 0.678, 8.83, 80.6), strict=True))},
        "lmdb": {1: 1.203e-3, **dict(zip(CUTOFFS, (0.0015, 0.0078, 0.0341, 0.480, 4.34), strict=True))},
        "hdf5": {1: 8.243e-3, **dict(zip(CUTOFFS, (0.0021, 0.0034, 0.0040, 0.0376, 0.285), strict=True))},
    },
    "read-warm": {
        "png": {1: 1.6197e-3, **dict(zip(CUTOFFS, (0.0078, 0.0746, 0.580, 5.83, 62.5), strict=True))},
        "lmdb": {1: 4.52063e-3, **dict(zip(CUTOFFS, (0.0014, 0.0096, 0.0413, 0.318, 3.46), strict=True))},
        "hdf5": {1: 1.98036e-3, **dict(zip(CUTOFFS, (0.0025, 0.0047, 0.0142, 0.0962, 1.31), strict=True))},
    },
}
"""Seconds by operation, backend and number of images. The article's writes and reads are closest to these two."""

KILOBYTES = {
    "png": {1: 8, **dict(zip(CUTOFFS, (24, 204, 2004, 20032, 200296), strict=True))},
    "lmdb": {1: 32, **dict(zip(CUTOFFS, (60, 420, 4000, 39000, 393000), strict=True))},
    "hdf5": {1: 8, **dict(zip(CUTOFFS, (36, 304, 2900, 29000, 293000), strict=True))},
}
"""Disk usage in the article's KB, by backend and number of images."""


def seconds(operation: str, backend: str) -> dict[int, float]:
    """The article's times (s) by number of images; empty where it has none."""
    return SECONDS.get(operation, {}).get(backend, {})


def bytes_per_image(backend: str, cutoff: int) -> float | None:
    """The article's disk usage in bytes per image, its KB taken as 1,024 bytes; None where it has none."""
    kilobytes = KILOBYTES.get(backend, {}).get(cutoff)
    return None if kilobytes is None else kilobytes * 1024 / cutoff
