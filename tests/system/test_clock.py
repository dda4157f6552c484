"""The clock of records: what is said of a span in which the wall clock was set, or the machine slept."""

import pytest

from scripts.system import clock
from scripts.system.clock import Moment


@pytest.mark.parametrize(
    ("end", "jump", "asleep"),
    [
        (Moment(1020.0, 70.0, 70.0), 0.0, 0.0),
        (Moment(1014.0, 70.0, 70.0), -6.0, 0.0),
        (Moment(4620.0, 70.0, 70.0), 3600.0, 0.0),
        (Moment(1020.0, 70.0, 65.0), 0.0, 5.0),
    ],
)
def test_a_span_knows_how_far_the_wall_clock_jumped_and_how_long_the_machine_slept(
    end: Moment, jump: float, asleep: float
) -> None:
    found = clock.span(Moment(1000.0, 50.0, 50.0), end)
    assert found == {
        "boot": clock.boot(),
        "started_seconds": 50.0,
        "ended_seconds": 70.0,
        "jump_seconds": pytest.approx(jump),
        "asleep_seconds": pytest.approx(asleep),
    }


def test_moments_follow_each_other() -> None:
    first, second = clock.now(), clock.now()
    assert first.since_boot < second.since_boot
    assert first.awake < second.awake
    assert Moment(0.5, 0.0, 0.0).utc == "1970-01-01T00:00:00.500000Z"
