"""What Slurm says of its nodes and jobs; nothing where there is no Slurm, or none that answers."""

import getpass
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

SECONDS_TO_ANSWER = 30
SAME_MEMORY_RATIO = 1.05
"""The ratio of the memory of two nodes up to which they may be of one kind: firmware keeps some."""


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


def nodes() -> list[Nodes]:
    """Return all nodes, in as few groups as are alike: sinfo(1)."""
    listed = _output("sinfo", "--noheader", "--exact", "--format", "%P|%l|%c|%m|%N")
    return [
        Nodes(
            names=names,
            cpus=int(cpus),
            memory=round(int(megabytes) / 1024),
            partition=partition.rstrip("*"),
            is_default=partition.endswith("*"),
            minutes=_minutes(limit),
        )
        for partition, limit, cpus, megabytes, names in re.findall(r"(?m)^(.+)\|(.+)\|(\d+)\|(\d+)\|(.+)$", listed)
    ]


def kinds(nodes: list[Nodes]) -> list[list[Nodes]]:
    """Return the nodes by kind: nodes of one kind have the same CPUs and about the same memory."""
    by_kind: list[list[Nodes]] = []
    for each in sorted(nodes, key=lambda node: (node.cpus, node.memory)):
        smallest = by_kind[-1][0] if by_kind else None
        if smallest and smallest.cpus == each.cpus and each.memory <= SAME_MEMORY_RATIO * smallest.memory:
            by_kind[-1].append(each)
        else:
            by_kind.append([each])
    return by_kind


@cache
def answer_to_a_job(*options: str) -> str:
    """Return what Slurm says to a job with such options, which isn't submitted.

    When nodes are down, Slurm says so, whether it knows the names in the options or not.
    """
    return _output("sbatch", "--test-only", *options, "--wrap", "true", stream="stderr")


def seconds_remembered() -> int | None:
    """Return how long (s) the cluster knows of a job after its end, None where nothing says it."""
    setting = re.search(r"MinJobAge\s*=\s*(\d+)", _output("scontrol", "show", "config"))
    return int(setting[1]) if setting else None


def jobs_of_this_directory() -> list[str]:
    """Return the jobs, by number, that Snakemake has started in this directory and that haven't ended."""
    listed = _output("squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%k|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2]
    return [number for number, comment, directory in jobs if comment.startswith("rule_") and _is_here(directory)]


def _minutes(limit: str) -> int | None:
    """Minutes of a time limit as sinfo prints it: [[days-]hours:]minutes:seconds, or a word where there is none."""
    parts = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):\d+", limit)
    if not parts:
        return None
    days, hours, minutes = (int(part or 0) for part in parts.groups())
    return (days * 24 + hours) * 60 + minutes


def _is_here(directory: str) -> bool:
    return os.path.realpath(directory) == os.path.realpath(".")


def _output(*command: str, stream: str = "stdout") -> str:
    """What a command of Slurm's prints; nothing where there is no Slurm, or none that answers."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except subprocess.TimeoutExpired:
        return ""
    return done.stderr if stream == "stderr" else done.stdout
