"""When sampling stops, and what interval the samples give."""

import random
import time
from functools import partial
from itertools import pairwise

import pytest

from scripts.measure.settings import Settings
from scripts.measure.stopping import alternate, at_most, block, block_medians, enough, median_interval


def test_the_interval_of_six_samples_is_their_range_and_fewer_have_none() -> None:
    assert median_interval([6, 1, 5, 2, 4, 3]) == (1, 6)
    assert median_interval([1, 2, 3, 4, 5]) is None


@pytest.mark.parametrize(("count", "rank"), [(8, 1), (9, 2), (20, 6), (25, 8), (50, 18)])
def test_the_interval_has_the_ranks_of_the_sign_test(count: int, rank: int) -> None:
    """The ranks that tables of the sign test give at 95 %."""
    assert median_interval(range(1, count + 1)) == (rank, count + 1 - rank)


def test_the_interval_covers_the_median_at_least_as_often_as_it_says() -> None:
    source = random.Random(1)
    covered = 0
    for _ in range(2000):
        low, high = median_interval([source.lognormvariate(0, 1) for _ in range(11)])
        covered += low <= 1.0 <= high
    assert covered / 2000 >= 0.95


def in_blocks(seconds: list[float], elapsed: float, settings: Settings) -> bool:
    """Whether these samples are enough, each of a block of its own."""
    return enough(seconds, range(len(seconds)), elapsed, settings)


def test_a_tenth_of_the_budget_is_a_block_and_its_median_one_observation() -> None:
    blocks = [block(started, 2.0) for started in (0.0, 0.1, 0.19, 0.21, 1.99, 2.5)]
    assert blocks == [0, 0, 0, 1, 9, 12]
    assert block_medians([3.0, 1.0, 2.0, 7.0, 5.0, 6.0], blocks) == [2.0, 7.0, 5.0, 6.0]


def test_a_last_block_that_was_cut_short_belongs_to_the_one_before() -> None:
    assert block_medians([1.0, 2.0, 3.0, 9.0], [0, 1, 1, 2]) == [1.0, 2.5, 9.0]
    assert block_medians([1.0, 2.0, 3.0, 4.0, 9.0], [0, 1, 1, 1, 2]) == [1.0, 3.5]


def test_short_runs_go_on_until_the_interval_is_narrow() -> None:
    settings = Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=100)
    assert not in_blocks([1.0] * 5, 0, settings)
    assert in_blocks([1.0] * 6, 0, settings)
    assert not in_blocks([1.0, 1.2, 0.8, 1.0, 1.1, 0.9], 0, settings)


def test_samples_right_after_each_other_are_not_enough_however_many() -> None:
    settings = Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=100)
    assert not enough([1.0] * 60, [0] * 60, 6.0, settings)


def test_the_budget_ends_sampling_but_not_before_the_fewest_samples() -> None:
    settings = Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=1)
    scattered = [1.0, 1.5, 0.5, 1.2, 0.7]
    assert not in_blocks(scattered, 99, settings)
    assert in_blocks([*scattered, 1.9], 99, settings)


def test_long_runs_are_three() -> None:
    settings = Settings(long_sample_seconds=2.0, minimum_samples=6)
    assert not in_blocks([2.5, 2.5], 99, settings)
    assert in_blocks([2.5, 2.5, 2.5], 0, settings)


def test_one_slow_run_does_not_make_short_runs_long() -> None:
    settings = Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=1)
    assert not in_blocks([0.005, 0.005, 2.5], 99, settings)
    assert not in_blocks([0.005, 2.5], 99, settings)
    assert in_blocks([0.005] * 5 + [2.5], 99, settings)


BRIEF = Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=0.05, maximum_samples=8)
"""Rounds that take no time wait until the next block."""


def test_backend_and_baseline_alternate() -> None:
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return 1.0

    list(alternate(lambda _: take("backend"), lambda _: take("baseline"), BRIEF))
    assert order == ["baseline", "backend"] * 6


def test_the_most_samples_are_spread_over_the_budget() -> None:
    settings = Settings(
        minimum_samples=6, budget_seconds=0.2, maximum_samples=10, interval_width=0, long_sample_seconds=99
    )
    moments: list[float] = []

    def take() -> float:
        moments.append(time.monotonic())
        return 1.0 + len(moments)

    began = time.monotonic()
    list(alternate(lambda _: take(), lambda _: None, settings))
    # Fewer where the machine is busy and some come too late for their turn.
    assert len(moments) <= settings.maximum_samples
    assert time.monotonic() - began >= settings.budget_seconds
    assert all(later - sooner >= 0.0199 for sooner, later in pairwise(moments))


def test_samples_that_cannot_be_counted_are_not_and_end_after_a_few() -> None:
    taken = iter([None, 1.0, None, *[1.0] * 5])
    list(alternate(lambda _: next(taken), lambda _: None, BRIEF))
    assert list(taken) == []
    failures: list[None] = []
    list(alternate(lambda _: failures.append(None), lambda _: None, BRIEF))
    assert len(failures) == 2 * BRIEF.long_samples


def test_a_long_first_run_counts_and_gets_its_baseline() -> None:
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return 3.0

    list(
        alternate(
            lambda _: take("backend"),
            lambda _: take("baseline"),
            Settings(long_sample_seconds=2.0, minimum_samples=6),
            first=3.0,
        )
    )
    assert order == ["baseline", "baseline", "backend", "baseline", "backend"]


def test_a_round_begins_at_one_moment_for_both_and_after_a_first_run() -> None:
    moments: list[tuple[str, float]] = []

    def take(name: str, started: float) -> float:
        moments.append((name, started))
        return 3.0

    list(
        alternate(
            partial(take, "backend"),
            partial(take, "baseline"),
            Settings(long_sample_seconds=2.0, minimum_samples=6),
            first=3.0,
        )
    )
    names, starts = zip(*moments, strict=True)
    assert names == ("baseline", "baseline", "backend", "baseline", "backend")
    assert starts[0] == 0
    assert starts[1] == starts[2] >= 3
    assert starts[3] == starts[4] > starts[2]


def test_each_sample_says_how_many_there_will_be_at_most() -> None:
    """So that a person who waits sees the time left: at least the fewest, then what the budget allows."""
    said = list(alternate(lambda _: 1.0, lambda _: None, BRIEF))
    assert [count for count, _ in said] == list(range(1, 7))
    assert all(6 <= most <= 8 for _, most in said)
    said = list(
        alternate(lambda _: 3.0, lambda _: None, Settings(long_sample_seconds=2.0, minimum_samples=6), first=3.0)
    )
    assert said == [(2, 3), (3, 3)]
    assert next(
        iter(alternate(lambda _: None, lambda _: None, Settings(long_sample_seconds=2.0, minimum_samples=6)))
    ) == (0, 6)
    assert at_most([0.5, 0.5], 1.0, Settings(long_sample_seconds=2.0, minimum_samples=6, budget_seconds=10)) == 20
    assert (
        at_most([0.5, 0.5], 0.001, Settings(long_sample_seconds=2.0, minimum_samples=6)) == Settings().maximum_samples
    )
