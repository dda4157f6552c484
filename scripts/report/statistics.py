"""The statistics of the report: a cell's median, the ratio of two cells, ties and outliers, each with its source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from scripts.measure.sampling import CONFIDENCE, median_interval

NORMAL_QUANTILE = 1.959964
"""The 97.5 % point of the standard normal distribution."""
INTERVAL = f"{CONFIDENCE:.0%} interval".replace("%", " %")
RANGE = "range"
EXACT = "exact"
TIES_WITHIN = {INTERVAL: 1.005, RANGE: 1.2, EXACT: 1.01}
"""What comes within this factor of each other ties: an interval that is shown as reaching 1.00, ranges of few long
samples, and sizes, for want of consequence."""
EXACT_SAMPLES = 20
"""Where both sides have more samples than this, the normal approximation of Mann and Whitney's U is used."""


@dataclass(frozen=True)
class Estimate:
    """The median of some samples (s) between `low` and `high`; `kind` says whether those are an interval or a range."""

    median: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Ratio:
    """How many times as long the one takes as the other, between `low` and `high`; `kind` as in Estimate."""

    value: float
    low: float
    high: float
    kind: str

    def widened(self, drift: float) -> "Ratio":
        """The ratio, its interval reaching over what it is with and without a correction by the factor `drift`."""
        low, high = min(self.low, self.low * drift), max(self.high, self.high * drift)
        return replace(self, low=low, high=high)

    @property
    def tie(self) -> bool:
        """No difference: the interval contains 1 to the digits shown, ranges come within 20 %, or sizes within 1 %."""
        within = TIES_WITHIN[self.kind]
        return self.low <= within and self.high >= 1 / within


def estimate(samples: Sequence[float]) -> Estimate:
    """Median of samples (s) with its interval by order statistics, or the range where there are too few samples.

    Raises ValueError without samples. Source of the interval: `scripts.measure.sampling.median_interval`.
    """
    if not len(samples):
        raise ValueError("no samples")
    interval = median_interval(samples, CONFIDENCE)
    low, high = interval or (min(samples), max(samples))
    return Estimate(float(np.median(samples)), float(low), float(high), INTERVAL if interval else RANGE)


def ratio(samples: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Samples over reference (both s, any order): the Hodges-Lehmann estimate and its distribution-free interval.

    The estimate is the median of all pairwise ratios; the interval inverts the Mann-Whitney test, so that two sets of
    samples of one distribution are called different at most five times in a hundred, whatever that distribution is.
    Where either side has too few samples for an interval, `low` and `high` are the extreme ratios of the two ranges.
    Raises ValueError without samples. Source: Hodges and Lehmann, "Estimates of location based on rank tests", Annals
    of Mathematical Statistics 34 (1963), applied to logarithms; Hollander, Wolfe and Chicken, "Nonparametric
    Statistical Methods", 3rd edition, section 4.3.
    """
    if not len(samples) or not len(reference):
        raise ValueError("no samples")
    pairs = np.sort(np.divide.outer(np.asarray(samples, float), np.asarray(reference, float)), axis=None)
    few = any(median_interval(side, CONFIDENCE) is None for side in (samples, reference))
    rank = 0 if few else _pairs_outside(*sorted((len(samples), len(reference))))
    return Ratio(float(np.median(pairs)), float(pairs[rank]), float(pairs[-1 - rank]), RANGE if few else INTERVAL)


def outliers(samples: Sequence[float]) -> list[bool]:
    """Flag samples (s) outside Tukey's fences, 1.5 interquartile ranges beyond the quartiles; none among few samples.

    Source: Tukey, "Exploratory Data Analysis" (1977). A flag is for the reader: flagged samples count like the others.
    """
    if median_interval(samples, CONFIDENCE) is None:
        return [False] * len(samples)
    lower, upper = np.quantile(samples, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    return [bool(value < lower - reach or value > upper + reach) for value in samples]


@cache
def _pairs_outside(fewer: int, more: int) -> int:
    """How many of the sorted pairwise ratios lie outside the interval on each side."""
    tail = (1 - CONFIDENCE) / 2
    pairs = fewer * more
    if fewer > EXACT_SAMPLES:
        return max(0, int(pairs / 2 - NORMAL_QUANTILE * np.sqrt(pairs * (fewer + more + 1) / 12)) - 1)
    probabilities = _mann_whitney(fewer, more)
    return max(0, int(np.searchsorted(np.cumsum(probabilities), tail, side="right")) - 1)


def _mann_whitney(fewer: int, more: int) -> np.ndarray:
    """Probabilities of U = 0 ... fewer x more under no difference, by the recurrence of Mann and Whitney (1947)."""
    size = fewer * more + 1
    row = [np.eye(1, size)[0] for _ in range(more + 1)]
    for m in range(1, fewer + 1):
        previous, row = row, [np.eye(1, size)[0]]
        for n in range(1, more + 1):
            shifted = np.zeros(size)
            shifted[n:] = previous[n][: size - n]
            row.append((m * shifted + n * row[n - 1]) / (m + n))
    return row[more]
