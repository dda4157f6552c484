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
from dataclasses import dataclass
from functools import cache
from typing import Any

from scripts.common.errors import UserError
from scripts.plan import forecast, room

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
LEAST_LIMIT_SECONDS = 300.0
"""For a cell on a cluster: the minutes of all cells in a job are added, and few of them take theirs."""
LEAST_SECONDS_REMEMBERED = 190
"""The Slurm plugin asks for the state of jobs every three minutes at least, and waits for ever for a job that the
scheduler has forgotten by then (MinJobAge in slurm.conf(5))."""
IMAGE_BYTES = 32 * 32 * 3
CHOOSING = ("--constraint", "-C", "--nodelist", "-w", "--nodefile", "-F", "--exclude", "-x", "--reservation")
"""Options of Slurm that choose among the nodes of a partition: sbatch(1)."""
NAMED = {"slurm_partition": "--partition", "slurm_account": "--account", "constraint": "--constraint"}
"""What a site has names for, by resource, and the option of Slurm."""
OTHER_CLUSTERS = ("cluster", "clusters", "slurm_cluster")
"""Resources by which Snakemake's plugin for Slurm sends jobs to a cluster that can't be asked about here."""
SAME_MEMORY = 1.05
"""The ratio of the memory of two nodes up to which they may be of one kind: firmware keeps some."""
SECONDS_TO_ANSWER = 30


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


def limit_seconds(plan: Any, wildcards: Any, resources: Any) -> float:
    """Return how long (s) a build or timing may take before it counts as hung: the config's, or derived from the
    forecast. On a cluster less than its job, whose end leaves no record; jobs of many small cells have time enough."""
    in_files = room.in_files(plan, wildcards.backend)
    usual = forecast.limit_seconds(int(wildcards.cutoff), plan.budget_seconds, in_files=in_files)
    limit = plan.config["time_limit_seconds"] or usual
    minutes = resources.get("runtime") if plan.on_cluster else None
    return min(limit, max(LEAST_LIMIT_SECONDS, minutes * 60 - 30)) if isinstance(minutes, int) else limit


def check(
    limits: Mapping[str, Any],
    timings: Iterable[Mapping[str, Any]],
    jobs: Iterable[Mapping[str, Any]],
    status_command: str | None,
    partition_config: bool,
) -> None:
    """Raise UserError where timings on a cluster wouldn't be alone or would go to nodes of several kinds, where
    Snakemake would wait for ever, and where the cluster doesn't know a name.

    `limits` are the resources that the run as a whole has, `timings` those of each cell, `jobs` those of each job that
    is going to be submitted, `status_command` what is asked for the state of jobs. With `partition_config` the plugin
    chooses a partition for each job, and nothing is known of its nodes.
    """
    for name in (FILE_SYSTEM, AT_A_TIME):
        if limits.get(name) != 1:
            raise UserError(
                f"the resource {name} has {'no limit' if name not in limits else 'another limit than 1'}, so timings "
                f"would disturb each other; use --workflow-profile profiles/slurm, or pass --resources {FILE_SYSTEM}=1 "
                f"{AT_A_TIME}=1 (timings_at_once in config.yaml says whether nodes time at the same moment)"
            )
    nodes = [] if partition_config else _nodes()
    for asked in timings:
        _check_alone_on_one_kind(asked, nodes)
    for asked in jobs:
        _check_time(asked, nodes)
        if not any(asked.get(name) for name in OTHER_CLUSTERS):
            _check_names(asked)
    remembered = _seconds_remembered()
    if status_command == "squeue" and remembered is not None and remembered < LEAST_SECONDS_REMEMBERED:
        raise UserError(
            f"this cluster forgets a job {remembered} s after its end (MinJobAge), so Snakemake might wait for it for "
            "ever; pass --slurm-status-command sacct, where the cluster keeps accounts"
        )


def refuse_beside_others() -> None:
    """Raise UserError where jobs of an earlier run in this directory go on, also where this run is on one machine."""
    left = _jobs_of_this_directory()
    if left:
        ids = " ".join(left)
        raise UserError(
            f"jobs of an earlier run in {os.getcwd()} are still there (Slurm: {ids}); wait for their end, which loses "
            f"nothing, or end them: scancel {ids}"
        )


def _minutes(cutoff: int, seconds: float) -> int:
    return 1 + math.ceil((PATIENCE * seconds + forecast.SECONDS_PER_FILE * cutoff) / 60)


def _check_alone_on_one_kind(asked: Mapping[str, Any], nodes: list[Nodes]) -> None:
    extra = asked.get("slurm_extra", "").split()
    if ALONE not in extra:
        raise UserError(
            f"slurm_extra of time_operation lacks {ALONE}, so timings wouldn't have a node to themselves; add it to "
            "what you set there"
        )
    first, *others = _kinds(_of_partition(asked, nodes)) or [[]]
    chosen = asked.get("constraint") or any(option.startswith(CHOOSING) for option in extra)
    if others and not chosen:
        raise UserError(
            f"partition {first[0].partition} has nodes of several kinds "
            f"({'; '.join(str(each) for kind in (first, *others) for each in kind)}), and timings must go to one; in "
            "profiles/slurm/config.yaml set constraint or slurm_partition, or slurm_extra of time_operation to "
            f"'{ALONE} --exclude={','.join(each.names for kind in others for each in kind)}'"
        )


def _kinds(nodes: list[Nodes]) -> list[list[Nodes]]:
    """The nodes by CPUs and, roughly, memory."""
    kinds: list[list[Nodes]] = []
    for each in sorted(nodes, key=lambda node: (node.cpus, node.memory)):
        like = kinds and kinds[-1][0].cpus == each.cpus and each.memory <= SAME_MEMORY * kinds[-1][0].memory
        if like:
            kinds[-1].append(each)
        else:
            kinds.append([each])
    return kinds


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
        said = _asked_slurm(*named) if named else ""
        if re.search("invalid (account|partition|feature)", said, re.IGNORECASE):
            raise UserError(
                f"Slurm wouldn't take a job with {' '.join(named)} ({said.splitlines()[-1]}); correct that in "
                "profiles/slurm/config.yaml, or where it is set"
            )


@cache
def _asked_slurm(*options: str) -> str:
    """What Slurm says to a job with such options, which isn't submitted; where its nodes are down, it says other things
    than whether it knows the names."""
    return _output("sbatch", "--test-only", *options, "--wrap", "true", stream="stderr")


def _of_partition(asked: Mapping[str, Any], nodes: list[Nodes]) -> list[Nodes]:
    """The nodes of the partition that a job goes to; none where that is more than one, or not known here."""
    if any(asked.get(name) for name in OTHER_CLUSTERS):
        return []
    partition = asked.get("slurm_partition")
    return [each for each in nodes if (each.partition == partition if partition else each.is_default)]


def _nodes() -> list[Nodes]:
    """All nodes, in as few groups as are alike: sinfo(1)."""
    listed = _output("sinfo", "--noheader", "--exact", "--format", "%P|%l|%c|%m|%N")
    found = []
    for partition, limit, cpus, megabytes, names in re.findall(r"(?m)^(.+)\|(.+)\|(\d+)\|(\d+)\|(.+)$", listed):
        alike = int(cpus), round(int(megabytes) / 1024), partition.rstrip("*"), partition.endswith("*")
        found.append(Nodes(names, *alike, _minutes_of(limit)))
    return found


def _minutes_of(limit: str) -> int | None:
    """Minutes of a time limit as sinfo prints it: [[days-]hours:]minutes:seconds, or a word where there is none."""
    found = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):\d+", limit)
    if not found:
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes


def _seconds_remembered() -> int | None:
    """How long (s) the cluster knows of a job after its end, None where nothing says it."""
    found = re.search(r"MinJobAge\s*=\s*(\d+)", _output("scontrol", "show", "config"))
    return int(found[1]) if found else None


def _jobs_of_this_directory() -> list[str]:
    """The Slurm jobs, by number, that Snakemake has started in this directory and that haven't ended."""
    listed = _output("squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%k|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2]
    return [number for number, comment, directory in jobs if comment.startswith("rule_") and _is_here(directory)]


def _output(*command: str, stream: str = "stdout") -> str:
    """What a command of Slurm's says; nothing where there is no Slurm, or none that answers."""
    if not shutil.which(command[0]):
        return ""
    try:
        return getattr(subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER), stream)
    except subprocess.TimeoutExpired:
        return ""


def _is_here(directory: str) -> bool:
    return os.path.realpath(directory) == os.path.realpath(".")
