"""What a run asks of its cluster, checked before its start.

Timings must be alone and on nodes of one kind, and nothing may let Snakemake wait for ever.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from scripts.common.errors import UserError
from scripts.plan.checks import slurm
from scripts.plan.checks.slurm import Nodes
from scripts.plan.jobs import Jobs

RESOURCES = ("file_system", "at_a_time")
"""Resources of which the profile gives 1: `file_system` to the run as a whole, of which each job takes 1 that uses the
shared file system; and `at_a_time` to each job of the cluster, so that the cells in it run one after the other."""
LEAST_SECONDS_REMEMBERED = 190
"""The Slurm plugin asks for the state of jobs every three minutes at least, and waits for ever for a job that the
scheduler has forgotten by then (MinJobAge in slurm.conf(5))."""
CHOOSING = ("--constraint", "-C", "--nodelist", "-w", "--nodefile", "-F", "--exclude", "-x", "--reservation")
"""Options of Slurm that choose among the nodes of a partition: sbatch(1)."""
NAMED = {"slurm_partition": "--partition", "slurm_account": "--account", "constraint": "--constraint"}
"""What a site has names for, by resource, and the option of Slurm."""
OTHER_CLUSTERS = ("cluster", "clusters", "slurm_cluster")
"""Resources by which Snakemake's plugin for Slurm sends jobs to a cluster that can't be asked about here."""


def refuse_beside_others() -> None:
    """Raise UserError where jobs of an earlier run in this directory go on, also where this run is on one machine."""
    left = slurm.jobs_of_this_directory()
    if left:
        ids = " ".join(left)
        raise UserError(
            f"jobs of an earlier run in {os.getcwd()} are still there (Slurm: {ids}); wait for their end, which loses "
            f"nothing, or end them: scancel {ids}"
        )


def check(
    limits: Mapping[str, Any],
    timings: Iterable[Mapping[str, Any]],
    jobs: Iterable[Mapping[str, Any]],
    status_command: str | None,
    chooses_partitions: bool,
) -> None:
    """Raise UserError where timings on a cluster wouldn't be alone or would go to nodes of several kinds, where
    Snakemake would wait for ever, and where the cluster doesn't know a name.

    `limits` are the resources that the run as a whole has, `timings` the resources of each cell, `jobs` the resources
    of each job that is going to be submitted, `status_command` the command that is asked for the state of jobs. When
    the plugin chooses a partition for each job, nothing is known of the job's nodes.
    """
    for name in RESOURCES:
        if limits.get(name) != 1:
            alone = " ".join(f"{resource}=1" for resource in RESOURCES)
            raise UserError(
                f"the resource {name} has {'no limit' if name not in limits else 'another limit than 1'}, so timings "
                f"would disturb each other; use --workflow-profile profiles/slurm, or pass --resources {alone} "
                "(timings_at_once in config.yaml says whether nodes time at the same moment)"
            )
    nodes = [] if chooses_partitions else slurm.nodes()
    for asked in timings:
        _check_alone_on_one_kind(asked, nodes)
    for asked in jobs:
        _check_time(asked, nodes)
        if not any(asked.get(name) for name in OTHER_CLUSTERS):
            _check_names(asked)
    remembered = slurm.seconds_remembered()
    if status_command == "squeue" and remembered is not None and remembered < LEAST_SECONDS_REMEMBERED:
        raise UserError(
            f"this cluster forgets a job {remembered} s after its end (MinJobAge), so Snakemake might wait for it for "
            "ever; pass --slurm-status-command sacct, where the cluster keeps accounts"
        )


def _check_alone_on_one_kind(asked: Mapping[str, Any], nodes: list[Nodes]) -> None:
    extra = asked.get("slurm_extra", "").split()
    if Jobs.alone not in extra:
        raise UserError(
            f"slurm_extra of time_operation lacks {Jobs.alone}, so timings wouldn't have a node to themselves; add it "
            "to what you set there"
        )
    kinds = slurm.kinds(_of_partition(asked, nodes))
    chosen = asked.get("constraint") or any(option.startswith(CHOOSING) for option in extra)
    if len(kinds) > 1 and not chosen:
        all_kinds = "; ".join(str(each) for kind in kinds for each in kind)
        others = ",".join(each.names for kind in kinds[1:] for each in kind)
        raise UserError(
            f"partition {kinds[0][0].partition} has nodes of several kinds ({all_kinds}), and timings must go to one; "
            "in profiles/slurm/config.yaml set constraint or slurm_partition, or slurm_extra of time_operation to "
            f"'{Jobs.alone} --exclude={others}'"
        )


def _check_time(asked: Mapping[str, Any], nodes: list[Nodes]) -> None:
    """Slurm may keep a job for ever that asks for more time than its partition gives (EnforcePartLimits)."""
    for each in _of_partition(asked, nodes):
        minutes = asked.get("runtime") or 0
        if each.minutes is not None and minutes > each.minutes:
            raise UserError(
                f"a job asks for {minutes} minutes, and partition {each.partition} gives {each.minutes} at most; in "
                "profiles/slurm/config.yaml set slurm_partition to another one, runtime to less, or fewer cells to a "
                "job with group-components"
            )


def _check_names(asked: Mapping[str, Any]) -> None:
    """Snakemake's plugin for Slurm waits for ever where an account isn't the user's (2.8.0, seen)."""
    # Of several accounts, the plugin submits to each.
    for account in re.split(r"[,\s]+", asked.get("slurm_account") or ""):
        names = {**asked, "slurm_account": account}
        named = [f"{option}={names[name]}" for name, option in NAMED.items() if names.get(name)]
        answer = slurm.answer_to_a_job(*named) if named else ""
        if re.search("invalid (account|partition|feature)", answer, re.IGNORECASE):
            raise UserError(
                f"Slurm wouldn't take a job with {' '.join(named)} ({answer.splitlines()[-1]}); correct that in "
                "profiles/slurm/config.yaml, or where it is set"
            )


def _of_partition(asked: Mapping[str, Any], nodes: list[Nodes]) -> list[Nodes]:
    """The nodes of the partition that a job goes to; none where that is more than one, or not known here."""
    if any(asked.get(name) for name in OTHER_CLUSTERS):
        return []
    partition = asked.get("slurm_partition")
    return [each for each in nodes if (each.partition == partition if partition else each.is_default)]
