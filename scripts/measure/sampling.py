"""How many samples a cell gets: the interval of a median, and the rule that says when to stop."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

from scripts.measure.settings import Settings

CONFIDENCE = 0.95


def median(samples: Sequence[float]) -> float:
    """Return the median of one or more samples, in their unit."""
    ordered = sorted(samples)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


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


def enough(seconds: Sequence[float], elapsed: float, settings: Settings) -> bool:
    """Say whether the samples so far, in seconds, suffice, after `elapsed` seconds of sampling."""
    if not seconds:
        return False
    if median(seconds) >= settings.long_sample_seconds:
        return len(seconds) >= settings.long_samples
    if len(seconds) < settings.minimum_samples:
        return False
    if elapsed >= settings.budget_seconds or len(seconds) >= settings.maximum_samples:
        return True
    interval = median_interval(seconds)
    if interval is None:
        return False
    centre = median(seconds)
    return max(centre - interval[0], interval[1] - centre) <= settings.interval_width * centre


def at_most(seconds: Sequence[float], elapsed: float, settings: Settings) -> int:
    """Forecast how many samples there will be at most, from those so far and `elapsed` seconds of sampling."""
    if not seconds:
        return settings.minimum_samples
    if median(seconds) >= settings.long_sample_seconds:
        return max(settings.long_samples, len(seconds))
    within_budget = math.ceil(len(seconds) * settings.budget_seconds / max(elapsed, 1e-9))
    return max(settings.minimum_samples, len(seconds), min(settings.maximum_samples, within_budget))


def alternate(
    backend: Callable[[], float | None],
    baseline: Callable[[], object],
    settings: Settings,
    *,
    first: float | None = None,
) -> Iterator[tuple[int, int]]:
    """Run baseline and backend in turn until the backend's samples suffice, or fail too often.

    A call of `backend` returns its seconds, or None for a sample that can't be counted; twice the number of long
    samples in vain, one after the other, are too many. `first` is the seconds of a run of the backend that came before
    and counts. Yields after each round how many samples count, and how many there will be at most.
    """
    started = time.monotonic()
    seconds: list[float] = []
    failures = 0
    if first is not None:
        seconds.append(first)
        baseline()
    while not enough(seconds, time.monotonic() - started, settings) and failures < 2 * settings.long_samples:
        baseline()
        sample = backend()
        if sample is None:
            failures += 1
        else:
            failures = 0
            seconds.append(sample)
        yield len(seconds), at_most(seconds, time.monotonic() - started, settings)
