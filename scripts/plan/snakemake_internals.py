"""All that this workflow uses of Snakemake beyond Snakemake's documentation.

Each method of `SnakemakeRun` says which documented way is missing. `tests/plan/test_snakemake_internals.py` fails when
another version than those below is installed, or when an attribute is gone.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from snakemake.settings.types import DeploymentMethod

SNAKEMAKE_VERSION, SLURM_PLUGIN_VERSION = "9.27.1", "2.8.0"
"""The versions of Snakemake and of its plugin for Slurm in which the attributes were seen."""
DIRECTORY = Path(".snakemake")
"""The directory in which Snakemake keeps what it remembers, below the directory that it runs in."""


class Asking(Protocol):
    """A job or a group of jobs, which asks for resources by name."""

    resources: Mapping[str, Any]


class Job(Asking, Protocol):
    """One rule with its wildcards; a local job runs where Snakemake was started."""

    rule: Any
    wildcards: Any
    input: Iterable[str]
    output: list[str]
    is_local: bool


class SnakemakeRun:
    """One run of Snakemake, by the object `workflow` of its Snakefile."""

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow

    @property
    def config_files(self) -> list[Path]:
        """The files of `--configfile`. Documented is only the merged config, in which a repeated key is lost."""
        return list(self._workflow.overwrite_configfiles)

    @property
    def with_conda(self) -> bool:
        """Whether conda installs the software. A Snakefile has no documented way to read the command line."""
        return DeploymentMethod.CONDA in self._workflow.deployment_settings.deployment_method

    @property
    def limits(self) -> Mapping[str, Any]:
        """The resources of the run as a whole. A Snakefile has no documented way to read the command line."""
        limits: Mapping[str, Any] = self._workflow.global_resources
        return limits

    @property
    def is_job_on_node(self) -> bool:
        """Whether another Snakemake started this one on a node. No documented way tells the two apart."""
        return bool(self._workflow.remote_exec)

    @property
    def is_on_cluster(self) -> bool:
        """Whether jobs go to a cluster, or this is one of them. No documented way says so before the jobs are known.

        Every run on a cluster has the resource `file_system_users`, as `profiles/slurm` gives it.
        """
        return self.is_job_on_node or "file_system_users" in self.limits

    @property
    def is_on_one_machine(self) -> bool:
        """Whether jobs run where Snakemake was started. A Snakefile has no documented way to ask for the executor."""
        return bool(self._workflow.local_exec)

    @property
    def only_touches(self) -> bool:
        """Whether the run is `--touch`, which calls `onstart` too. No documented way tells it apart."""
        return bool(self._workflow.touch)

    @property
    def works(self) -> bool:
        """Whether the run starts jobs, unlike a dry run or `--unlock`. No documented way tells them apart."""
        # An `--unlock` ends before there is a scheduler.
        has_scheduler = getattr(self._workflow, "scheduler", None) is not None
        return has_scheduler and not self._workflow.dryrun and not self.only_touches

    @property
    def slurm_status_command(self) -> str | None:
        """The command that asks Slurm for the state of jobs. A Snakefile has no documented way to read it."""
        return getattr(self._workflow.executor_settings, "status_command", None)

    @property
    def slurm_chooses_partitions(self) -> bool:
        """Whether the plugin for Slurm chooses a partition for each job. A Snakefile has no documented way to ask."""
        chosen = getattr(self._workflow.executor_settings, "partition_config", None)
        return bool(chosen or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS"))

    def jobs(self) -> list[Job]:
        """Return all jobs; `onstart` and its like aren't told."""
        return list(self._workflow.dag.jobs)

    def jobs_to_run(self) -> list[Job]:
        """Return the jobs that will run; `onstart` isn't told."""
        return list(self._workflow.dag.needrun_jobs())

    def submitted(self, jobs: Iterable[Job]) -> set[Asking]:
        """Return what goes to a cluster for some jobs: groups of jobs, and jobs without a group; `onstart` isn't told.

        The graph's own `get_jobs_or_groups` fails when one job of a group doesn't run.
        """
        return {self._workflow.dag.get_job_group(job) or job for job in jobs if not job.is_local}

    def force(self, rule: str) -> None:
        """Let the jobs of a rule run, as `--forcerun` does, while the graph is made.

        No documented way makes a rule run because its output isn't as it was written.
        """
        self._workflow.dag.forcerules.add(self._workflow.get_rule(rule))

    def remembers(self, job: Job) -> bool:
        """Say whether Snakemake remembers how a job's output was made; `--summary` only prints it."""
        return bool(self._workflow.persistence.has_metadata(job))

    def remember(self, job: Job) -> None:
        """Let Snakemake remember a job as finished; `--touch` does so, but not for single jobs of a run."""
        self._workflow.async_run(self._workflow.persistence.finished(job))

    def forget(self, job: Job) -> None:
        """Let Snakemake forget how a job's output was made; `--cleanup-metadata` does so, but not within a run."""
        self._workflow.persistence.cleanup(job)

    def when_planned_further(self, call: Callable[[], None]) -> None:
        """Call a function whenever Snakemake has planned further after a checkpoint, before new jobs start.

        `onstart` is called once, and input functions are called while the graph isn't complete.
        """
        dag = self._workflow.dag
        update = dag.update_checkpoint_dependencies

        async def update_and_call(jobs: Any = None) -> bool:
            is_updated: bool = await update(jobs)
            if is_updated:
                call()
            return is_updated

        dag.update_checkpoint_dependencies = update_and_call

    def lift_job_rate_limit(self) -> None:
        """Take away Snakemake's limit of jobs that start in a second; no option takes it away.

        For the limit, Snakemake 9 looks at all ready jobs once a second, for each job that has ended: after hundreds of
        cells that occupies a core, beside the timings.
        """
        self._workflow.scheduler.job_rate_limiter = None
