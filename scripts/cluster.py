"""What jobs ask of a cluster: memory, time and cores, and a node of their own; how they are grouped, its profile says.

A run on one machine asks for none of this: Snakemake counts it there only where the user sets a limit.
"""

import getpass
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from scripts import forecast
from scripts.errors import UserError

CORES = 2
"""For a build or a timing: one for its work, one for the Snakemake that runs it on the node."""
ALONE = "--exclusive"
"""Slurm's option for a node to itself: sbatch(1)."""
FILE_SYSTEM, AT_A_TIME = "file_system", "at_a_time"
"""Resources, of both of which the profile gives one: to the run as a whole, of which each job takes one that uses the
shared file system; and to each job of the cluster, so that the cells in it run one after the other."""
MEGABYTES_BEFORE_THE_FIRST_IMAGE = 1000
COPIES_IN_MEMORY = 8
"""Arrays, the store and the plain file, twice over: some clusters count the page cache as a job's memory."""
PATIENCE = 10
"""How many times as long as the forecast says a job may take."""
SECONDS_PER_FILE = 0.005
"""Of a network's file system that is slow to make them: a file for each image is what a cell takes longest with."""
LEAST_SECONDS_REMEMBERED = 190
"""The Slurm plugin asks for the state of jobs every three minutes at least, and waits for ever for a job that the
scheduler has forgotten by then (MinJobAge in slurm.conf(5))."""
IMAGE_BYTES = 32 * 32 * 3


def megabytes(wildcards: Any) -> int:
    """Return the memory (MB) for building a store or timing a cell."""
    images = int(wildcards.cutoff) * IMAGE_BYTES
    return MEGABYTES_BEFORE_THE_FIRST_IMAGE + math.ceil(COPIES_IN_MEMORY * images / 1e6)


def minutes_to_build(wildcards: Any) -> int:
    """Return the time limit (minutes) for building a store."""
    cutoff = int(wildcards.cutoff)
    return _minutes(cutoff, forecast.seconds_to_build(cutoff))


def minutes_to_time(wildcards: Any, budget_seconds: float) -> int:
    """Return the time limit (minutes) for timing a cell with such a budget (s)."""
    cutoff = int(wildcards.cutoff)
    return _minutes(cutoff, forecast.seconds_to_time(cutoff, budget_seconds))


def check(limits: Mapping[str, Any], asked: Iterable[str], status_command: str | None) -> None:
    """Raise UserError where timings on a cluster wouldn't be alone, where Snakemake would wait for ever, or where jobs
    of an earlier run go on.

    `limits` are the resources that the run as a whole has, `asked` what each timing asks of Slurm besides its
    resources, `status_command` what is asked for the state of jobs.
    """
    for name in (FILE_SYSTEM, AT_A_TIME):
        if name not in limits:
            raise UserError(
                f"the resource {name} has no limit, so timings would disturb each other; use --workflow-profile "
                f"profiles/slurm, or pass --resources {FILE_SYSTEM}=1 {AT_A_TIME}=1"
            )
    if not all(ALONE in extra.split() for extra in asked):
        raise UserError(
            f"slurm_extra of time_operation lacks {ALONE}, so timings wouldn't have a node to themselves; add it to "
            "what you set there"
        )
    remembered = _seconds_remembered()
    if status_command == "squeue" and remembered is not None and remembered < LEAST_SECONDS_REMEMBERED:
        raise UserError(
            f"this cluster forgets a job {remembered} s after its end (MinJobAge), so Snakemake might wait for it for "
            "ever; pass --slurm-status-command sacct, where the cluster keeps accounts"
        )
    left = _jobs_of_this_directory()
    if left:
        ids = " ".join(left)
        raise UserError(
            f"jobs of an earlier run in {os.getcwd()} are still there (Slurm: {ids}); wait for their end, which loses "
            f"nothing, or end them: scancel {ids}"
        )


def _minutes(cutoff: int, seconds: float) -> int:
    return 1 + math.ceil((PATIENCE * seconds + SECONDS_PER_FILE * cutoff) / 60)


def _seconds_remembered() -> int | None:
    """How long (s) the cluster knows of a job after its end, None where nothing says it."""
    found = re.search(r"MinJobAge\s*=\s*(\d+)", _output("scontrol", "show", "config"))
    return int(found[1]) if found else None


def _jobs_of_this_directory() -> list[str]:
    """The Slurm jobs, by number, that Snakemake has started in this directory and that haven't ended."""
    listed = _output("squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%k|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2]
    return [number for number, comment, directory in jobs if comment.startswith("rule_") and _is_here(directory)]


def _output(*command: str) -> str:
    """What a command of Slurm's says; nothing where there is no Slurm."""
    return subprocess.run(command, capture_output=True, text=True).stdout if shutil.which(command[0]) else ""


def _is_here(directory: str) -> bool:
    return os.path.realpath(directory) == os.path.realpath(".")
