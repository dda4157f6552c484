"""What decides a tie: whether a ratio of two cells or stores is different, tied or undecided, by the thresholds."""

from dataclasses import dataclass
from typing import TypeVar

from scripts.measure.stopping import CONFIDENCE

INTERVAL = f"{CONFIDENCE:.0%} interval".replace("%", " %")
RANGE = "range"
EXACT = "exact"
WITHIN = {INTERVAL: 1.05, RANGE: 1.2, EXACT: 1.01}
"""The practical thresholds, as factors by kind of ratio. Less is no reason to choose a store. A range of
about three samples shows little of the noise, so its threshold is wider."""
NOTICEABLE_SECONDS = 0.010
"""Where the slowest store needs less time (s) than this for all images, no store wins: take whichever is handiest."""
DIFFERENT, TIED, UNDECIDED = "different", "tied", "undecided"
"""What two cells or stores are to each other: `Ratio.outcome`."""


@dataclass(frozen=True)
class Bounded:
    """A number between `low` and `high`, its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate(Bounded):
    """The median of some samples, in their unit. What it is between is an interval or a range, by `kind`."""

    kind: str


@dataclass(frozen=True)
class Ratio(Estimate):
    """How many times as long (or large) the one is as the other; `kind` may also be EXACT, for sizes."""

    @property
    def outcome(self) -> str:
        """What is certain, by the practical threshold of its kind (`WITHIN`).

        - DIFFERENT: all of the interval or range is beyond the threshold, on one side.
        - TIED: all of it is within the threshold.
        - UNDECIDED: it allows both.

        Sources: minimum-effect tests, Murphy and Myors, "Testing the hypothesis that treatments have negligible
        effects", Journal of Applied Psychology 84 (1999); equivalence tests, Schuirmann, "A comparison of the two
        one-sided tests procedure and the power approach for assessing the equivalence of average bioavailability",
        Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
        """
        within = WITHIN[self.kind]
        if self.low > within or self.high < 1 / within:
            return DIFFERENT
        return TIED if self.low >= 1 / within and self.high <= within else UNDECIDED

    @property
    def inverse(self) -> "Ratio":
        """How many times as long the other is as the one."""
        return Ratio(1 / self.value, 1 / self.high, 1 / self.low, self.kind)

    @property
    def longer(self) -> bool:
        """Whether the one surely takes longer (or is larger) than the other, by more than the threshold."""
        return self.outcome == DIFFERENT and self.value > 1

    @property
    def shorter(self) -> bool:
        """Whether the one surely takes less time (or is smaller) than the other, by more than the threshold."""
        return self.outcome == DIFFERENT and self.value < 1


def exact(value: float) -> Ratio:
    """The ratio of two sizes, which is known exactly."""
    return Ratio(value, value, value, EXACT)


AnyEstimate = TypeVar("AnyEstimate", bound=Estimate)
SAME = exact(1.0)
"""What the leader takes, as a ratio to itself."""
