"""How many samples a cell gets: blocks, the interval of a median, and the rule that says when to stop.

Samples that are taken one right after the other are alike: a machine, above all one that others share, is faster for a
while and then slower. An interval that takes them for independent is far too narrow. So samples are spread over a time,
and the samples of each stretch of it, a block, make up one observation. Source: nonoverlapping batch means, as in Law,
"Simulation Modeling and Analysis", 5th edition (2015), section 9.5.3, here with medians.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from scripts.measure.settings import Settings

CONFIDENCE = 0.95
# On a shared virtual machine, ratios to the baseline in shorter blocks than these are correlated.
BLOCKS = 10
"""The budget of a cell is divided into so many blocks of equal length."""


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return a distribution-free confidence interval of the median, or None where there are too few samples.

    The interval lies between two order statistics, the k-th smallest and the k-th largest, with the largest k whose
    coverage 1 - 2 P(Binomial(n, 1/2) < k) reaches `confidence`. At 95 % the fewest samples are six.
    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd edition (1999), section 3.2.
    """
    ordered = sorted(samples)
    count = len(ordered)
    outside = 0.0
    rank = 0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - confidence:
            break
        rank += 1
    return (ordered[rank - 1], ordered[count - rank]) if rank else None


def block(started: float, budget_seconds: float) -> int:
    """Return the number of the block, from 0, of a sample whose round began so long (s) after the start of sampling."""
    return int(started * BLOCKS / budget_seconds)


def block_medians(values: Sequence[float], blocks: Sequence[int]) -> list[float]:
    """Return the median of the values of each block, given the block of each value, by ascending block.

    The end of sampling may cut the last block short. With less than half as many values as the block before it, the
    last block is counted to that block.
    """
    members = defaultdict(list)
    for value, number in zip(values, blocks, strict=True):
        members[number].append(value)
    ordered = [members[number] for number in sorted(members)]
    if len(ordered) > 1 and 2 * len(ordered[-1]) < len(ordered[-2]):
        ordered[-2:] = [ordered[-2] + ordered[-1]]
    return [median(block) for block in ordered]


def enough(seconds: Sequence[float], blocks: Sequence[int], elapsed: float, settings: Settings) -> bool:
    """Say whether the samples so far, of which `seconds` are the times and `blocks` the blocks, suffice after `elapsed`
    seconds of sampling."""
    if not seconds:
        return False
    if median(seconds) >= settings.long_sample_seconds:
        return len(seconds) >= settings.long_samples
    observed = block_medians(seconds, blocks)
    if len(observed) < settings.minimum_samples:
        return False
    if elapsed >= settings.budget_seconds or len(seconds) >= settings.maximum_samples:
        return True
    interval, centre = median_interval(observed), median(seconds)
    return interval is not None and max(centre - interval[0], interval[1] - centre) <= settings.interval_width * centre


def at_most(seconds: Sequence[float], elapsed: float, settings: Settings) -> int:
    """Forecast how many samples there will be at most, from the samples so far and `elapsed` seconds of sampling."""
    if not seconds:
        return settings.minimum_samples
    if median(seconds) >= settings.long_sample_seconds:
        return max(settings.long_samples, len(seconds))
    within_budget = math.ceil(len(seconds) * settings.budget_seconds / max(elapsed, 1e-9))
    return max(settings.minimum_samples, len(seconds), min(settings.maximum_samples, within_budget))


def alternate(
    backend: Callable[[float], float | None],
    others: Callable[[float], object],
    settings: Settings,
    *,
    first: float | None = None,
) -> Iterator[tuple[int, int]]:
    """Run others and backend in turn, and stop once the backend's samples suffice (`enough`) or fail too often.

    Each round calls both with the seconds between the start of sampling and the start of the round. `backend` returns
    the seconds of its sample, or None for a sample that doesn't count; twice `long_samples` failures in a row are too
    many. `first` is the seconds of a run of the backend that came right before and counts as one of a round at 0.

    Yields after each round how many samples count, and how many there will be at most.
    """
    began = time.monotonic() - (first or 0.0)
    # A round that is over sooner waits for the next, so that the most samples are spread over the whole budget.
    between = settings.budget_seconds / settings.maximum_samples
    seconds: list[float] = []
    blocks: list[int] = []
    failures = 0
    if first is not None:
        seconds.append(first)
        blocks.append(0)
        others(0.0)
    while not enough(seconds, blocks, time.monotonic() - began, settings) and failures < 2 * settings.long_samples:
        start = time.monotonic() - began
        others(start)
        sample = backend(start)
        if sample is None:
            failures += 1
        else:
            failures = 0
            seconds.append(sample)
            blocks.append(block(start, settings.budget_seconds))
        yield len(seconds), at_most(seconds, time.monotonic() - began, settings)
        while time.monotonic() - began < start + between:
            pass  # not asleep: after a nap cores are slower, and caches others'
