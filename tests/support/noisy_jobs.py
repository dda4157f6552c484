"""Timing jobs as noisy as measured ones, drawn from known times: what the report's statistics must see through."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from scripts.measure.settings import Settings
from scripts.measure.stopping import block, enough
from scripts.report import corrections
from scripts.report.compare.results import Results
from scripts.report.corrections import Job, correct
from scripts.report.rows import CellName, MeasuredRow, Row, TimingRow
from scripts.report.tables import Tables, columns
from scripts.report.ties import Ratio

SETTINGS = Settings(minimum_samples=6)
OUTLIERS = 0.03
BASELINE = 0.1
MOOD, JOBS_DIFFER, RATIOS_DIFFER = 0.12, 0.13, 0.03
"""Standard deviations of logarithms, as measured on a shared virtual machine of two cores for reading 1,000 images: of
times from one block to the next and from job to job, and of the ratios to the reference file from job to job."""


@dataclass(frozen=True)
class Drawn:
    """A drawn sample: whose it is, its time (s), and its block."""

    subject: str
    seconds: float
    block: int
    state_verified: bool = True


def noise(chance: np.random.Generator, sigma: float, size: int) -> np.ndarray:
    """Factors about 1, skewed to the right, a few of them outliers up to three times as long."""
    usual = np.exp(sigma * chance.standard_normal(size)) + sigma * chance.gamma(1.0, 0.5, size)
    return np.where(chance.random(size) < OUTLIERS, usual * chance.uniform(1.3, 3, size), usual)


def measured_drift(chance: np.random.Generator) -> tuple[float, float]:
    """How much slower backend and reference file are in one job than in the next, without a cause."""
    machine, own = np.exp(chance.standard_normal(2) * (JOBS_DIFFER, RATIOS_DIFFER))
    return machine * own, machine


def job(
    chance: np.random.Generator,
    typical: float,
    sigma: float,
    *,
    slower: float = 1.0,
    baseline_slower: float = 1.0,
    mood: float = 0.0,
) -> Job:
    """As many samples as the workflow would take of a backend that takes `typical` seconds, `slower` times as long; its
    baseline takes a tenth, `baseline_slower` times as long.

    `mood` is the standard deviation of the logarithm of how fast the machine is from one block to the next, for both.
    """
    samples = []
    seconds: list[float] = []
    blocks: list[int] = []
    elapsed = 0.0
    moods: dict[int, float] = defaultdict(lambda: float(np.exp(mood * chance.standard_normal())))
    while not enough(seconds, blocks, elapsed, SETTINGS):
        number = block(elapsed, SETTINGS.budget_seconds)
        own, plain = typical * moods[number] * noise(chance, sigma, 2) * (slower, BASELINE * baseline_slower)
        for subject, taken in (("baseline", plain), ("backend", own)):
            samples.append(Drawn(subject, float(taken), number))
        seconds.append(float(own))
        blocks.append(number)
        # Each comes after an untimed run, and rounds are at least so long.
        elapsed += max(2 * (own + plain), SETTINGS.budget_seconds / SETTINGS.maximum_samples)
    return Job.of(samples)


def pair(one: Job, other: Job) -> Ratio:
    """How many times as long the one job takes as the other, where there are no more."""
    times = correct({"one": one, "other": other})
    return corrections.ratio(times["one"], times["other"])


def results(jobs: dict[CellName, Job], machine: str = "machine") -> Results:
    """What the tables of these jobs hold, as far as comparing needs it."""
    summary = [
        MeasuredRow.of(
            _cell(MeasuredRow, name)
            | {
                "machine": machine,
                "image_set": "images",
                "distinct_images": name[1],
                "images": name[1],
                "status": "measured",
                "measuring_digest": "code",
                "threads": 1,
                "median_seconds": float(np.median(job.seconds)),
            }
        )
        for name, job in jobs.items()
    ]
    timings = [
        TimingRow.of(
            _cell(TimingRow, name)
            | {
                "subject": subject,
                "seconds": seconds,
                "state_verified": True,
                "block": number,
                "started_seconds": 0.0,
            }
        )
        for name, job in jobs.items()
        for number, samples in enumerate(zip(job.seconds, job.baseline, strict=True))
        for subject, seconds in zip(("backend", "baseline"), samples, strict=True)
    ]
    return Results(Tables(summary, [], []), timings)


def _cell(kind: type[Row], name: CellName) -> dict:
    """The fields of a row that say which cell it is; all others are empty."""
    backend, cutoff, operation = name
    own = dict.fromkeys(columns(kind.TABLE)) | {"backend": backend, "cutoff_images": cutoff, "operation": operation}
    return own | {"processes": 1, "comparison_group": 1}
