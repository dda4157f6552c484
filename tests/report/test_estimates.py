"""The report's statistics: intervals that hold what they promise, ties that are ties, differences that are found."""

from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest

from scripts.report import corrections, estimates, ties
from scripts.report.corrections import Job, Timed, correct
from scripts.report.ties import DIFFERENT, EXACT, INTERVAL, RANGE, TIED, UNDECIDED, Ratio
from tests.support.noisy_jobs import MOOD, job, measured_drift, noise, pair


def test_median_has_an_interval_from_six_samples_and_a_range_below():
    interval = estimates.estimate([6, 1, 5, 2, 4, 3])
    assert (interval.value, interval.low, interval.high, interval.kind) == (3.5, 1, 6, "95 % interval")
    assert estimates.estimate([3, 1, 2]) == ties.Estimate(2, 1, 3, "range")
    with pytest.raises(ValueError, match="empty"):
        estimates.estimate([])


def test_median_interval_narrows_with_more_samples():
    chance = np.random.default_rng(1)
    few, many = (estimates.estimate(chance.lognormal(0, 0.1, size)) for size in (8, 200))
    assert many.high - many.low < (few.high - few.low) / 2


def test_ratio_of_a_known_small_case():
    """Six samples on either side: by the table of Mann and Whitney the five smallest and largest pairs are left out."""
    one, other = np.arange(11.0, 17), np.arange(1.0, 7)
    pairs = sorted(a / b for a in one for b in other)
    found = estimates.ratio(one, other)
    assert (found.low, found.high) == pytest.approx((pairs[5], pairs[-6]))
    assert found.value == 13.5 / 3.5


def test_the_value_of_a_ratio_is_the_quotient_of_the_medians_and_its_interval_holds_it():
    chance = np.random.default_rng(2)
    for count in (3, 7, 12, 40):
        one, other = chance.lognormal(0, 0.4, (2, count)) + chance.integers(0, 2, (2, count)) * 3
        found = estimates.ratio(one, other)
        assert found.value == estimates.estimate(one).value / estimates.estimate(other).value
        assert found.low <= found.value <= found.high


def test_the_interval_of_a_difference_holds_the_true_one_and_is_a_range_where_either_is():
    one, other = ties.Estimate(10, 7, 14, INTERVAL), ties.Estimate(4, 0, 7, INTERVAL)
    found = estimates.difference(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((6, 6 - 18**0.5, 6 + 32**0.5))
    assert found.kind == INTERVAL
    assert estimates.difference(one, ties.Estimate(4, 0, 7, RANGE)).kind == RANGE
    chance, held = np.random.default_rng(5), 0
    for _ in range(400):
        whole, part = chance.lognormal(1, 0.1, 10), chance.lognormal(0.5, 0.1, 10)
        found = estimates.difference(estimates.estimate(whole), estimates.estimate(part))
        held += found.low <= np.exp(1) - np.exp(0.5) <= found.high
    assert held >= 0.93 * 400


def pairs_outside(fewer: int, more: int) -> int:
    """How many pairs lie outside the interval on each side, counted exactly: of all ways to mix the two sides, the ways
    with so many pairs in order are the coefficients of a Gaussian binomial."""
    ways = [1] + [0] * (fewer * more)
    for step in range(1, fewer + 1):
        for place in reversed(range(more + step, len(ways))):
            ways[place] -= ways[place - more - step]
        for place in range(step, len(ways)):
            ways[place] += ways[place - step]
    tails = list(accumulate(ways))
    return max(0, bisect_right(tails, 0.025 * tails[-1]) - 1)


@pytest.mark.parametrize("counts", [(6, 6), (8, 15), (20, 30), (21, 21), (25, 40), (40, 60)])
def test_exact_and_approximate_intervals_agree(counts):
    """Their ranks differ by at most one in a hundred, which is how exact the approximation of many must be."""
    one, other = (np.exp(factor * np.arange(count)) for factor, count in zip((1e-4, 1e-2), counts, strict=True))
    pairs = sorted(np.divide.outer(one, other).ravel())
    exact = pairs_outside(*counts)
    assert pairs.index(estimates.ratio(one, other).low) == pytest.approx(
        exact, rel=0.01 if min(counts) > 20 else 0, abs=min(counts) > 20
    )


@pytest.mark.parametrize("counts", [(6, 6), (8, 15), (30, 30)])
def test_the_interval_holds_the_true_ratio(counts):
    """At most 6 % of the intervals of skewed, noisy samples of one distribution miss 1, the threshold apart."""
    chance = np.random.default_rng(3)
    ratios = [estimates.ratio(*(1e-3 * (1 + chance.gamma(1.5, 0.05, count)) for count in counts)) for _ in range(1000)]
    assert sum(not ratio.low <= 1 <= ratio.high for ratio in ratios) <= 60


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        (Ratio(1.2, 1.06, 1.3, INTERVAL), DIFFERENT),
        (Ratio(1.2, 0.99, 1.4, INTERVAL), UNDECIDED),
        (Ratio(1.2, 1.04, 1.4, INTERVAL), UNDECIDED),
        (Ratio(1.01, 0.96, 1.04, INTERVAL), TIED),
        (Ratio(1.01, 0.94, 1.04, INTERVAL), UNDECIDED),
        (Ratio(0.94, 0.93, 0.95, INTERVAL), DIFFERENT),
        (Ratio(0.94, 0.93, 0.955, INTERVAL), UNDECIDED),
        (Ratio(1.04, 1.04, 1.04, EXACT), DIFFERENT),
        (Ratio(1.009, 1.009, 1.009, EXACT), TIED),
        (Ratio(1.4, 1.19, 1.6, RANGE), UNDECIDED),
        (Ratio(1.1, 0.9, 1.19, RANGE), TIED),
        (Ratio(1.1, 0.8, 1.19, RANGE), UNDECIDED),
        (Ratio(1.4, 1.21, 1.6, RANGE), DIFFERENT),
        (Ratio(0.7, 0.6, 0.82, RANGE), DIFFERENT),
    ],
)
def test_three_outcomes_by_interval_and_by_practical_threshold(ratio, outcome):
    assert ratio.outcome == outcome
    assert ratio.inverse.outcome == outcome
    assert (ratio.longer, ratio.shorter) == (
        outcome == DIFFERENT and ratio.value > 1,
        outcome == DIFFERENT and ratio.value < 1,
    )


DRIFTS = {
    "none": lambda chance: (1.0, 1.0),
    "the machine, a little": lambda chance: (chance.uniform(1.02, 1.15),) * 2,
    "the machine, much": lambda chance: (chance.uniform(1.15, 2),) * 2,
    "as measured": measured_drift,
}


@pytest.mark.slow
@pytest.mark.parametrize("mood", [pytest.param(0.0, marks=pytest.mark.nightly), MOOD])
@pytest.mark.parametrize("drift", DRIFTS)
def test_pairs_without_a_difference_are_not_called_different(drift, mood):
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
        ratios.append(pair(*jobs))
    assert sum(ratio.outcome == DIFFERENT for ratio in ratios) <= 60
    assert {ratio.kind for ratio in ratios} == {INTERVAL, RANGE}


def test_samples_taken_for_independent_would_make_differences():
    """Times of jobs on a machine with moods, each sample an observation: the mistake that blocks are there to avoid."""
    chance = np.random.default_rng(11)
    called = 0
    for _ in range(100):
        jobs = [np.repeat(np.exp(MOOD * chance.standard_normal(10)), 20) * noise(chance, 0.03, 200) for _ in range(2)]
        called += estimates.ratio(*jobs).outcome == DIFFERENT
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
        ratios.append(pair(*jobs))
    assert sum(ratio.longer for ratio in ratios) >= 180
    if drift == "none":
        assert sum(ratio.low < 1.2 < ratio.high for ratio in ratios) >= 185


def test_a_planted_difference_of_one_per_cent_is_no_difference():
    chance = np.random.default_rng(13)
    ratios = [pair(job(chance, 0.02, 0.03, slower=1.01), job(chance, 0.02, 0.03)) for _ in range(200)]
    assert sum(ratio.outcome == DIFFERENT for ratio in ratios) <= 12


WOBBLE = [0.997, 0.998, 0.999, 1.0, 1.001, 1.002, 1.003]


def planted(typical: float, baseline: list[float]) -> Job:
    """A job of seven blocks."""
    seconds = [typical * value for value in WOBBLE]
    return Job(seconds, baseline, [own / plain for own, plain in zip(seconds, baseline, strict=True)])


def test_a_time_is_corrected_only_where_the_plain_file_surely_took_another_time():
    steady = planted(2.0, WOBBLE)
    alike = planted(3.0, [1.02 * value for value in WOBBLE])
    slow = planted(3.9, [1.3 * value for value in WOBBLE])
    times = correct({"steady": steady, "alike": alike, "slow": slow, "other": steady})
    assert {name: time.corrected for name, time in times.items()} == {
        **dict.fromkeys(("steady", "alike", "other"), False),
        "slow": True,
    }
    assert times["slow"].estimate.value == pytest.approx(3.0)
    assert times["slow"].measured == slow.seconds
    assert times["slow"].pace.value == pytest.approx(1.3)
    assert corrections.ratio(times["slow"], times["steady"]).value == pytest.approx(1.5)
    assert corrections.ratio(times["alike"], times["steady"]).outcome == DIFFERENT


def test_outliers_of_the_plain_file_alone_neither_correct_a_time_nor_leave_it_open():
    """In two of nine blocks the reference file took five times as long, the backend in none: its time is well known."""
    chance = np.random.default_rng(1)

    def steady(typical: float, outliers: int = 0) -> Job:
        seconds, baseline = typical * np.exp(0.01 * chance.standard_normal((2, 9)))
        baseline = baseline / typical
        baseline[:outliers] *= 5
        return Job(list(seconds), list(baseline), list(seconds / baseline))

    jobs = {"lmdb": steady(4.0, outliers=2), "memmap": steady(1.0), "hdf5": steady(2.0), "png": steady(50.0)}
    times = correct(jobs)
    assert not times["lmdb"].corrected
    found = corrections.ratio(times["lmdb"], times["memmap"])
    assert found.outcome == DIFFERENT
    assert 3.7 < found.low < found.value < found.high < 4.3


def test_blocks_in_which_both_were_slower_are_corrected_round_by_round():
    """The machine is up to twice as slow from one block to the next: the interval is much narrower for it."""
    moods = np.array([1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 1.8, 1.9, 2.0])
    own = moods * 1.5 * (1 + 0.01 * np.arange(9) % 0.03)
    times = correct({"a": Job(list(own), list(moods), list(own / moods)), "b": Job([1.0] * 9, [1.0] * 9, [1.0] * 9)})
    assert times["a"].corrected
    found = corrections.ratio(times["a"], times["b"])
    assert 1.4 < found.low < found.high < 1.6


def test_what_the_plain_file_leaves_open_widens_each_ratio():
    """Nothing is known of the machine within 20 %: what looks 10 % slower may be the machine."""
    open_still = planted(1.1, [0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2])
    times = correct({"a": open_still, "b": planted(1.0, WOBBLE), "c": planted(1.0, WOBBLE)})
    assert times["a"].unknown[0] < 1 < times["a"].unknown[1]
    assert corrections.ratio(times["a"], times["b"]).outcome == UNDECIDED
    assert corrections.ratio(Timed(times["a"].seconds, []), Timed(times["b"].seconds, [])).outcome == DIFFERENT


def test_a_machine_that_is_surely_as_usual_still_leaves_open_by_how_much():
    """Each reference file is within 4 % of the usual one, so no time is corrected; two such jobs may be 8 % apart."""
    paces = {"a": 0.96, "b": 1.0, "c": 1.04}
    jobs = {name: planted(2.0 * pace, [pace * value for value in WOBBLE]) for name, pace in paces.items()}
    times = correct(jobs)
    assert not any(time.corrected for time in times.values())
    found = corrections.ratio(times["c"], times["a"])
    assert found.low < 1.05 < found.value
    assert found.outcome == UNDECIDED


def test_alike_stores_are_not_called_different_however_little_the_machine_drifts():
    """The machine differs by 2.5 % from job to job, the noise within a job is far less."""
    chance = np.random.default_rng(21)
    found = []
    for _ in range(300):
        drawn = {name: np.exp(chance.normal(0, 0.025) + chance.normal(0, 0.01, (2, 10))) for name in "abcd"}
        jobs = {name: Job(list(own), list(plain), list(own / plain)) for name, (own, plain) in drawn.items()}
        times = correct(jobs)
        found.append(corrections.ratio(times["a"], times["b"]).outcome)
    assert found.count(DIFFERENT) <= 1
    assert found.count(TIED) >= 240


def test_long_samples_are_corrected_where_plain_files_are_surely_twenty_per_cent_apart():
    jobs = {
        name: Job([3.0, 3.1, 3.2], [plain] * 3, [value / plain for value in (3.0, 3.1, 3.2)])
        for name, plain in {"a": 0.25, "b": 0.25, "alike": 0.29, "slow": 0.5}.items()
    }
    corrected = {name: time.corrected for name, time in correct(jobs).items()}
    assert corrected == {"a": False, "b": False, "alike": False, "slow": True}


def test_one_time_for_each_job_and_no_job_without_samples():
    times = correct({"a": Job([1.0], [], []), "gap": Job([], [1.0], [])})
    assert list(times) == ["a"]
    assert times["a"].estimate.value == 1.0


def test_long_cells_of_three_samples_tie_unless_they_are_far_apart():
    chance = np.random.default_rng(14)
    usual, slow = ([job(chance, 3.0, 0.04, slower=slower) for _ in range(200)] for slower in (1.0, 2.0))
    assert {len(job.seconds) for job in usual + slow} == {3}
    assert sum(pair(one, other).outcome == DIFFERENT for one, other in zip(usual[:100], usual[100:], strict=True)) <= 6
    assert sum(pair(one, other).outcome == DIFFERENT for one, other in zip(slow, usual, strict=True)) >= 170


def test_without_a_baseline_times_decide():
    found = pair(Job([2.0] * 6, [], []), Job([1.0] * 6, [1.0] * 6, [1.0] * 6))
    assert (found.value, found.outcome) == (2, DIFFERENT)


def test_the_same_samples_give_the_same_numbers():
    chance = np.random.default_rng(19)
    samples = {cutoff: chance.lognormal(0, 0.1, 9) for cutoff in (1, 10, 100)}
    assert estimates.growth(samples) == estimates.growth(samples)
    epochs = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    assert estimates.break_even([[1.0, 2.0, 3.0]], *epochs) == estimates.break_even([[1.0, 2.0, 3.0]], *epochs)


def test_spread_is_that_within_groups_and_bears_what_is_far_off():
    chance = np.random.default_rng(20)
    groups = [place + 0.1 * chance.standard_normal(6) for place in range(100)]
    assert estimates.spread(groups) == pytest.approx(0.1, rel=0.1)
    for group in groups[:20]:
        group[0] += 100
    assert estimates.spread(groups) == pytest.approx(0.1, rel=0.25)
    assert estimates.spread([[1.0], []]) is None


def test_p_values_of_ratios_without_a_difference_are_even():
    chance = np.random.default_rng(21)
    pairs = chance.lognormal(0, 0.05, (1000, 2, 15)) * chance.lognormal(0, 0.03, (1000, 2, 1))
    values = [estimates.p_value(estimates.ratio(*pair), 0.03 * 2**0.5) for pair in pairs]
    assert np.quantile(values, [0.05, 0.5]) == pytest.approx([0.05, 0.5], abs=0.05)
    assert estimates.p_value(Ratio(1.0, 1.0, 1.0, INTERVAL), 0) == 1
    lopsided = [Ratio(1.4, 1.01, 1.45, INTERVAL), Ratio(1 / 1.4, 1 / 1.45, 1 / 1.01, INTERVAL)]
    assert [estimates.p_value(ratio, 0) for ratio in lopsided] == pytest.approx([0.0434, 0.0434], rel=0.01)


def test_discoveries_by_a_known_example():
    """The fifteen values of Benjamini and Hochberg's own example, of which they find four."""
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    values += [0.7590, 1.0]
    assert estimates.discoveries(values[::-1]) == [False] * 11 + [True] * 4
    assert estimates.discoveries([]) == []
    assert estimates.discoveries([0.2, 0.06]) == [False, False]


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        ([1.15, 1.2, 1.3], UNDECIDED),
        ([1.31, 1.4, 1.5], DIFFERENT),
        ([0.7, 0.8, 0.84], UNDECIDED),
        ([1.0, 1.1, 1.19], TIED),
    ],
)
def test_ranges_tie_where_all_of_them_is_within_twenty_per_cent(other, outcome):
    one = [1.0, 1.05, 1.09]
    assert estimates.ratio(one, other).outcome == outcome
    assert estimates.ratio(other, one).outcome == outcome


def test_outliers_are_flagged_but_not_among_few():
    samples = [1.0, 1.01, 1.02, 1.0, 0.99, 1.01, 5.0]
    assert estimates.outliers(samples) == [False] * 6 + [True]
    assert estimates.outliers([1.0, 1.0, 5.0]) == [False] * 3
