"""The report's statistics: intervals that hold what they promise, ties that are ties, differences that are found."""

from dataclasses import replace

import numpy as np
import pytest

from scripts.report import statistics
from scripts.report.comparison import Job, compare
from scripts.report.statistics import EXACT, INTERVAL, RANGE, RATIOS, TIMES, Ratio
from tests.noisy_jobs import MOOD, job, measured_drift, noise


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
def test_the_interval_holds_the_true_ratio(counts):
    """At most 6 % of the intervals of skewed, noisy samples of one distribution miss 1, the threshold apart."""
    chance = np.random.default_rng(3)
    ratios = [statistics.ratio(*(1e-3 * (1 + chance.gamma(1.5, 0.05, count)) for count in counts)) for _ in range(1000)]
    assert sum(not ratio.low <= 1 <= ratio.high for ratio in ratios) <= 60


@pytest.mark.parametrize(
    ("ratio", "tie"),
    [
        (Ratio(1.2, 1.06, 1.3, INTERVAL), False),
        (Ratio(1.2, 0.99, 1.4, INTERVAL), True),
        (Ratio(1.2, 1.04, 1.4, INTERVAL), True),
        (Ratio(0.94, 0.93, 0.95, INTERVAL), False),
        (Ratio(0.94, 0.93, 0.955, INTERVAL), True),
        (Ratio(1.04, 1.04, 1.04, EXACT), False),
        (Ratio(1.009, 1.009, 1.009, EXACT), True),
        (Ratio(1.4, 1.19, 1.6, RANGE), True),
        (Ratio(1.4, 1.21, 1.6, RANGE), False),
        (Ratio(0.7, 0.6, 0.82, RANGE), False),
    ],
)
def test_ties_by_interval_and_by_practical_threshold(ratio, tie):
    assert ratio.tie is tie


DRIFTS = {
    "none": lambda chance: (1.0, 1.0),
    "the machine, a little": lambda chance: (chance.uniform(1.02, 1.15),) * 2,
    "the machine, much": lambda chance: (chance.uniform(1.15, 2),) * 2,
    "as measured": measured_drift,
}


@pytest.mark.parametrize("mood", [0.0, MOOD])
@pytest.mark.parametrize("drift", DRIFTS)
def test_pairs_without_a_difference_tie(drift, mood):
    """At most 6 % are called different, however the machine has drifted between the two jobs and within them; long
    cells are among them."""
    chance = np.random.default_rng(11)
    ratios = []
    for _ in range(1000):
        typical, sigma = chance.choice([0.002, 0.05, 0.3, 3.0]), chance.choice([0.02, 0.03, 0.05, 0.1])
        jobs = []
        for _ in range(2):
            slower, baseline_slower = DRIFTS[drift](chance)
            jobs.append(job(chance, typical, sigma, slower=slower, baseline_slower=baseline_slower, mood=mood))
        ratios.append(compare(*jobs))
    assert sum(not ratio.tie for ratio in ratios) <= 60
    assert {ratio.kind for ratio in ratios} == {INTERVAL, RANGE}


def test_samples_taken_for_independent_would_make_differences():
    """Times of jobs on a machine with moods, each sample an observation: the mistake that blocks are there to avoid."""
    chance = np.random.default_rng(11)
    called = 0
    for _ in range(100):
        jobs = [np.repeat(np.exp(MOOD * chance.standard_normal(10)), 20) * noise(chance, 0.03, 200) for _ in range(2)]
        called += not statistics.ratio(*jobs).tie
    assert called > 12


@pytest.mark.parametrize("mood", [0.0, MOOD])
@pytest.mark.parametrize("drift", ["none", "as measured"])
def test_a_planted_difference_is_found(drift, mood):
    """20 % are found in at least 90 of 100 pairs; where jobs don't differ without a cause, the interval holds them."""
    chance = np.random.default_rng(12)
    ratios = []
    for _ in range(200):
        jobs = []
        for planted in (1.2, 1.0):
            slower, baseline_slower = DRIFTS[drift](chance)
            jobs.append(job(chance, 0.02, 0.03, slower=planted * slower, baseline_slower=baseline_slower, mood=mood))
        ratios.append(compare(*jobs))
    assert sum(ratio.low > 1 and not ratio.tie for ratio in ratios) >= 180
    if drift == "none":
        assert sum(ratio.low < 1.2 < ratio.high for ratio in ratios) >= 185


def test_a_planted_difference_of_one_per_cent_is_no_difference():
    chance = np.random.default_rng(13)
    ratios = [compare(job(chance, 0.02, 0.03, slower=1.01), job(chance, 0.02, 0.03)) for _ in range(200)]
    assert sum(not ratio.tie for ratio in ratios) <= 12


def test_times_are_compared_where_plain_files_surely_agree_and_ratios_otherwise():
    wobble = [0.998, 0.999, 1.0, 1.001, 1.002, 1.003]
    first = Job([2 * value for value in wobble], wobble, [2.0] * 6)
    alike = Job([3 * value for value in wobble], [1.02 * value for value in wobble], [3 / 1.02] * 6)
    slow = Job([3 * value for value in wobble], [1.3 * value for value in wobble], [3 / 1.3] * 6)
    noisy = Job([3 * value for value in wobble], [0.9, 0.95, 1.0, 1.0, 1.05, 1.1], [3.0] * 6)
    assert [compare(job, first).by for job in (alike, slow, noisy)] == [TIMES, RATIOS, RATIOS]
    assert [compare(job, first).value for job in (alike, slow, noisy)] == pytest.approx([1.5, 1.5 / 1.3, 1.5], rel=0.01)


def test_long_samples_are_compared_by_times_where_plain_files_come_within_twenty_per_cent():
    first = Job([3.0, 3.1, 3.2], [0.2, 0.25, 0.3], [15.0, 12.4, 10.7])
    alike, slow = (Job([3.0, 3.1, 3.2], [plain] * 3, [3 / plain] * 3) for plain in (0.34, 0.5))
    assert [compare(job, first).by for job in (alike, slow)] == [TIMES, RATIOS]


def test_long_cells_of_three_samples_tie_unless_they_are_far_apart():
    chance = np.random.default_rng(14)
    usual, slow = ([job(chance, 3.0, 0.04, slower=slower) for _ in range(200)] for slower in (1.0, 2.0))
    assert {len(job.seconds) for job in usual + slow} == {3}
    assert sum(not compare(one, other).tie for one, other in zip(usual[:100], usual[100:], strict=True)) <= 6
    assert sum(not compare(one, other).tie for one, other in zip(slow, usual, strict=True)) >= 180


def test_without_a_baseline_times_decide():
    found = compare(Job([2.0] * 6, [], []), Job([1.0] * 6, [1.0] * 6, [1.0] * 6))
    assert (found.value, found.by, found.tie) == (2, TIMES, False)


def interval(value: float, width: float = 1.1) -> Ratio:
    return Ratio(value, value / width, value * width, INTERVAL)


def test_a_crossover_is_where_the_ratio_is_one():
    """From 2 at 100 to 1/2 at 10,000 it is 1 at 1,000; its interval of 2^(1/2) is left at 1,000 / 100^(1/4)."""
    (found,) = statistics.crossovers([(100, interval(2, 2**0.5)), (10_000, interval(0.5, 2**0.5))])
    assert (found.cutoff, found.low, found.high) == pytest.approx((1000, 1000 / 10**0.5, 1000 * 10**0.5))
    assert (found.rising, found.by) == (False, TIMES)


def test_crossovers_reach_over_ties_and_there_can_be_several():
    ratios = [1.5, 1.02, 0.98, 0.7, 0.5, 2.0]
    found = statistics.crossovers([(10**place, interval(ratio)) for place, ratio in enumerate(ratios)])
    assert [crossing.rising for crossing in found] == [False, True]
    assert 10 < found[0].cutoff < 100
    assert found[0].low < 10
    assert found[1].low > 10_000
    assert all(crossing.low < crossing.cutoff < crossing.high for crossing in found)


@pytest.mark.parametrize("ratios", [[], [1.5], [1.5, 1.3], [1.5, 1.01], [0.99, 1.01], [1.2, 1.0, 1.2]])
def test_no_crossover_without_a_change_of_the_lead(ratios):
    assert statistics.crossovers([(10**place, interval(ratio)) for place, ratio in enumerate(ratios)]) == []


def test_a_crossover_by_ratios_says_so():
    by_ratios = replace(interval(0.5), by=RATIOS)
    (found,) = statistics.crossovers([(1, interval(2)), (10, by_ratios)])
    assert found.by == RATIOS


def test_the_interval_of_a_crossover_holds_it():
    """Planted at 340 images, between cutoffs of 100 and 1,000; and the interval says something."""
    chance = np.random.default_rng(15)
    held, widths = 0, []
    for _ in range(200):
        points = []
        for cutoff in (100, 1000):
            slower = (340 / cutoff) ** 0.4
            points.append((cutoff, compare(job(chance, 0.02, 0.05, slower=slower), job(chance, 0.02, 0.05))))
        (found,) = statistics.crossovers(points)
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
        found = statistics.growth(samples)
        held += found.low < exponent < found.high
        widths.append(found.high - found.low)
    assert held >= 90
    assert np.median(widths) < 0.05


def test_growth_is_taken_over_the_largest_cutoffs():
    assert statistics.growing([1, 10, 100, 1000, 10_000]) == [100, 1000, 10_000]
    assert statistics.growing([10_000, 500, 100, 1]) == [100, 500, 10_000]
    assert statistics.growing([1, 10, 10_000]) == [1, 10, 10_000]
    assert statistics.growing([1, 10]) == []
    assert statistics.growth({1: [1.0], 10: [10.0]}) is None
    assert statistics.growth({1: [1.0], 10: [100.0], 100: [1e4]}).value == pytest.approx(2)
    with pytest.raises(ValueError, match="no samples"):
        statistics.growth({1: [1.0], 10: [], 100: [1.0]})


def test_the_interval_of_a_break_even_holds_it():
    """Reading takes 1 s, writing 3 s, an epoch 2 s before and 1 s after: it has paid after 4."""
    chance = np.random.default_rng(17)
    held, widths = 0, []
    for _ in range(100):
        read, write, before, after = (typical * noise(chance, 0.03, 10) for typical in (1.0, 3.0, 2.0, 1.0))
        found = statistics.break_even([read, write], before, after)
        held += found.low < 4 < found.high
        widths.append(found.high / found.low)
    assert held >= 90
    assert np.median(widths) < 1.5


def test_converting_to_what_is_slower_never_pays():
    chance = np.random.default_rng(18)
    slow, slower = (typical * noise(chance, 0.03, 10) for typical in (1.0, 2.0))
    assert statistics.break_even([slow, slow], slow, slower) is None


def test_a_break_even_may_be_open_above():
    """In some draws of so few samples, as wide as they are, an epoch with the new store saves nothing."""
    found = statistics.break_even([[1.0] * 6], [1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0], [0.8, 0.85, 0.9, 0.9, 1.2, 1.2])
    assert found.high == np.inf
    assert found.low < found.value < 1


def test_the_same_samples_give_the_same_numbers():
    chance = np.random.default_rng(19)
    samples = {cutoff: chance.lognormal(0, 0.1, 9) for cutoff in (1, 10, 100)}
    assert statistics.growth(samples) == statistics.growth(samples)
    epochs = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    assert statistics.break_even([[1.0, 2.0, 3.0]], *epochs) == statistics.break_even([[1.0, 2.0, 3.0]], *epochs)


def test_spread_is_that_within_groups_and_bears_what_is_far_off():
    chance = np.random.default_rng(20)
    groups = [place + 0.1 * chance.standard_normal(6) for place in range(100)]
    assert statistics.spread(groups) == pytest.approx(0.1, rel=0.1)
    for group in groups[:20]:
        group[0] += 100
    assert statistics.spread(groups) == pytest.approx(0.1, rel=0.25)
    assert statistics.spread([[1.0], []]) is None


def test_p_values_of_ratios_without_a_difference_are_even():
    chance = np.random.default_rng(21)
    pairs = chance.lognormal(0, 0.05, (1000, 2, 15)) * chance.lognormal(0, 0.03, (1000, 2, 1))
    values = [statistics.p_value(statistics.ratio(*pair), 0.03 * 2**0.5) for pair in pairs]
    assert np.quantile(values, [0.05, 0.5]) == pytest.approx([0.05, 0.5], abs=0.05)
    assert statistics.p_value(Ratio(1.0, 1.0, 1.0, INTERVAL), 0) == 1
    lopsided = [Ratio(1.4, 1.01, 1.45, INTERVAL), Ratio(1 / 1.4, 1 / 1.45, 1 / 1.01, INTERVAL)]
    assert [statistics.p_value(ratio, 0) for ratio in lopsided] == pytest.approx([0.0434, 0.0434], rel=0.01)


def test_discoveries_by_a_known_example():
    """The fifteen values of Benjamini and Hochberg's own example, of which they find four."""
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    values += [0.7590, 1.0]
    assert statistics.discoveries(values[::-1]) == [False] * 11 + [True] * 4
    assert statistics.discoveries([]) == []
    assert statistics.discoveries([0.2, 0.06]) == [False, False]


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
