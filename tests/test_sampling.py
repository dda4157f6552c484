"""When sampling stops, and what interval the samples give."""

import random

import pytest

from scripts.measure.sampling import alternate, at_most, enough, median, median_interval
from scripts.measure.settings import Settings


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


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert median([4, 1, 3, 2]) == 2.5


def test_short_runs_go_on_until_the_interval_is_narrow() -> None:
    settings = Settings(budget_seconds=100)
    assert not enough([1.0] * 5, 0, settings)
    assert enough([1.0] * 6, 0, settings)
    assert not enough([1.0, 1.2, 0.8, 1.0, 1.1, 0.9], 0, settings)


def test_the_budget_ends_sampling_but_not_before_the_fewest_samples() -> None:
    settings = Settings(budget_seconds=1)
    scattered = [1.0, 1.5, 0.5, 1.2, 0.7]
    assert not enough(scattered, 99, settings)
    assert enough([*scattered, 1.9], 99, settings)


def test_long_runs_are_three() -> None:
    settings = Settings()
    assert not enough([2.5, 2.5], 99, settings)
    assert enough([2.5, 2.5, 2.5], 0, settings)


def test_one_slow_run_does_not_make_short_runs_long() -> None:
    settings = Settings(budget_seconds=1)
    assert not enough([0.005, 0.005, 2.5], 99, settings)
    assert not enough([0.005, 2.5], 99, settings)
    assert enough([0.005] * 5 + [2.5], 99, settings)


def test_backend_and_baseline_alternate() -> None:
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return 1.0

    list(alternate(lambda: take("backend"), lambda: take("baseline"), Settings()))
    assert order == ["baseline", "backend"] * 6


def test_samples_that_cannot_be_counted_are_not_and_end_after_a_few() -> None:
    taken = iter([None, 1.0, None, *[1.0] * 5])
    list(alternate(lambda: next(taken), lambda: None, Settings()))
    assert list(taken) == []
    failures: list[None] = []
    list(alternate(lambda: failures.append(None), lambda: None, Settings()))
    assert len(failures) == 2 * Settings().long_samples


def test_a_long_first_run_counts_and_gets_its_baseline() -> None:
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return 3.0

    list(alternate(lambda: take("backend"), lambda: take("baseline"), Settings(), first=3.0))
    assert order == ["baseline", "baseline", "backend", "baseline", "backend"]


def test_each_sample_says_how_many_there_will_be_at_most() -> None:
    """So that a person who waits sees the time left: at least the fewest, then what the budget allows."""
    said = list(alternate(lambda: 1.0, lambda: None, Settings(budget_seconds=0)))
    assert said == [(count, 6) for count in range(1, 7)]
    said = list(alternate(lambda: 3.0, lambda: None, Settings(), first=3.0))
    assert said == [(2, 3), (3, 3)]
    assert next(iter(alternate(lambda: None, lambda: None, Settings()))) == (0, 6)
    assert at_most([0.5, 0.5], 1.0, Settings(budget_seconds=10)) == 20
    assert at_most([0.5, 0.5], 0.001, Settings()) == Settings().maximum_samples
