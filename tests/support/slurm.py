"""A real Slurm of two nodes on this host for tests, in namespaces of its own: no other Slurm is used or disturbed."""

import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import pytest

from scripts.system import lock
from tests.support.checkout import CHECKOUT

NODES = ("n1", "n2")
LOCK = "lock"
"""The file of a node's lock, in its private directory."""
CONFIGURATION = Path(__file__).with_name("slurm.conf")
ACCOUNT = "my_project"
"""That of the only user of a cluster with accounts."""
SBIN = "/usr/sbin:/sbin"  # where the daemons are; the PATH of a `su` without a dash leaves it out
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "unshare", "nsenter")
PATIENCE = 300
"""How long (s) to wait for Slurm: it gives a step whose output nobody reads any more a minute before it ends it, and
looks at the limit of time twice a minute; Snakemake's executor looks at its jobs ten seconds later each time."""
PROGRAMS_OF_ACCOUNTS = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb-admin")

# The first process of a namespace of processes: when it ends, the kernel kills the others. It ends with its standard
# input, so also when pytest is killed.
LOGIN_NODE = """
set -e
PATH=$PATH:{sbin}
read -r pid rest </proc/self/stat  # the process id outside: /proc is still the host's
mount -t proc proc /proc
hostname login
mount --bind "$1/slurm" /etc/slurm
mount --bind /etc/slurm/hosts /etc/hosts
mount --bind "$1/nodes/login" "$1/private"
cd /etc/slurm
munged --force --num-threads=2 --key-file=/etc/slurm/munge.key --socket=/etc/slurm/munge.socket \
    --pid-file=/etc/slurm/munged.pid --log-file=/etc/slurm/munged.log --seed-file=/etc/slurm/munged.seed </dev/null
{accounting}
slurmctld -D </dev/null >/dev/null &
# Slurm forgets a job five minutes after its end; tests look at all of a run.
while sleep 30; do {history} >history && mv history history-$EPOCHSECONDS; done </dev/null &
echo "$pid"
read -r
"""
ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStoragePass=/etc/slurm/munge.socket
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment
MinJobAge=10
"""
"""In the place of what the configuration says of accounts."""
DATABASE = """AuthType=auth/munge
AuthInfo=socket=/etc/slurm/munge.socket
DbdHost=localhost
DbdPort={database}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
PidFile=/etc/slurm/slurmdbd.pid
LogFile=/etc/slurm/slurmdbd.log
"""
"""slurmdbd.conf(5)."""
# A database of the cluster's own, which nothing outlives: what it writes needn't be on a disk.
KEEP_ACCOUNTS = """
export TMPDIR=/etc/slurm  # in /tmp, the database of another test cluster has files of the same names
mariadb-install-db --no-defaults --user=root --datadir=/etc/slurm/database --skip-test-db </dev/null >/dev/null
export MYSQL_UNIX_PORT=/etc/slurm/database.socket
mariadbd --no-defaults --user=root --datadir=/etc/slurm/database --socket=$MYSQL_UNIX_PORT --skip-networking \
    --pid-file=/etc/slurm/database.pid --innodb-flush-log-at-trx-commit=0 </dev/null >/dev/null &
unset TMPDIR
for i in {{1..300}}; do mariadb-admin --no-defaults ping </dev/null >/dev/null 2>&1 && break; sleep 0.1; done
slurmdbd -D </dev/null >/dev/null &
for i in {{1..300}}; do sacctmgr --immediate add cluster test </dev/null >/dev/null 2>&1 && break; sleep 0.1; done
sacctmgr --immediate add account {account} </dev/null >/dev/null
sacctmgr --immediate add user root account={account} </dev/null >/dev/null
"""
COMPUTE_NODE = """
set -e
mount -t proc proc /proc
hostname "$2"
mount --bind "$1/nodes/$2" "$1/private"
cd /etc/slurm
"${@:3}" slurmd -D -N "$2" </dev/null &
read -r
"""
UNSHARE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child")

# nsenter waits for the command, which is in another namespace of processes: signals to the process group are the
# command's to handle, and its exit status becomes nsenter's.
ENTER = """
trap "" INT TERM
unset ${{!SLURM_*}} ${{!SBATCH_*}} ${{!SQUEUE_*}} ${{!SCONTROL_*}} ${{!SINFO_*}}
exec nsenter --target {pid} --mount --uts --pid -- \
    env --default-signal=INT,TERM --chdir="$PWD" PATH="$PATH:{sbin}" {variable} "$@"
"""

FORMAT = "\t".join(("%A", "%T", "%j", "%k", "%N", "%P", "%h", "%C", "%m", "%S", "%e", "%r"))
"""Columns of squeue, in the order of Job's fields."""
HISTORY = f"SLURM_TIME_FORMAT=%s squeue --states=all --noheader --format='{FORMAT}'"
ACTIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")


@dataclass(frozen=True)
class Job:
    """A job as Slurm last told of it; `start` and `end` are whole seconds since 1970, None where they aren't known."""

    id: int
    state: str
    name: str
    comment: str
    node: str
    partition: str
    exclusive: bool
    cpus: int
    memory: str
    start: int | None
    end: int | None
    reason: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one line of HISTORY."""
        values: dict[str, Any] = dict(zip((field.name for field in fields(cls)), line.split("\t"), strict=True))
        for key in ("id", "cpus", "start", "end"):
            values[key] = int(values[key]) if values[key].isdigit() else None
        values["comment"] = values["comment"].replace("(null)", "")
        return cls(**values | {"exclusive": values["exclusive"] == "NO"})

    def overlaps(self, other: "Job") -> bool:
        """Say whether both, which have ended, ran at one moment, wherever they ran."""
        return self.start < other.end and other.start < self.end


def unavailable(accounts: bool = False) -> str | None:
    """Return why there can be no cluster here, or none with accounts, and the remedy; None where there can."""
    programs = (*PROGRAMS, *(PROGRAMS_OF_ACCOUNTS if accounts else ()))
    missing = [program for program in programs if not shutil.which(program, path=f"{os.environ['PATH']}:{SBIN}")]
    if missing:
        packages = "slurm-wlm munge slurmdbd mariadb-server util-linux"
        return f"no Slurm here ({', '.join(missing)} not found): apt-get install {packages}"
    if os.geteuid() != 0:
        return "a test cluster's nodes need namespaces of their own: run pytest as root"
    done = subprocess.run([*UNSHARE, "mount", "-t", "proc", "proc", "/proc"], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return f"no namespaces here ({done.stderr.strip()}): run pytest as root, and a container privileged"
    return None


class Cluster:
    """Two nodes, n1 and n2, and a login node that commands run on.

    All share this host's files but `private`, which on each is another directory: outside, `nodes/<name>`. It ends with
    its `with`, or with the process that made it, and takes everything that was started in it along.

    With `accounts` it has an accounting database, refuses jobs of other accounts than ACCOUNT, forgets jobs after ten
    seconds, and says that its second node has twice the memory.
    """

    def __init__(self, parent: Path, accounts: bool = False) -> None:
        self.parent = parent
        self.accounts = accounts

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".test-", dir=self.parent)))
            self.private = self.directory / "private"
            self._prepare()
            self._nodes: dict[str, subprocess.Popen[str]] = {}
            self._started: list[subprocess.Popen[str]] = []
            accounting = KEEP_ACCOUNTS.format(account=ACCOUNT) if self.accounts else ""
            script = LOGIN_NODE.format(history=HISTORY, sbin=SBIN, accounting=accounting)
            self._login = self._first_process([*UNSHARE, "bash", "-c", script, "login", str(self.directory)])
            stack.callback(self._stop)
            pid = self._login.stdout.readline().strip()
            if not pid:
                raise RuntimeError(f"the test cluster didn't start\n{self._logs()}")
            variable = shlex.quote(f"{lock.ENVIRONMENT_VARIABLE}={self.private}/{LOCK}")
            self.prefix = ["bash", "-c", ENTER.format(pid=pid, sbin=SBIN, variable=variable), "login"]
            """What comes before a command that is to run on the login node."""
            for name in NODES:
                self._start_node(name)
            self.wait_for(lambda: set(self.nodes().values()) == {"idle"}, "the nodes to be ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on the login node to its end, with the output as text; options are those of subprocess."""
        defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
        return subprocess.run([*self.prefix, *command], **defaults | options)

    def start(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """Start a command on the login node, in a session of its own; its signals go through `signal`."""
        defaults = {"stdin": subprocess.DEVNULL, "text": True, "start_new_session": True}
        self._started.append(subprocess.Popen([*self.prefix, *command], **defaults | options))
        return self._started[-1]

    def signal(self, process: subprocess.Popen[str], number: int) -> None:
        """Send a signal to all that a started command consists of, as a terminal does."""
        os.killpg(process.pid, number)

    def submit(self, script: str, *options: str) -> int:
        """Submit a shell script, and return the number of the job."""
        command = ["sbatch", "--parsable", f"--output={self.directory}/job-%j.log", *options, "--wrap", script]
        return int(self._output(command))

    def jobs(self) -> dict[int, Job]:
        """Return all jobs there ever were, by number, as they are now or were when last seen."""
        earlier = [path.read_text() for path in sorted((self.directory / "slurm").glob("history-*"))]
        lines = "".join([*earlier, self._output(["bash", "-c", HISTORY])]).splitlines()
        return {job.id: job for job in map(Job.parse, lines)}

    def job_started(self, number: int) -> None:
        """Wait until a node has a job; its first process may come a moment later."""
        self.wait_for(lambda: self.jobs()[number].state == "RUNNING", f"job {number} to start")

    def job_ended(self, number: int) -> Job:
        """Wait until a job is no longer waiting or running, and return it."""
        self.wait_for(lambda: self.jobs()[number].state not in ACTIVE, f"job {number} to end")
        return self.jobs()[number]

    def cancel(self, number: int) -> None:
        """Cancel a job."""
        self._output(["scancel", str(number)])

    @contextmanager
    def timings_held(self) -> Iterator[None]:
        """Let timings on all nodes wait: what a host's lock is for, each node has its own."""
        with ExitStack() as stack:
            for name in NODES:
                file = stack.enter_context(open(self.directory / "nodes" / name / LOCK, "a"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def expire(self, number: int) -> None:
        """Let a running job's time be over; Slurm looks every 30 s, and its shortest limit is a minute."""
        self._output(["scontrol", "update", f"jobid={number}", "EndTime=now+1"])

    def nodes(self) -> dict[str, str]:
        """Return the state of each node: `idle`, `mixed`, `allocated`, `down`, ...; `*` where it's silent."""
        lines = self._output(["sinfo", "--noheader", "--Node", "--format=%N %T"], check=False).splitlines()
        return dict(line.split() for line in lines)

    def kill_node(self, name: str) -> None:
        """End a node's slurmd and all processes of its jobs at once, as a crash does, and let Slurm know at once."""
        _end(self._nodes.pop(name))
        self._output(["scontrol", "update", f"nodename={name}", "state=down", "reason=killed"])
        self.wait_for(lambda: self.nodes()[name].startswith("down"), f"node {name} to be down")

    def restore_node(self, name: str, before: Sequence[str] = ()) -> None:
        """Start a killed node again, with a command before its slurmd, and wait until it takes jobs."""
        self._start_node(name, before)
        self.wait_for(lambda: self.nodes()[name] in ("idle", "mixed", "allocated"), f"node {name} to be back")

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Wait until a condition holds; a TimeoutError tells what the controller said last."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout} s for {what}\n{self._logs()}")
            time.sleep(0.1)

    def _prepare(self) -> None:
        """Make the directories and the files of the configuration."""
        self.directory.chmod(0o755)
        for name in ("slurm", "private", "nodes", "nodes/login", *(f"nodes/{name}" for name in NODES)):
            (self.directory / name).mkdir()
        for path in (self.directory / "nodes").iterdir():
            path.chmod(0o1777)
        names = ("login", *NODES, "database")
        ports = dict(zip(names, _free_ports(len(names)), strict=True))
        slurm = self.directory / "slurm"
        text = CONFIGURATION.read_text().format(**ports)
        if self.accounts:
            text = text.replace("AccountingStorageType=accounting_storage/none", ACCOUNTING.format(**ports))
            text = text.replace("RealMemory=4000 Feature=skylake", "RealMemory=8000 Feature=skylake")
            (slurm / "slurmdbd.conf").write_text(DATABASE.format(**ports))
            (slurm / "slurmdbd.conf").chmod(0o600)
        (slurm / "slurm.conf").write_text(text)
        (slurm / "hosts").write_text(f"127.0.0.1 login {' '.join(NODES)}\n{Path('/etc/hosts').read_text()}")
        (slurm / "munge.key").write_bytes(os.urandom(128))
        (slurm / "munge.key").chmod(0o600)

    def _start_node(self, name: str, before: Sequence[str] = ()) -> None:
        command = [*self.prefix, *UNSHARE, "bash", "-c", COMPUTE_NODE, name, str(self.directory), name, *before]
        self._nodes[name] = self._first_process(command)

    def _first_process(self, command: Sequence[str]) -> subprocess.Popen[str]:
        with open(self.directory / "slurm" / "errors.log", "a") as errors:
            return subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is pytest's, which then ends them
            )

    def _stop(self) -> None:
        _end(self._login)
        for process in (*self._nodes.values(), *self._started):
            _end(process)

    def _output(self, command: Sequence[str], check: bool = True) -> str:
        done = self.run(command)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}\n{self._logs()}")
        return done.stdout

    def _logs(self) -> str:
        """Return the last lines of every log."""
        logs = sorted((self.directory / "slurm").glob("*.log"))
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}" for path in logs)


def _end(process: subprocess.Popen[str]) -> None:
    """End the first process of a namespace, and with it all others there."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def cluster_or_skip(accounts: bool = False) -> Iterator[Cluster]:
    """Start a cluster on the checkout's file system; where there can be none, skip the tests, but fail them in CI."""
    if reason := unavailable(accounts):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    results = CHECKOUT / "results"
    results.mkdir(exist_ok=True)
    with Cluster(results, accounts) as cluster:
        yield cluster
