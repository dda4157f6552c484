"""Crossovers, growth and break-even: they are where they were planted, and their intervals hold them."""

import numpy as np
import pytest

from scripts.report import estimates
from scripts.report.ties import INTERVAL, Ratio
from tests.support.noisy_jobs import job, noise, pair


def interval(value: float, width: float = 1.1) -> Ratio:
    return Ratio(value, value / width, value * width, INTERVAL)


def test_a_crossover_is_where_the_ratio_is_one():
    """From 2 at 100 to 1/2 at 10,000 it is 1 at 1,000; its interval of 2^(1/2) is left at 1,000 / 100^(1/4)."""
    (found,) = estimates.crossovers([(100, interval(2, 2**0.5)), (10_000, interval(0.5, 2**0.5))])
    assert (found.value, found.low, found.high) == pytest.approx((1000, 1000 / 10**0.5, 1000 * 10**0.5))
    assert not found.rising


def test_crossovers_reach_over_what_is_open_and_there_can_be_several():
    ratios = [1.5, 1.02, 0.98, 0.7, 0.5, 2.0]
    found = estimates.crossovers([(10**place, interval(ratio)) for place, ratio in enumerate(ratios)])
    assert [crossing.rising for crossing in found] == [False, True]
    assert 10 < found[0].value < 100
    assert found[0].low < 10
    assert found[1].low > 10_000
    assert all(crossing.low < crossing.value < crossing.high for crossing in found)


@pytest.mark.parametrize("ratios", [[], [1.5], [1.5, 1.3], [1.5, 1.01], [0.99, 1.01], [1.2, 1.0, 1.2]])
def test_no_crossover_without_a_change_of_the_lead(ratios):
    assert estimates.crossovers([(10**place, interval(ratio)) for place, ratio in enumerate(ratios)]) == []


def test_the_interval_of_a_crossover_holds_it():
    """Planted at 340 images, between cutoffs of 100 and 1,000; and the interval says something."""
    chance = np.random.default_rng(15)
    held, widths = 0, []
    for _ in range(200):
        points = []
        for cutoff in (100, 1000):
            slower = (340 / cutoff) ** 0.4
            points.append((cutoff, pair(job(chance, 0.02, 0.05, slower=slower), job(chance, 0.02, 0.05))))
        (found,) = estimates.crossovers(points)
        held += found.low < 340 < found.high
        widths.append(found.high / found.low)
    assert held >= 190
    assert np.median(widths) < 2


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_the_interval_of_a_growth_holds_the_exponent(exponent):
    chance = np.random.default_rng(16)
    cutoffs = (1, 10, 1000, 10_000, 100_000)
    held, widths = 0, []
    for _ in range(100):
        samples = {cutoff: 1e-6 * max(cutoff, 1000) ** exponent * noise(chance, 0.05, 12) for cutoff in cutoffs}
        found = estimates.growth(samples)
        held += found.low < exponent < found.high
        widths.append(found.high - found.low)
    assert held >= 90
    assert np.median(widths) < 0.05


def test_growth_is_taken_over_the_largest_cutoffs():
    assert estimates.growing([1, 10, 100, 1000, 10_000]) == [100, 1000, 10_000]
    assert estimates.growing([10_000, 500, 100, 1]) == [100, 500, 10_000]
    assert estimates.growing([1, 10, 10_000]) == [1, 10, 10_000]
    assert estimates.growing([1, 10]) == []
    assert estimates.growth({1: [1.0], 10: [10.0]}) is None
    assert estimates.growth({1: [1.0], 10: [100.0], 100: [1e4]}).value == pytest.approx(2)
    with pytest.raises(ValueError, match="empty"):
        estimates.growth({1: [1.0], 10: [], 100: [1.0]})


def test_the_interval_of_a_break_even_holds_it():
    """Reading takes 1 s, writing 3 s, an epoch 2 s before and 1 s after: it has paid after 4."""
    chance = np.random.default_rng(17)
    held, widths = 0, []
    for _ in range(100):
        read, write, before, after = (typical * noise(chance, 0.03, 10) for typical in (1.0, 3.0, 2.0, 1.0))
        found = estimates.break_even([read, write], before, after)
        held += found.low < 4 < found.high
        widths.append(found.high / found.low)
    assert held >= 90
    assert np.median(widths) < 1.5


def test_converting_to_what_is_slower_never_pays():
    chance = np.random.default_rng(18)
    slow, slower = (typical * noise(chance, 0.03, 10) for typical in (1.0, 2.0))
    assert estimates.break_even([slow, slow], slow, slower) is None


def test_a_break_even_may_be_open_above():
    """In some draws of so few samples, as wide as they are, an epoch with the new store saves nothing."""
    found = estimates.break_even([[1.0] * 6], [1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0], [0.8, 0.85, 0.9, 0.9, 1.2, 1.2])
    assert found.high == np.inf
    assert found.low < found.value < 1
