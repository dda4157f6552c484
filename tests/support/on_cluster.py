"""Runs of the workflow on the tests' cluster: a checkout whose Snakemake is started on the login node."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.slurm import Cluster, Job
from tests.support.workflow import Workflow

PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")


@dataclass(frozen=True)
class OnCluster(Workflow):
    """A checkout whose Snakemake is started on the login node, with the profile."""

    cluster: Cluster
    first_job: int = 0

    @property
    def prefix(self) -> Sequence[str]:
        """What starts a command on the login node."""
        return self.cluster.prefix

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return super().start(*PROFILE, *arguments, **options)

    def record(self, cell: str) -> Path:
        """The file of a cell's record."""
        return self.directory / "results/records/cluster-ext4" / f"{cell}.json"

    def records(self) -> list[dict]:
        """The records of this run's machine, in the order they were begun."""
        found = self.directory.glob("results/records/cluster-*/*/*/*/*.json")
        return sorted((json.loads(path.read_text()) for path in found), key=lambda record: record["started"])

    def new(self, cell: str) -> bool:
        """Whether a cell's record is there and of this run, whose settings are not those of the one before."""
        record = self.record(cell)
        return record.exists() and json.loads(record.read_text())["settings"]["minimum_samples"] == 9

    def jobs(self) -> list[Job]:
        """The jobs of this checkout, in the order they were submitted."""
        return sorted((job for job in self.cluster.jobs().values() if job.id > self.first_job), key=lambda job: job.id)


def on(cluster: Cluster, directory: Path) -> OnCluster:
    """A checkout on the login node of a cluster."""
    return OnCluster(directory, cluster, max(cluster.jobs(), default=0))
