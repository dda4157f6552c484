"""The statistics of the report, each with its source: medians, ratios, outliers, crossovers, growth, break-even.

What a timing job needs is in `scripts.measure.stopping`: an edit to a statistic of the report must not redo timings.
All functions but `outliers` take samples for independent, so they are given medians of blocks. Samples may be of any
unit; an estimate is in the unit of its samples. Draws at random start from the same seed in every call.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, pairwise
from statistics import NormalDist, median

import numpy as np

from scripts.measure.stopping import CONFIDENCE, median_interval
from scripts.report.ties import DIFFERENT, INTERVAL, RANGE, AnyEstimate, Bounded, Estimate, Ratio

TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
"""The parts of a distribution below the ends of its interval."""
NORMAL_QUANTILE = NormalDist().inv_cdf(TAILS[1])
"""The 97.5 % point of the standard normal distribution."""
EXACT_SAMPLES = 20
"""The largest number of samples of the smaller side for which the distribution of Mann and Whitney's U is computed
exactly. For more, the normal approximation is used."""
SEED = 1963
RESAMPLES = 2000
GROWTH_SPAN = 100
"""The largest ratio of the largest cutoff to another one that growth is taken over. At smaller cutoffs fixed costs hide
growth."""
GROWTH_CUTOFFS = 3
"""The fewest cutoffs that show a growth."""
NORMAL_DISTANCE = 1.048358
"""The standard deviation of a normal distribution over the median distance of two numbers drawn from it."""


@dataclass(frozen=True)
class Crossing(Bounded):
    """The cutoff (images) where a ratio is 1; `rising` where it's above 1 from there on."""

    rising: bool


def estimate(samples: Sequence[float]) -> Estimate:
    """Return the median of samples with its interval by order statistics, or with the range of too few samples.

    Raises ValueError without samples. Source of the interval: `scripts.measure.stopping.median_interval`.
    """
    interval = median_interval(samples, CONFIDENCE)
    low, high = interval or (min(samples), max(samples))
    return Estimate(float(median(samples)), float(low), float(high), INTERVAL if interval else RANGE)


def ratio(samples: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Return samples over reference, both in one unit: the quotient of their medians, and a distribution-free interval.

    The interval inverts the Mann-Whitney test, so that two sets of samples of one distribution are called different at
    most five times in a hundred, whatever that distribution is. It belongs to the median of all pairwise ratios; where
    the quotient of the medians lies outside it, it is extended to hold that. Where either side has too few samples for
    an interval, `low` and `high` are the extreme ratios of the two ranges. Raises ValueError without samples. Source:
    Hodges and Lehmann, "Estimates of location based on rank tests", Annals of Mathematical Statistics 34 (1963),
    applied to logarithms; Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd edition, section 4.3.
    """
    value = float(median(samples) / median(reference))
    pairs = np.sort(np.divide.outer(np.asarray(samples, float), np.asarray(reference, float)), axis=None)
    few = any(median_interval(side, CONFIDENCE) is None for side in (samples, reference))
    rank = 0 if few else _pairs_outside(*sorted((len(samples), len(reference))))
    low, high = float(pairs[rank]), float(pairs[-1 - rank])
    return Ratio(value, min(low, value), max(high, value), RANGE if few else INTERVAL)


def uncertain(known: AnyEstimate, *unknown: tuple[float, float]) -> AnyEstimate:
    """An estimate, times independent factors about 1 of which each is known between the two ends of an `unknown`, one
    below and one above 1.

    On logarithms, the distances from the value to each end are added in squares. Source: the method of variance
    estimates recovery, Zou and Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27 (2008).
    """
    below = math.hypot(math.log(known.value / known.low), *(math.log(end) for end, _ in unknown))
    above = math.hypot(math.log(known.high / known.value), *(math.log(end) for _, end in unknown))
    return replace(known, low=known.value * math.exp(-below), high=known.value * math.exp(above))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One estimate less another, in the unit of both; a range where either is one.

    The interval is that of the method of variance estimates recovery: Zou and Donner, "Construction of confidence
    limits about effect measures: a general approach", Statistics in Medicine 27 (2008), equation 7.
    """
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    kind = RANGE if RANGE in (one.kind, other.kind) else one.kind
    return Estimate(value, value - below, value + above, kind)


def outliers(samples: Sequence[float]) -> list[bool]:
    """Flag samples outside Tukey's fences, 1.5 interquartile ranges beyond the quartiles; none among few samples.

    Source: Tukey, "Exploratory Data Analysis" (1977). A flag is for the reader: flagged samples count like the others.
    """
    if median_interval(samples, CONFIDENCE) is None:
        return [False] * len(samples)
    lower, upper = np.quantile(samples, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    return [bool(value < lower - reach or value > upper + reach) for value in samples]


def crossovers(points: Sequence[tuple[float, Ratio]]) -> list[Crossing]:
    """Where the lead changes, given (cutoff, how many times as long the one takes as the other) by ascending cutoff.

    The lead changes between two cutoffs that surely differ and have different leaders; others may lie between them. The
    crossing is where the ratio is 1, taking it for a straight line between cutoffs on logarithmic axes; where it's 1 at
    several places of that stretch, the middle one. Its interval holds the cutoffs at which the interval of the ratio,
    drawn in the same way, contains 1. Source: Fieller, "Some problems in interval estimation", Journal of the Royal
    Statistical Society B 16 (1954).
    """
    led = [place for place, (_, ratio) in enumerate(points) if ratio.outcome == DIFFERENT]
    found = []
    for first, last in pairwise(led):
        stretch = points[first : last + 1]
        before, after = stretch[0][1].value > 1, stretch[-1][1].value > 1
        if before != after:
            cutoffs = np.log([cutoff for cutoff, _ in stretch])
            curves = np.log([(ratio.value, ratio.low, ratio.high) for _, ratio in stretch]).T
            values, *ends = (_zeros(cutoffs, curve) for curve in curves)
            low, high = min(map(min, ends)), max(map(max, ends))
            cutoff, low, high = np.exp([np.median(values), low, high]).tolist()
            found.append(Crossing(cutoff, low, high, after))
    return found


def growing(cutoffs: Iterable[int]) -> list[int]:
    """The cutoffs that growth is taken over, ascending: from 1 % of the largest on, or the last three; none where there
    are fewer."""
    ascending = sorted(cutoffs)
    wide = [cutoff for cutoff in ascending if GROWTH_SPAN * cutoff >= ascending[-1]]
    used = wide if len(wide) >= GROWTH_CUTOFFS else ascending[-GROWTH_CUTOFFS:]
    return used if len(used) >= GROWTH_CUTOFFS else []


def growth(samples: Mapping[int, Sequence[float]]) -> Bounded | None:
    """The exponent b of time ~ n^b, given samples (s, for all n images) by cutoff n; 1 is linear.

    Least squares on the logarithms of the medians over the cutoffs of `growing`; None where there are fewer than three.
    The interval is the percentile bootstrap's, samples drawn anew within each cutoff: it has the noise within the jobs,
    not what sets whole jobs apart. Raises ValueError for a cutoff without samples. Source: Efron and Tibshirani, "An
    Introduction to the Bootstrap" (1993), chapters 9 and 13.
    """
    used = growing(samples)
    if not used:
        return None
    chance = np.random.default_rng(SEED)
    place = np.log(used) - np.mean(np.log(used))
    slope = place / (place @ place)
    measured = slope @ np.log([median(samples[cutoff]) for cutoff in used])
    drawn = slope @ np.log([_resampled_medians(samples[cutoff], chance) for cutoff in used])
    low, high = np.quantile(drawn, TAILS)
    return Bounded(float(measured), float(low), float(high))


def break_even(
    conversion: Sequence[Sequence[float]], epoch_from: Sequence[float], epoch_to: Sequence[float]
) -> Bounded | None:
    """After how many epochs converting a store has paid: time of the conversion over the time that an epoch saves.

    `conversion` holds the samples (s) of each of its steps, whose medians are added; the epochs are samples (s) of one
    pass over the old and over the new store. None where the median epoch with the new one isn't shorter. The interval
    is the percentile bootstrap's (source as for `growth`), each set of samples drawn anew; `high` is infinite where
    more than one draw in forty saves nothing. Raises ValueError without samples.
    """
    cost = sum(median(step) for step in conversion)
    saved = median(epoch_from) - median(epoch_to)
    if saved <= 0:
        return None
    chance = np.random.default_rng(SEED)
    costs = sum(_resampled_medians(step, chance) for step in conversion)
    savings = _resampled_medians(epoch_from, chance) - _resampled_medians(epoch_to, chance)
    drawn = np.divide(costs, savings, out=np.full(RESAMPLES, np.inf), where=savings > 0)
    low, high = np.quantile(drawn, TAILS, method="nearest")
    return Bounded(float(cost / saved), float(low), float(high))


def spread(groups: Iterable[Sequence[float]]) -> float | None:
    """The standard deviation within groups of numbers, of which some may be anything; None without a pair in a group.

    It is 1.048 times the median distance of the pairs within each group, for normal numbers. Source: Shamos, "Geometry
    and statistics", in "Algorithms and Complexity" (1976); Rousseeuw and Croux, "Alternatives to the median absolute
    deviation", Journal of the American Statistical Association 88 (1993).
    """
    distances = [abs(one - other) for group in groups for one, other in combinations(group, 2)]
    return float(NORMAL_DISTANCE * np.median(distances)) if distances else None


def p_value(ratio: Ratio, between: float) -> float:
    """How likely a ratio so far from 1 is where there is no difference, both directions taken together.

    The logarithm of the ratio is taken for normal, with the variance that the half of its interval towards 1 shows plus
    that of `between`, the standard deviation of the logarithm that sets two jobs of the same code apart. Source of
    adding the two: DerSimonian and Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7 (1986).
    """
    towards_one = ratio.low if ratio.value > 1 else ratio.high
    within = abs(math.log(ratio.value / towards_one)) / NORMAL_QUANTILE
    error = math.hypot(within, between)
    return math.erfc(abs(math.log(ratio.value)) / error / math.sqrt(2)) if error else float(ratio.value == 1)


def discoveries(p_values: Sequence[float], rate: float = 1 - CONFIDENCE) -> list[bool]:
    """Which of many tests find something, such that at most the part `rate` of the finds is chance, on average.

    Where there is nothing to find, at most that part of such lists has any find. Source: Benjamini and Hochberg,
    "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57 (1995).
    """
    ordered = np.sort(p_values)
    allowed = rate * np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    passing = ordered[ordered <= allowed]
    return [bool(len(passing)) and value <= passing[-1] for value in p_values]


def _zeros(places: np.ndarray, curve: np.ndarray) -> list[float]:
    """Where a curve that is straight between its places changes its sign."""
    changes = np.flatnonzero((curve[:-1] > 0) != (curve[1:] > 0))
    step = curve[changes] / (curve[changes] - curve[changes + 1])
    zeros: list[float] = (places[changes] + step * (places[changes + 1] - places[changes])).tolist()
    return zeros


def _resampled_medians(samples: Sequence[float], chance: np.random.Generator) -> np.ndarray:
    """Medians (RESAMPLES,) of as many samples, drawn anew with replacement."""
    values = np.asarray(samples, float)
    medians: np.ndarray = np.median(values[chance.integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
    return medians


@cache
def _pairs_outside(fewer: int, more: int) -> int:
    """How many of the sorted pairwise ratios lie outside the interval on each side."""
    pairs = fewer * more
    if fewer > EXACT_SAMPLES:
        return max(0, int(pairs / 2 - NORMAL_QUANTILE * np.sqrt(pairs * (fewer + more + 1) / 12)) - 1)
    probabilities = _mann_whitney(fewer, more)
    return max(0, int(np.searchsorted(np.cumsum(probabilities), TAILS[0], side="right")) - 1)


def _mann_whitney(fewer: int, more: int) -> np.ndarray:
    """Probabilities of U = 0 ... fewer x more under no difference, by the recurrence of Mann and Whitney (1947)."""
    size = fewer * more + 1
    row: list[np.ndarray] = [np.eye(1, size)[0] for _ in range(more + 1)]
    for m in range(1, fewer + 1):
        previous, row = row, [np.eye(1, size)[0]]
        for n in range(1, more + 1):
            shifted = np.zeros(size)
            shifted[n:] = previous[n][: size - n]
            row.append((m * shifted + n * row[n - 1]) / (m + n))
    return row[more]
