"""Timing jobs as noisy as measured ones, drawn from known times: what the report's statistics must see through."""

import numpy as np

from scripts.measure.sampling import enough
from scripts.measure.settings import Settings
from scripts.report.comparison import CellName, Job, Results
from scripts.report.tables import Tables

SETTINGS = Settings()
OUTLIERS = 0.03
BASELINE = 0.1


def noise(chance: np.random.Generator, sigma: float, size: int) -> np.ndarray:
    """Factors about 1, skewed to the right, a few of them outliers up to three times as long."""
    usual = np.exp(sigma * chance.standard_normal(size)) + sigma * chance.gamma(1.0, 0.5, size)
    return np.where(chance.random(size) < OUTLIERS, usual * chance.uniform(1.3, 3, size), usual)


def job(
    chance: np.random.Generator, typical: float, sigma: float, *, slower: float = 1.0, baseline_slower: float = 1.0
) -> Job:
    """As many samples as the workflow would take of a backend that takes `typical` seconds, `slower` times as long; its
    baseline takes a tenth, `baseline_slower` times as long."""
    most = SETTINGS.maximum_samples
    seconds = (typical * slower * noise(chance, sigma, most)).tolist()
    baseline = (BASELINE * typical * baseline_slower * noise(chance, sigma, most)).tolist()
    count = 1
    elapsed = 0.0
    while not enough(seconds[:count], elapsed, SETTINGS):
        elapsed += 2 * (seconds[count] + baseline[count])  # each after an untimed run
        count += 1
    rounds = zip(seconds[:count], baseline[:count], strict=True)
    return Job(seconds[:count], baseline[:count], [sample / plain for sample, plain in rounds])


def results(jobs: dict[CellName, Job], machine: str = "machine") -> Results:
    """What the tables of these jobs hold, as far as comparing needs it."""
    summary = [
        {
            **_cell(name),
            **{"machine": machine, "image_set": "images", "distinct_images": name[1], "images": name[1]},
            **{
                "status": "measured",
                "disturbances": None,
                "measuring_digest": "code",
                "eviction": None,
                "threads": 1,
                "batch_size": None,
                "median_seconds": float(np.median(job.seconds)),
            },
        }
        for name, job in jobs.items()
    ]
    timings = [
        {**_cell(name), "subject": subject, "seconds": seconds, "state_verified": True}
        for name, job in jobs.items()
        for samples in zip(job.seconds, job.baseline, strict=True)
        for subject, seconds in zip(("backend", "baseline"), samples, strict=True)
    ]
    return Results(Tables(summary, [], []), timings)


def _cell(name: CellName) -> dict:
    backend, cutoff, operation = name
    way = {"processes": 1, "start_method": None, "comparison_group": 1}
    return {"backend": backend, "cutoff_images": cutoff, "operation": operation, **way}
