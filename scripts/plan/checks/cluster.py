"""What a run asks of its Slurm cluster, checked before its start.

Timings must be alone and on nodes of one kind, and nothing may let Snakemake wait for ever. What only Slurm could tell
isn't checked where there is no Slurm, or none that answers.
"""

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from scripts.common.errors import UserError
from scripts.plan.jobs import Jobs
from scripts.plan.snakemake_internals import Job, SnakemakeRun

RESOURCES = ("file_system_users", "at_a_time")
"""Resources of which the profile gives 1: `file_system_users` to the run as a whole, for builds and timings on the
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
SECONDS_TO_ANSWER = 30
SAME_MEMORY_RATIO = 1.05
"""The ratio of the memory of two nodes up to which they may be of one kind: firmware keeps some."""

Resources = Mapping[str, Any]


@dataclass(frozen=True)
class Nodes:
    """Nodes of one partition that Slurm takes for alike; memory in GiB, the partition's time limit in minutes, None
    where it has none."""

    names: str
    cpus: int
    memory: int
    partition: str
    is_default: bool
    minutes: int | None

    def __str__(self) -> str:
        return f"{self.names} with {self.cpus} CPUs and {self.memory} GiB"


def refuse_beside_others() -> None:
    """Raise UserError where jobs of an earlier run in this directory go on, also where this run is on one machine."""
    listed = _output("squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%k|%Z")
    here = os.path.realpath(".")
    jobs = re.findall(r"(?m)^(.+?)\|rule_.*?\|(.+)$", listed)
    if left := " ".join(number for number, directory in jobs if os.path.realpath(directory) == here):
        raise UserError(
            f"jobs of an earlier run in {os.getcwd()} are still there (Slurm: {left}); wait for their end, which loses "
            f"nothing, or end them: scancel {left}"
        )


def check(run: SnakemakeRun, timings: Iterable[Job], jobs: Iterable[Job]) -> None:
    """Raise UserError where timings on a cluster wouldn't be alone or would go to nodes of several kinds, where
    Snakemake would wait for ever, and where the cluster doesn't know a name."""
    for name in RESOURCES:
        if run.limits.get(name) != 1:
            alone = " ".join(f"{resource}=1" for resource in RESOURCES)
            raise UserError(
                f"the resource {name} has {'no limit' if name not in run.limits else 'another limit than 1'}, so "
                "timings would disturb each other; use --workflow-profile profiles/slurm, or pass --resources "
                f"{alone} (timings_at_once in config.yaml says whether nodes time at the same moment)"
            )
    # Nothing is known of a job's nodes where the plugin chooses a partition for each job.
    nodes = [] if run.slurm_chooses_partitions else _nodes()
    for timing in timings:
        _check_alone_on_one_kind(timing.resources, nodes)
    for job in run.submitted(jobs):
        _check_time(job.resources, nodes)
        if not any(job.resources.get(name) for name in OTHER_CLUSTERS):
            _check_names(job.resources)
    remembered = re.search(r"MinJobAge\s*=\s*(\d+)", _output("scontrol", "show", "config"))
    if run.slurm_status_command == "squeue" and remembered and int(remembered[1]) < LEAST_SECONDS_REMEMBERED:
        raise UserError(
            f"this cluster forgets a job {remembered[1]} s after its end (MinJobAge), so Snakemake might wait for it "
            "for ever; pass --slurm-status-command sacct, where the cluster keeps accounts"
        )


def _check_alone_on_one_kind(asked: Resources, nodes: list[Nodes]) -> None:
    extra = asked.get("slurm_extra", "").split()
    if Jobs.alone not in extra:
        raise UserError(
            f"slurm_extra of time_operation lacks {Jobs.alone}, so timings wouldn't have a node to themselves; add it "
            "to what you set there"
        )
    kinds: list[list[Nodes]] = []
    for each in sorted(_of_partition(asked, nodes), key=lambda node: (node.cpus, node.memory)):
        smallest = kinds[-1][0] if kinds else None
        if smallest and smallest.cpus == each.cpus and each.memory <= SAME_MEMORY_RATIO * smallest.memory:
            kinds[-1].append(each)
        else:
            kinds.append([each])
    chosen = asked.get("constraint") or any(option.startswith(CHOOSING) for option in extra)
    if len(kinds) > 1 and not chosen:
        all_kinds = "; ".join(str(each) for kind in kinds for each in kind)
        others = ",".join(each.names for kind in kinds[1:] for each in kind)
        raise UserError(
            f"partition {kinds[0][0].partition} has nodes of several kinds ({all_kinds}), and timings must go to one; "
            "in profiles/slurm/config.yaml set constraint or slurm_partition, or slurm_extra of time_operation to "
            f"'{Jobs.alone} --exclude={others}'"
        )


def _check_time(asked: Resources, nodes: list[Nodes]) -> None:
    """Slurm may keep a job for ever that asks for more time than its partition gives (EnforcePartLimits)."""
    for each in _of_partition(asked, nodes):
        minutes = asked.get("runtime") or 0
        if each.minutes is not None and minutes > each.minutes:
            raise UserError(
                f"a job asks for {minutes} minutes, and partition {each.partition} gives {each.minutes} at most; in "
                "profiles/slurm/config.yaml set slurm_partition to another one, runtime to less, or fewer cells to a "
                "job with group-components"
            )


def _check_names(asked: Resources) -> None:
    """Snakemake's plugin for Slurm waits for ever where an account isn't the user's (2.8.0, seen)."""
    # Of several accounts, the plugin submits to each.
    for account in re.split(r"[,\s]+", asked.get("slurm_account") or ""):
        names = {**asked, "slurm_account": account}
        named = [f"{option}={names[name]}" for name, option in NAMED.items() if names.get(name)]
        # When nodes are down, Slurm says so, whether it knows the names or not.
        answer = _output("sbatch", "--test-only", *named, "--wrap", "true") if named else ""
        if re.search("invalid (account|partition|feature)", answer, re.IGNORECASE):
            raise UserError(
                f"Slurm wouldn't take a job with {' '.join(named)} ({answer.splitlines()[-1]}); correct that in "
                "profiles/slurm/config.yaml, or where it is set"
            )


def _nodes() -> list[Nodes]:
    """All nodes, in as few groups as are alike: sinfo(1)."""
    listed = _output("sinfo", "--noheader", "--exact", "--format", "%P|%l|%c|%m|%N")
    found = re.findall(r"(?m)^(.+)\|(.+)\|(\d+)\|(\d+)\|(.+)$", listed)
    return [
        Nodes(names, int(cpus), round(int(megabytes) / 1024), name.rstrip("*"), name.endswith("*"), _minutes(limit))
        for name, limit, cpus, megabytes, names in found
    ]


def _of_partition(asked: Resources, nodes: list[Nodes]) -> list[Nodes]:
    """The nodes of the partition that a job goes to; none where that is more than one, or not known here."""
    if any(asked.get(name) for name in OTHER_CLUSTERS):
        return []
    partition = asked.get("slurm_partition")
    return [each for each in nodes if (each.partition == partition if partition else each.is_default)]


def _minutes(limit: str) -> int | None:
    """Minutes of a time limit as sinfo prints it: [[days-]hours:]minutes:seconds, or a word where there is none."""
    parts = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):\d+", limit)
    if not parts:
        return None
    days, hours, minutes = (int(part or 0) for part in parts.groups())
    return (days * 24 + hours) * 60 + minutes


@cache
def _output(*command: str) -> str:
    """What a command of Slurm's prints; nothing where there is no Slurm, or none that answers."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout + done.stderr
