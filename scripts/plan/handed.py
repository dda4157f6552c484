"""What the start of a run on a cluster hands to its jobs.

Each job reads the plan again on its node, which may see other mounts, permissions and packages. So a job takes from the
start what the start has asked of its system.
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

ENVIRONMENT_VARIABLE = "IMAGE_STORAGE_BENCHMARK_FOUND"
"""Snakemake starts jobs with the environment variables of the run."""


@dataclass(frozen=True)
class Handed:
    """What the start of the run has found, as `scripts.plan.plan.Plan` names it."""

    machine: str
    dataset: str
    writes: str
    archive_digest: str
    missing: dict[str, str]

    def to_jobs(self) -> None:
        """Put it where the jobs of this process find it."""
        os.environ[ENVIRONMENT_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def by_start(cls) -> Self | None:
        """Return what the start of the run handed to this job, None where it handed nothing."""
        text = os.environ.get(ENVIRONMENT_VARIABLE)
        return cls(**json.loads(text)) if text else None
