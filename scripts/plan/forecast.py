"""How long building a store and timing a cell take: for the forecast at a run's start, and for time limits.

The constants are averages over the cells of a default run on two cores, with images of 32x32. No measurement depends on
them.
"""

import math

from scripts.common.cells import shape_of
from scripts.measure.settings import Settings

SECONDS_PER_JOB = 0.4
"""The seconds of a timing beside its samples."""
SECONDS_PER_IMAGE_BUILT = 0.00013
SECONDS_PER_IMAGE_SAMPLED = 0.00011
USUAL_PIXELS = 32 * 32
"""The pixels of the images that these are for."""
SECONDS_PER_PIXEL = 4e-8
"""The seconds of a build or timing for each further pixel that is read."""
SECONDS_PER_FILE_BYTE = 1.5e-8
"""The seconds to decode a byte of an image file: 1.6 ms for the usual 110 kB."""
BUDGET_SHARE = 1.1
"""The seconds of a cell's sampling, as a multiple of its budget."""
SECONDS_PER_WRITE, SECONDS_PER_IMAGE_WRITTEN, SECONDS_PER_FILE_WRITTEN = 0.002, 0.00001, 0.0001
"""The seconds of a write on an idle machine with a fast disk, where a write has the most samples."""
DECODED_PER_CELL = 4
"""How often a timing of all images decodes each: a rehearsal and three long samples."""
PATIENCE = 30
"""The time after which a cell counts as hung, as a multiple of the forecast. The example's slowest cell takes 8."""
SECONDS_PER_FILE = 0.005
"""The seconds in which a slow file system of a network makes a file. Cells with a file for each image take longest."""
SECONDS_PER_SYNCED_FILE = 0.02
"""The seconds in which a server with hard disks syncs a file when it's closed, as NFS asks of the server."""
LEAST_LIMIT_SECONDS = 600.0
"""The shortest time limit of a build or timing."""


def seconds_to_build(cutoff: int, image_size: str, file_bytes: float = 0) -> float:
    """Return how long (s) the store of a cutoff takes to build on average; `file_bytes` are those of an image's file,
    where it is kept and decoded."""
    return cutoff * (SECONDS_PER_IMAGE_BUILT + _seconds_of_pixels(image_size) + file_bytes * SECONDS_PER_FILE_BYTE)


def seconds_to_time(cutoff: int, image_size: str, budget_seconds: float, file_bytes: float = 0) -> float:
    """Return how long (s) a cell of a cutoff takes to time on average, with such a budget (s) for its samples; file
    bytes as above."""
    decoding = DECODED_PER_CELL * file_bytes * SECONDS_PER_FILE_BYTE
    per_image = SECONDS_PER_IMAGE_SAMPLED + _seconds_of_pixels(image_size) + decoding
    return SECONDS_PER_JOB + BUDGET_SHARE * budget_seconds + cutoff * per_image


def _seconds_of_pixels(image_size: str) -> float:
    """How much longer (s) an image of that size takes than the usual one."""
    height, width, _ = shape_of(image_size)
    return max(0, height * width - USUAL_PIXELS) * SECONDS_PER_PIXEL


def runs_of_a_write(cutoff: int, in_files: bool, budget_seconds: float, minimum_samples: int) -> int:
    """Return how many stores the timing of a write makes at most, the first and untimed runs included.

    `in_files` says whether the store has a file for each image. The budget and the fewest samples are the config's.
    """
    settings = Settings()
    seconds = SECONDS_PER_WRITE + cutoff * (SECONDS_PER_FILE_WRITTEN if in_files else SECONDS_PER_IMAGE_WRITTEN)
    if seconds >= settings.long_sample_seconds:
        return settings.long_samples
    runs_per_sample = 2 if seconds < settings.repeated_seconds else 1
    within_budget = math.ceil(budget_seconds / (runs_per_sample * seconds))
    return 1 + runs_per_sample * max(minimum_samples, min(settings.maximum_samples, within_budget))


def limit_seconds(
    cutoff: int, image_size: str, budget_seconds: float, *, in_files: bool, file_bytes: float = 0
) -> float:
    """Return how long (s) a build or timing may take before it counts as hung.

    `in_files` says whether the store has a file for each image, which the slowest file systems make one by one.
    """
    usual = max(
        seconds_to_build(cutoff, image_size, file_bytes),
        seconds_to_time(cutoff, image_size, budget_seconds, file_bytes),
    )
    per_image = Settings().long_samples * SECONDS_PER_SYNCED_FILE if in_files else SECONDS_PER_FILE
    return max(LEAST_LIMIT_SECONDS, PATIENCE * usual + per_image * cutoff)
