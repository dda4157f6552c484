"""What the jobs of `build` and `time_operation` ask for: their turn, memory, time and cores.

On one machine Snakemake counts memory, time and cores only where the user sets a limit. On a cluster each job asks for
them; how jobs are grouped is said in `profiles/slurm`.
"""

import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from scripts.common import digests
from scripts.common.cells import shape_of
from scripts.plan import forecast
from scripts.plan.checks import room
from scripts.plan.plan import Names, Plan

MEGABYTES_BEFORE_THE_FIRST_IMAGE = 1000
COPIES_IN_MEMORY = 8
"""Copies of the images in memory: arrays, store and reference file, twice where a cluster counts the page cache."""
MOST_PRIORITY = 1_000_000
"""The priority of builds; all timings have less."""
PATIENCE = 10
"""The time limit that a job asks of a cluster, as a multiple of the forecast."""
LEAST_LIMIT_SECONDS = 300.0
"""The shortest limit of a cell on a cluster: the minutes of all cells in a job are added, and few cells take theirs."""
SECONDS_FOR_THE_RECORD = 30
"""The seconds from a cell's time limit to the end of its job: a job that is ended leaves no record."""


class Jobs:
    """What a job asks for, as functions of its wildcards or the same for all jobs."""

    whole_machine = 10_000
    """Threads of a timing: Snakemake scales the number down to all there are, so that nothing runs beside it."""
    cores = 2
    """Cores of a build or timing on a cluster: one for its work, one for the Snakemake that runs it on the node."""
    alone = "--exclusive"
    """Slurm's option for a node to itself: sbatch(1)."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # All stores are built before the first cell is timed, and stores need libraries.
        self.priority_to_build = MOST_PRIORITY
        self.priority_to_compile = MOST_PRIORITY + 1
        # A cluster's shared file system has 1 user at a time, unless timings may run beside each other.
        at_once = plan.config["timings_at_once"]
        self.file_system_users = int(not plan.config["scratch_dir"] if at_once is None else at_once == "one")

    def priority_to_time(self, cell: Names) -> int:
        """Return the priority of a cell.

        Cells of small cutoffs are timed first. Cells of one cutoff, image size and operation, which are compared, are
        timed one right after the other: the less time lies between them, the less the machine changes.
        """
        places = list(product(self._plan.cutoffs, self._plan.image_sizes, self._plan.operations))
        place = (int(cell.cutoff), cell.image_size, cell.operation)
        return MOST_PRIORITY - 1 - places.index(place) if place in places else 0

    def megabytes(self, store: Names) -> int:
        """Return the memory (MB) for building a store or timing a cell."""
        pixels = math.prod(shape_of(store.image_size))
        image_bytes = max(pixels, self._plan.file_bytes(store))
        return MEGABYTES_BEFORE_THE_FIRST_IMAGE + math.ceil(COPIES_IN_MEMORY * int(store.cutoff) * image_bytes / 1e6)

    def minutes_to_build(self, store: Names) -> int:
        """Return the time limit (minutes) for building a store."""
        cutoff = int(store.cutoff)
        return _minutes(cutoff, forecast.seconds_to_build(cutoff, store.image_size, self._plan.file_bytes(store)))

    def minutes_to_time(self, cell: Names) -> int:
        """Return the time limit (minutes) for timing a cell."""
        cutoff = int(cell.cutoff)
        budget, file_bytes = self._plan.budget_seconds, self._plan.file_bytes(cell)
        return _minutes(cutoff, forecast.seconds_to_time(cutoff, cell.image_size, budget, file_bytes))

    def limit_seconds(self, store: Names, resources: Mapping[str, Any]) -> float:
        """Return how long (s) a build or timing may take before it counts as hung."""
        limit = limit_seconds(self._plan, store, self._plan.budget_seconds)
        minutes = resources.get("runtime") if self._plan.on_cluster else None
        if not isinstance(minutes, int):
            return limit
        return min(limit, max(LEAST_LIMIT_SECONDS, minutes * 60 - SECONDS_FOR_THE_RECORD))


def limit_seconds(plan: Plan, store: Names, budget_seconds: float) -> float:
    """Return how long (s) a build or a timing with such a budget (s) may take: the config's limit, or one derived from
    the forecast."""
    in_files = room.in_files(plan, store.backend)
    limit: float | None = plan.config["time_limit_seconds"]
    return limit or forecast.limit_seconds(
        int(store.cutoff),
        store.image_size,
        budget_seconds,
        in_files=in_files,
        file_bytes=plan.file_bytes(store),
    )


def _minutes(cutoff: int, seconds: float) -> int:
    return 1 + math.ceil((PATIENCE * seconds + forecast.SECONDS_PER_FILE * cutoff) / 60)


def untracked(value: Any) -> Callable[[Any, Any], Any]:
    """Return a value, or what a function without arguments returns, as a parameter of a rule that Snakemake doesn't
    compare between runs.

    It says where something is or how it is shown, so a change redoes nothing. Snakemake takes for derived what a
    function returns that asks for `output` (or `input`, `threads`, `resources`), and leaves it out of the comparison.
    `tests/workflow/test_reruns.py` shows which changes redo what.
    """
    return lambda wildcards, output: value() if callable(value) else value


def step(plan: Plan) -> Callable[[Any, Any], str]:
    """Return the start of every step's command, for a shell: the interpreter that runs Snakemake, or that of the rule's
    conda environment, and the package of steps."""
    python = "python" if plan.with_conda else sys.executable
    return untracked(shlex.join([python, os.path.relpath(digests.CHECKOUT / digests.PACKAGE)]))
