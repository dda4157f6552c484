"""The report's statistics: intervals that hold what they promise, ties that are ties, differences that are found."""

import numpy as np
import pytest

from scripts.report import statistics


def test_median_has_an_interval_from_six_samples_and_a_range_below():
    interval = statistics.estimate([6, 1, 5, 2, 4, 3])
    assert (interval.median, interval.low, interval.high, interval.kind) == (3.5, 1, 6, "95 % interval")
    assert statistics.estimate([3, 1, 2]) == statistics.Estimate(2, 1, 3, "range")
    with pytest.raises(ValueError, match="no samples"):
        statistics.estimate([])


def test_median_interval_narrows_with_more_samples():
    chance = np.random.default_rng(1)
    few, many = (statistics.estimate(chance.lognormal(0, 0.1, size)) for size in (8, 200))
    assert many.high - many.low < (few.high - few.low) / 2


def test_ratio_of_a_known_small_case():
    """Six samples on either side: by the table of Mann and Whitney the five smallest and largest pairs are left out."""
    one, other = np.arange(11.0, 17), np.arange(1.0, 7)
    pairs = sorted(a / b for a in one for b in other)
    found = statistics.ratio(one, other)
    assert (found.low, found.high) == pytest.approx((pairs[5], pairs[-6]))
    assert found.value == pytest.approx(np.median(pairs))


def test_exact_and_approximate_intervals_agree(monkeypatch):
    """Their ranks differ by at most one in a hundred, which is how exact the approximation must be."""
    counts = [(21, 21), (25, 40), (40, 60)]
    approximate = [statistics._pairs_outside.__wrapped__(*pair) for pair in counts]
    monkeypatch.setattr(statistics, "EXACT_SAMPLES", 60)
    exact = [statistics._pairs_outside.__wrapped__(*pair) for pair in counts]
    assert approximate == pytest.approx(exact, rel=0.01, abs=1)


@pytest.mark.parametrize("counts", [(6, 6), (8, 15), (30, 30)])
def test_pairs_without_a_difference_tie(counts):
    """At most 6 % of skewed, noisy pairs of the same distribution are called different."""
    chance = np.random.default_rng(3)
    different = sum(
        not statistics.ratio(*(1e-3 * (1 + chance.gamma(1.5, 0.05, count)) for count in counts)).tie
        for _ in range(1000)
    )
    assert different <= 60


@pytest.mark.parametrize(("slower", "tie"), [(1.2, False), (1.001, True)])
def test_planted_differences(slower, tie):
    chance = np.random.default_rng(4)
    one, other = chance.lognormal(0, 0.03, 12), chance.lognormal(0, 0.03, 12) * slower
    found = statistics.ratio(other, one)
    assert found.tie is tie
    assert found.low < slower < found.high


@pytest.mark.parametrize(
    ("other", "tie"), [([1.15, 1.2, 1.3], True), ([1.31, 1.4, 1.5], False), ([0.7, 0.8, 0.84], True)]
)
def test_ranges_tie_within_twenty_per_cent(other, tie):
    one = [1.0, 1.05, 1.09]
    assert statistics.ratio(one, other).tie is tie
    assert statistics.ratio(other, one).tie is tie


def test_outliers_are_flagged_but_not_among_few():
    samples = [1.0, 1.01, 1.02, 1.0, 0.99, 1.01, 5.0]
    assert statistics.outliers(samples) == [False] * 6 + [True]
    assert statistics.outliers([1.0, 1.0, 5.0]) == [False] * 3
