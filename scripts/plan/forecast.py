"""What building a store and timing a cell take: for the forecast at a run's start, and for what jobs ask of a cluster.

Averages over the cells of a default run on two cores, images of 32x32; nothing that is measured depends on them.
"""

import math

from scripts.measure.settings import Settings

SECONDS_PER_JOB = 0.4
SECONDS_PER_IMAGE_BUILT = 0.00013
SECONDS_PER_IMAGE_SAMPLED = 0.00011
BUDGET_SHARE = 1.1
SECONDS_PER_IMAGE_WRITTEN, SECONDS_PER_FILE_WRITTEN = 0.00001, 0.0001
"""On an idle machine with a fast disk: as many samples of a write as there can be."""
SECONDS_PER_WRITE = 0.002
PATIENCE = 30
"""How many times as long as that a cell may take before it counts as hung: the slowest of the example takes 8 times."""
SECONDS_PER_FILE = 0.005
"""Of a network's file system that is slow to make them: a file for each image is what a cell takes longest with."""
SECONDS_PER_SYNCED_FILE = 0.02
"""Of a server with hard disks that syncs each file when it is closed, as NFS asks of it."""
LEAST_LIMIT_SECONDS = 600.0


def seconds_to_build(cutoff: int) -> float:
    """Return how long (s) the store of a cutoff takes to build on average."""
    return cutoff * SECONDS_PER_IMAGE_BUILT


def seconds_to_time(cutoff: int, budget_seconds: float) -> float:
    """Return how long (s) a cell of a cutoff takes to time on average, with such a budget (s) for its samples."""
    return SECONDS_PER_JOB + BUDGET_SHARE * budget_seconds + cutoff * SECONDS_PER_IMAGE_SAMPLED


def runs_of_a_write(cutoff: int, in_files: bool, budget_seconds: float, minimum_samples: int) -> int:
    """Return how often timing a write of so many images writes a store at most, the first and untimed runs included.

    `in_files` says whether the store has a file for each image. The budget and the fewest samples are the config's.
    """
    settings = Settings()
    seconds = SECONDS_PER_WRITE + cutoff * (SECONDS_PER_FILE_WRITTEN if in_files else SECONDS_PER_IMAGE_WRITTEN)
    if seconds >= settings.long_sample_seconds:
        return settings.long_samples
    runs_per_sample = 2 if seconds < settings.repeated_seconds else 1
    within_budget = math.ceil(budget_seconds / (runs_per_sample * seconds))
    return 1 + runs_per_sample * max(minimum_samples, min(settings.maximum_samples, within_budget))


def limit_seconds(cutoff: int, budget_seconds: float, *, in_files: bool) -> float:
    """Return how long (s) a build or timing may take at most; what takes longer counts as hung.

    `in_files` says whether the store has a file for each image, which the slowest file systems make one by one.
    """
    usual = max(seconds_to_build(cutoff), seconds_to_time(cutoff, budget_seconds))
    per_image = Settings().long_samples * SECONDS_PER_SYNCED_FILE if in_files else SECONDS_PER_FILE
    return max(LEAST_LIMIT_SECONDS, PATIENCE * usual + per_image * cutoff)
