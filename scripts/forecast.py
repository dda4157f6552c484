"""What building a store and timing a cell take: for the forecast at a run's start, and for what jobs ask of a cluster.

Averages over the cells of a default run on two cores, images of 32x32; nothing that is measured depends on them.
"""

SECONDS_PER_JOB = 0.4
SECONDS_PER_IMAGE_BUILT = 0.00013
SECONDS_PER_IMAGE_SAMPLED = 0.00011
BUDGET_SHARE = 1.1
BYTES_PER_IMAGE = 4300
"""What an image of 32x32 takes on a disk at most: a block of 4 KiB and its share of the rest."""


def seconds_to_build(cutoff: int) -> float:
    """Return how long (s) the store of a cutoff takes to build on average."""
    return cutoff * SECONDS_PER_IMAGE_BUILT


def seconds_to_time(cutoff: int, budget_seconds: float) -> float:
    """Return how long (s) a cell of a cutoff takes to time on average, with such a budget (s) for its samples."""
    return SECONDS_PER_JOB + BUDGET_SHARE * budget_seconds + cutoff * SECONDS_PER_IMAGE_SAMPLED
