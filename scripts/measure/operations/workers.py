"""Operation workers: batches drawn from the whole store, shared by several processes, as a data loader does."""

import os
import time
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.errors import Failed
from scripts.measure.operations import base
from scripts.measure.operations.base import Clocked, Inputs, Sample, Subject, Unmeasurable
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.reading import Reading, calls
from scripts.stores.content import checksums
from scripts.system import machine, process
from scripts.system.aligned import empty_on_page
from scripts.system.costs import Costs, Meter, together

FORK, SPAWN = "fork", "spawn"
KILLED = "a process that read batches has ended before its time, most likely killed for want of memory"


class Workers(Reading):
    """Shares batches among 1, 2, 4 ... processes up to the cores, forked where that is safe, and spawned.

    The processes stay from run to run. In each run every process opens a reader of its own, and when all have, they
    start; cold, they start by opening it, as in `Random`. The time is from the first start to the last end. Batches are
    dealt in turn, as PyTorch's data loader does.
    """

    in_other_processes = True

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        super().__init__(inputs, backend, baseline)
        self._processes = [2**power for power in range(machine.usable_cores().bit_length())]
        self._drawn = min(self.count, self.declared.draws * inputs.settings.random_images)
        self._started: dict[str, list[Connection]] = {}

    def prepare(self) -> None:
        """Write the baseline's file and start the processes."""
        if not self.backend.storage.several_readers:
            raise Unmeasurable("only one process at a time can read this store")
        super().prepare()
        methods = [FORK, SPAWN] if self.backend.storage.fork_safe and hasattr(os, "fork") else [SPAWN]
        for method in methods:
            self._started[method] = []
            self._start(method)

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Read the same images in each way of sharing them; the last is that with most processes, spawned."""
        ids = self.next_generator(subject).choice(self.count, self._drawn, replace=False)
        return [
            self._run(subject, ids, connections[:count], method)
            for method, connections in self._started.items()
            for count in self._processes
        ]

    def finish(self) -> None:
        """Let the processes end."""
        for connections in self._started.values():
            for connection in connections:
                with suppress(OSError):  # one that was killed
                    connection.send(None)
                connection.close()

    def _start(self, method: str) -> None:
        """Start as many processes as any run needs, and wait until all are ready for work."""
        context = get_context("fork") if method == FORK else get_context("spawn")
        size = self.inputs.settings.batch_size
        batches = -(-self._drawn // size)
        subjects = (self.baseline, self.backend)
        for worker in range(self._processes[-1]):
            fewest = 2 ** worker.bit_length()  # with so many processes it has its largest share
            most = min(self._drawn, -(-(batches - worker) // fewest) * size)
            connection, theirs = context.Pipe()
            shape = (max(1, most), *self.inputs.images.shape[1:])
            arguments = (theirs, os.getpid(), self.rehearsals, shape, size, subjects)
            context.Process(target=serve, args=arguments, daemon=True).start()
            theirs.close()
            self._started[method].append(connection)
        for connection in self._started[method]:
            _receive(connection)

    def _run(self, subject: Subject, ids: np.ndarray, connections: list[Connection], method: str) -> Sample:
        path = self.paths[subject.name]
        # Batches are dealt in turn. There may be fewer of them than processes.
        dealt = np.arange(len(ids)) // self.inputs.settings.batch_size % len(connections)
        shares = [ids[dealt == worker] for worker in range(len(connections))]
        resident = self.cache.bring_about(*self.places[subject.name])
        for connection, share in zip(connections, shares, strict=True):
            _send(connection, (subject.name, path, share, self.cold))
        for connection in connections:
            _receive(connection)
        for connection in connections:
            _send(connection, "go")
        answers = [_receive(connection) for connection in connections]
        starts, ends, open_seconds, costs, found = zip(*answers, strict=True)
        if not all(map(np.array_equal, found, (self.checksums[subject.name][share] for share in shares))):
            self.refuse()
        taken = Clocked((max(ends) - min(starts)) / 1e9, together(costs))
        known = {"processes": len(connections), "start_method": method, "open_seconds": max(open_seconds)}
        return self.sample_of(subject, taken, resident, len(ids), **known)


def serve(
    connection: Connection,
    parent: int,
    rehearsals: dict[str, Path],
    shape: tuple[int, ...],
    batch_size: int,
    subjects: tuple[Subject, ...],
) -> None:
    """Be a worker: for each share of batches that comes, say when ready, wait for the word, read, and answer."""
    process.die_with(parent)
    images, labels = empty_on_page(shape, np.uint8), empty_on_page(shape[:1], np.int64)
    images.fill(0)
    labels.fill(0)
    for subject in subjects:
        base.read_one(subject, rehearsals[subject.name], images[:1], labels[:1])
    known = {subject.name: subject for subject in subjects}
    meter = Meter()
    connection.send("ready")
    while task := connection.recv():
        try:
            name, path, ids, cold = task
            own_images, own_labels = images[: len(ids)], labels[: len(ids)]
            own_images.fill(0xAA)
            own_labels.fill(-1)
            own_calls = calls(ids, own_images, own_labels, batch_size)
            timed = _read(connection, known[name], path, own_calls, meter, cold=cold)
            connection.send((*timed, checksums(own_images, own_labels)))
        except Exception as error:
            connection.send(process.failure(error))


def _read(
    connection: Connection,
    subject: Subject,
    path: Path,
    calls: list[tuple[np.ndarray, ...]],
    meter: Meter,
    *,
    cold: bool,
) -> tuple[int, int, float, Costs]:
    """Read, and return start and end (ns), the seconds of opening and the costs; cold, opening waits for the word."""

    def wait_for_the_word() -> None:
        connection.send("ready")
        connection.recv()

    if cold:
        wait_for_the_word()
    meter.start()
    start = time.perf_counter_ns()
    with base.without_garbage_collection(), subject.storage.open(path, subject.options) as reader:
        open_seconds = (time.perf_counter_ns() - start) / 1e9
        if not cold:
            wait_for_the_word()
            start = time.perf_counter_ns()
        for call in calls:
            reader.read(*call)
        end = time.perf_counter_ns()
        costs = meter.stop()
    return start, end, open_seconds, costs


def _send(connection: Connection, message: Any) -> None:
    try:
        connection.send(message)
    except OSError:
        raise Failed(KILLED) from None


def _receive(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except (EOFError, OSError):
        raise Failed(KILLED) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@Declaration(
    kind="workers",
    state="warm",
    position=9,
    purpose="workers",
    draws=10,
    several_processes=True,
    settings=("random_images", "batch_size"),
)
class WorkersWarm(Workers):
    """Workers, warm.

    Reading batches, drawn over the whole store, that 1, 2, 4 ... processes share, up to the cores, forked where the
    backend allows it, and spawned. Each has opened a reader of its own before the clock starts.

    Adds: Whether 2, 4 and more processes read faster than one.

    Takes: about a minute for each with 100,000 images
    """


@Declaration(
    kind="workers",
    state="cold",
    position=10,
    purpose="workers",
    draws=10,
    several_processes=True,
    settings=("random_images", "batch_size"),
)
class WorkersCold(Workers):
    """Workers, cold.

    Reading batches that processes share, from a store that was evicted from the page cache before; each opens a reader
    of its own after the clock starts.

    Takes: about a minute for each with 100,000 images
    """
