"""All that this workflow uses of Snakemake beyond Snakemake's documentation.

The protocols list the attributes that are used. They were seen in the versions below, and
`tests/plan/test_snakemake_internals.py` fails when another version is installed or one of the attributes is gone. Each
method of `SnakemakeRun` says which documented way is missing.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from snakemake.settings.types import DeploymentMethod

SNAKEMAKE_VERSION, SLURM_PLUGIN_VERSION = "9.27.1", "2.8.0"
"""The versions in which the attributes were seen."""

DIRECTORY = Path(".snakemake")
"""The directory in which Snakemake keeps what it remembers, below the one that it runs in."""


class Rule(Protocol):
    """A rule of the Snakefile."""

    name: str


class Resources(Protocol):
    """What one job, or all jobs of a group, ask of the machine, by the name of the resource."""

    resources: Mapping[str, Any]


class Job(Resources, Protocol):
    """One rule with its wildcards. `is_local` says that the job runs where Snakemake was started."""

    rule: Rule
    wildcards: Any
    input: Iterable[str]
    output: list[str]
    is_local: bool


class Graph(Protocol):
    """All jobs, and which of them run. `forcerules` are the rules of `--forcerun`."""

    jobs: Collection[Job]
    forcerules: set[Rule]
    needrun_jobs: Callable[[], Iterator[Job]]
    needrun: Callable[[Job], bool]
    get_job_group: Callable[[Job], Resources | None]


class Persistence(Protocol):
    """What Snakemake remembers of each output: the code, the parameters and the inputs that made it."""

    has_metadata: Callable[[Job], bool]
    finished: Callable[[Job], Awaitable[None]]
    cleanup: Callable[[Job], None]


class Scheduler(Protocol):
    """Chooses which jobs start next."""

    job_rate_limiter: Any


class Deployment(Protocol):
    """How the software of the rules is installed."""

    deployment_method: Collection[DeploymentMethod]


class SlurmSettings(Protocol):
    """The settings of Snakemake's plugin for Slurm. The settings of other executors lack these attributes."""

    status_command: str | None
    partition_config: Path | None


class Workflow(Protocol):
    """The object `workflow` of a Snakefile; documented are `basedir` and a few others, none of these."""

    overwrite_configfiles: list[Path]
    deployment_settings: Deployment
    executor_settings: SlurmSettings | None
    global_resources: Mapping[str, Any]
    remote_exec: bool
    local_exec: bool
    dryrun: bool
    touch: bool
    dag: Graph
    persistence: Persistence
    scheduler: Scheduler | None
    get_rule: Callable[[str], Rule]
    async_run: Callable[[Awaitable[None]], None]


class SnakemakeRun:
    """One run of Snakemake, as its Snakefile sees it."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    @property
    def config_files(self) -> list[Path]:
        """The files of `--configfile`; documented is only the merged config, in which a repeated key is lost."""
        return self._workflow.overwrite_configfiles

    @property
    def with_conda(self) -> bool:
        """Whether conda installs the software; a Snakefile has no documented way to read its command line."""
        return DeploymentMethod.CONDA in self._workflow.deployment_settings.deployment_method

    @property
    def limits(self) -> Mapping[str, Any]:
        """The resources of the run as a whole; a Snakefile has no documented way to read its command line."""
        return self._workflow.global_resources

    @property
    def is_job_on_node(self) -> bool:
        """Whether another Snakemake started this one on a node; no documented way tells the two apart."""
        return self._workflow.remote_exec

    @property
    def is_on_cluster(self) -> bool:
        """Whether this run's jobs go to a cluster or this is one of them; no documented way says so for a dry run, too.

        The profile for Slurm gives the resource `file_system`, and so must every other way to a cluster.
        """
        return self.is_job_on_node or "file_system" in self.limits

    @property
    def is_on_one_machine(self) -> bool:
        """Whether jobs run where Snakemake was started; a Snakefile has no documented way to ask for the executor."""
        return self._workflow.local_exec

    @property
    def only_touches(self) -> bool:
        """Whether the run is `--touch`, which calls `onstart` like any other; no documented way tells them apart."""
        return self._workflow.touch

    @property
    def works(self) -> bool:
        """Whether the run starts jobs, unlike a dry run or `--unlock`; no documented way tells them apart."""
        return self._workflow.scheduler is not None and not self._workflow.dryrun and not self._workflow.touch

    @property
    def slurm_status_command(self) -> str | None:
        """The command that asks Slurm for the state of jobs; a Snakefile has no documented way to read it."""
        return getattr(self._workflow.executor_settings, "status_command", None)

    @property
    def slurm_chooses_partitions(self) -> bool:
        """Whether the plugin for Slurm chooses a partition for each job; a Snakefile has no documented way to ask."""
        chosen = getattr(self._workflow.executor_settings, "partition_config", None)
        return bool(chosen or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS"))

    def jobs(self) -> list[Job]:
        """Return all jobs; `onstart` and its like aren't told which jobs there are."""
        return list(self._workflow.dag.jobs)

    def jobs_to_run(self) -> list[Job]:
        """Return the jobs that will run; `onstart` isn't told, before any of them starts."""
        return list(self._workflow.dag.needrun_jobs())

    def submitted(self, jobs: Iterable[Job]) -> set[Resources]:
        """Return what is submitted to a cluster for some jobs: groups of jobs, and jobs without a group.

        No documented way says what a group asks for. `get_jobs_or_groups` of Snakemake's graph fails where a job of a
        group doesn't run.
        """
        graph = self._workflow.dag
        return {graph.get_job_group(job) or job for job in jobs if not job.is_local}

    def will_run(self, job: Job) -> bool:
        """Say whether a job will run; `onstart` isn't told."""
        return self._workflow.dag.needrun(job)

    def remembers(self, job: Job) -> bool:
        """Say whether Snakemake remembers how a job's output was made; `--summary` only prints it."""
        return self._workflow.persistence.has_metadata(job)

    def remember(self, job: Job) -> None:
        """Let Snakemake remember a job as finished; `--touch` does so, but not for some of the jobs of a run."""
        self._workflow.async_run(self._workflow.persistence.finished(job))

    def forget(self, job: Job) -> None:
        """Let Snakemake forget a job; `--cleanup-metadata` does so, but not within a run."""
        self._workflow.persistence.cleanup(job)

    def force(self, rule: str) -> None:
        """Let the jobs of a rule run, as `--forcerun` does, while the graph is made.

        No documented way makes a rule run because its output isn't as it was written.
        """
        self._workflow.dag.forcerules.add(self._workflow.get_rule(rule))

    def lift_job_rate_limit(self) -> None:
        """Take away Snakemake's limit of jobs that start in a second; no option takes it away.

        For the limit, Snakemake 9 looks at all jobs that are ready once a second, for each job that has ended: after
        hundreds of cells that occupies a core beside the timings.
        """
        if self._workflow.scheduler is not None:
            self._workflow.scheduler.job_rate_limiter = None
