"""One time for each cell, corrected once and for all where the machine was surely in another state than usual.

Jobs of one cutoff and operation time the same reference file. The usual job is the one whose reference file has the
median time, of two the shorter. A job's *pace* is how many times as long its reference file took as usual. Where the
pace is surely another than usual, times are divided by it; where it isn't surely as usual, they are corrected round by
round if that makes the interval narrower. What the pace leaves open widens each ratio. A job that samples decoding
keeps its times as measured: decoding depends on the processor, the reference file on memory or the disk. See
docs/method.md.

Source of the correction by rounds: control variates, as in Law, "Simulation Modeling and Analysis", 5th edition (2015),
section 11.4.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, TypeVar

from scripts.measure.stopping import block_medians, median_interval
from scripts.report import estimates
from scripts.report.records.record import DECODING, SUBJECTS, Sample
from scripts.report.rows import TimingRow
from scripts.report.ties import DIFFERENT, RANGE, TIED, Estimate, Ratio

SURE = (1.0, 1.0)
Name = TypeVar("Name", bound=Hashable)
Sampled = Sample | TimingRow
"""A sample, as a record or a row of the table of timings has it."""


@dataclass(frozen=True)
class Job:
    """The verified samples (s) of one timing job as medians of blocks, of the backend and of the reference file.

    `ratios` are the backend's time over the reference file's in rounds in which both samples count. `decodes` says
    whether decoding alone was sampled too.
    """

    seconds: list[float]
    baseline: list[float]
    ratios: list[float]
    decodes: bool = False

    @classmethod
    def of(cls, samples: Sequence[Sampled]) -> "Job":
        """From the samples of one job and one way of sharing the work, in the order they were taken.

        Baseline and backend take turns, so the n-th of the one and the n-th of the other are of one round.
        """
        backend, baseline = ([sample for sample in samples if sample.subject == name] for name in SUBJECTS)
        rounds = zip(backend, baseline, strict=True)
        ratios = [
            (own, own.seconds / plain.seconds) for own, plain in rounds if own.state_verified and plain.state_verified
        ]
        decodes = any(sample.subject == DECODING for sample in samples)
        return cls(_seconds(backend), _seconds(baseline), _medians(ratios), decodes)


@dataclass(frozen=True)
class Timed:
    """The time of a cell: `seconds`, medians of blocks, corrected where `corrected`; `measured` are without correction.

    The machine's state may have the time wrong by a factor between the ends of `unknown`. `plain` is how long (s) the
    reference file usually takes, and None without one.
    """

    seconds: list[float]
    measured: list[float]
    corrected: bool = False
    unknown: tuple[float, float] = SURE
    plain: float | None = None
    pace: Ratio | None = None

    @property
    def estimate(self) -> Estimate:
        """The median (s) with its interval or range; a correction's own uncertainty is in it."""
        found = estimates.estimate(self.seconds)
        return estimates.uncertain(found, self.unknown) if self.corrected else found


def correct(jobs: Mapping[Name, Job], alike: Callable[[Name], Hashable] = lambda _: None) -> dict[Name, Timed]:
    """The time of each job that has samples of the backend; `alike` has one value for all jobs of one cutoff, operation
    and way of sharing the work."""
    together: dict[Hashable, dict[Name, Job]] = defaultdict(dict)
    for name, job in jobs.items():
        together[alike(name)][name] = job
    return {name: timed for own in together.values() for name, timed in _corrected(own).items()}


def ratio(one: Timed, other: Timed) -> Ratio:
    """How many times as long `one` takes as `other`, two times of the same operation and number of images: the quotient
    of the two medians, with an interval in which is what the machine's state leaves open."""
    found = estimates.ratio(one.seconds, other.seconds)
    inverse = (1 / other.unknown[1], 1 / other.unknown[0])
    return estimates.uncertain(found, one.unknown, inverse)


def columns(timed: Timed) -> dict[str, Any]:
    """What the table of the summary says of a time, by the names of its columns."""
    typical = timed.estimate
    found: dict[str, Any] = {
        "median_seconds": typical.value,
        "interval_low_seconds": typical.low,
        "interval_high_seconds": typical.high,
        "interval_kind": typical.kind,
        "raw_median_seconds": median(timed.measured),
        "corrected": timed.corrected,
    }
    if timed.plain is not None:
        ends = {"ratio_to_baseline": typical.value, "ratio_low": typical.low, "ratio_high": typical.high}
        found |= {"baseline_median_seconds": timed.plain}
        found |= {name: seconds / timed.plain for name, seconds in ends.items()}
        if timed.pace:
            found |= {"raw_baseline_median_seconds": timed.pace.value * timed.plain}
            found |= {"pace": timed.pace.value, "pace_low": timed.pace.low, "pace_high": timed.pace.high}
    return found


def parts(timed: Timed, images: int, decoding: Sequence[Sampled]) -> dict[str, Any]:
    """What the table of the summary says of decoding and storage, by the names of its columns, given the samples of
    decoding alone in the same job; nothing without samples.

    `images` is how many were read in the time. Storage is what remains of the time of an image without decoding.
    """
    if not decoding:
        return {}
    whole = timed.estimate
    alone = estimates.estimate(_medians([(one, one.seconds / one.images) for one in decoding]))
    per_image = Estimate(whole.value / images, whole.low / images, whole.high / images, whole.kind)
    return {
        f"{name}{end}_seconds_per_image": getattr(part, of)
        for name, part in (("decoding", alone), ("storage", estimates.difference(per_image, alone)))
        for end, of in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def _corrected(jobs: Mapping[Name, Job]) -> dict[Name, Timed]:
    plain = {name: median(job.baseline) for name, job in jobs.items() if job.baseline}
    if not plain:
        return {name: Timed(job.seconds, job.seconds) for name, job in jobs.items() if job.seconds}
    usual = sorted(plain.values())[(len(plain) - 1) // 2]
    # What sets whole jobs apart is left out of these, as it's what a job is tested for.
    around = [usual * seconds / plain[name] for name in plain for seconds in jobs[name].baseline]
    return {name: _timed(job, usual, around) for name, job in jobs.items() if job.seconds}


def _timed(job: Job, usual: float, around: list[float]) -> Timed:
    if not job.baseline:
        return Timed(job.seconds, job.seconds, plain=usual)
    pace = _pace(job.baseline, usual, around)
    if job.decodes:
        return Timed(job.seconds, job.seconds, plain=usual, pace=pace)
    factor = pace.value if pace.outcome == DIFFERENT else 1.0
    low, high = (pace.value, pace.value) if pace.outcome == TIED else (pace.low, pace.high)
    whole = Timed(
        [seconds / factor for seconds in job.seconds],
        job.seconds,
        corrected=pace.outcome == DIFFERENT,
        unknown=(min(1.0, factor / high), max(1.0, factor / low)),
        plain=usual,
        pace=pace,
    )
    if pace.outcome == TIED or not job.ratios:
        return whole
    by_rounds = replace(whole, seconds=[usual * ratio for ratio in job.ratios], corrected=True, unknown=SURE)
    return min(whole, by_rounds, key=_width)


def _pace(baseline: list[float], usual: float, around: list[float]) -> Ratio:
    if median_interval(baseline) is None:
        # The samples of all other jobs would make the range of so few wider than anything.
        return Ratio(median(baseline) / usual, min(baseline) / usual, max(baseline) / usual, RANGE)
    value = median(baseline) / usual
    found = estimates.ratio(baseline, around)
    return replace(found, value=value, low=min(found.low, value), high=max(found.high, value))


def _width(timed: Timed) -> float:
    """How wide the interval of a time is, as the logarithm of its upper end over its lower one."""
    found = estimates.uncertain(estimates.estimate(timed.seconds), timed.unknown)
    return math.log(found.high / found.low)


def _seconds(samples: Sequence[Sampled]) -> list[float]:
    """The medians of blocks (s) of the samples that count."""
    return _medians([(sample, sample.seconds) for sample in samples if sample.state_verified])


def _medians(values: list[tuple[Sampled, float]]) -> list[float]:
    """The medians of values in the blocks of the samples that they belong to."""
    return block_medians([value for _, value in values], [sample.block for sample, _ in values])
