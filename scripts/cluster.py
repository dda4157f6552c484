"""What jobs ask of a cluster: memory, time and cores, and a node of their own; how they are grouped, its profile says.

A run on one machine asks for none of this: Snakemake counts it there only where the user sets a limit.
"""

import getpass
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from scripts import forecast
from scripts.errors import UserError

CORES = 2
"""For a build or a timing: one for its work, one for the Snakemake that runs it on the node."""
ALONE = "--exclusive"
"""Slurm's option for a node to itself: sbatch(1)."""
ONE_AT_A_TIME = "file_system"
"""The resource of which the profile gives a run one, and of which each job takes one that uses the file system."""
MEGABYTES_BEFORE_THE_FIRST_IMAGE = 1000
COPIES_IN_MEMORY = 8
"""Arrays, the store and the plain file, twice over: some clusters count the page cache as a job's memory."""
PATIENCE = 10
"""How many times as long as the forecast says a job may take: a network's file system is slower than a disk."""
IMAGE_BYTES = 32 * 32 * 3


def megabytes(wildcards: Any) -> int:
    """Return the memory (MB) for building a store or timing a cell."""
    images = int(wildcards.cutoff) * IMAGE_BYTES
    return MEGABYTES_BEFORE_THE_FIRST_IMAGE + math.ceil(COPIES_IN_MEMORY * images / 1e6)


def minutes_to_build(wildcards: Any) -> int:
    """Return the time limit (minutes) for building a store."""
    return 1 + math.ceil(PATIENCE * forecast.seconds_to_build(int(wildcards.cutoff)) / 60)


def minutes_to_time(wildcards: Any, budget_seconds: float) -> int:
    """Return the time limit (minutes) for timing a cell with such a budget (s)."""
    return 1 + math.ceil(PATIENCE * forecast.seconds_to_time(int(wildcards.cutoff), budget_seconds) / 60)


def check(limits: Mapping[str, Any]) -> None:
    """Raise UserError where timings on a cluster wouldn't be alone, or jobs of an earlier run go on.

    `limits` are the resources that the run as a whole has.
    """
    if ONE_AT_A_TIME not in limits:
        raise UserError(
            f"the resource {ONE_AT_A_TIME} has no limit, so timings would disturb each other; use --workflow-profile "
            f"profiles/slurm, or pass --resources {ONE_AT_A_TIME}=1 node=1"
        )
    left = _jobs_of_this_directory()
    if left:
        ids = " ".join(left)
        raise UserError(
            f"jobs of an earlier run in {os.getcwd()} are still there (Slurm: {ids}); wait for their end, which loses "
            f"nothing, or end them: scancel {ids}"
        )


def _jobs_of_this_directory() -> list[str]:
    """The Slurm jobs, by number, that Snakemake has started in this directory and that haven't ended."""
    if not shutil.which("squeue"):
        return []
    command = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%k|%Z"]
    done = subprocess.run(command, capture_output=True, text=True)
    jobs = [line.split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2]
    return [number for number, comment, directory in jobs if comment.startswith("rule_") and _is_here(directory)]


def _is_here(directory: str) -> bool:
    return os.path.realpath(directory) == os.path.realpath(".")
