"""Operation workers: batches drawn from the whole store, shared by several processes, as a data loader does."""

import os
import time
import zlib
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.errors import Failed
from scripts.measure.operations.base import (
    Clocked,
    Inputs,
    Sample,
    Subject,
    Unmeasurable,
    read_one,
    without_garbage_collection,
)
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.reading import Reading
from scripts.system import machine, process
from scripts.system.aligned import empty_on_page
from scripts.system.costs import Meter, together

TIMES_AS_MANY_IMAGES = 10
"""As many times the images of random are read, so that starting together doesn't count."""
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
        self._count = min(len(inputs.labels), TIMES_AS_MANY_IMAGES * inputs.settings.random_images)
        self._started: dict[str, list[Connection]] = {}

    def prepare(self) -> None:
        """Write the baseline's file and start the processes."""
        if not self.backend.storage.several_readers:
            raise Unmeasurable("only one process at a time can read this store")
        self.stored_images, self.stored_labels = self.write_baseline()
        methods = [FORK, SPAWN] if self.backend.storage.fork_safe and hasattr(os, "fork") else [SPAWN]
        for method in methods:
            self._started[method] = []
            self._start(method)

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Read the same images in each way of sharing them; the last is that with most processes, spawned."""
        ids = self.next_generator(subject).choice(len(self.inputs.labels), self._count, replace=False)
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
        batches = -(-self._count // size)
        for worker in range(self._processes[-1]):
            fewest = 2 ** worker.bit_length()  # with so many processes it has its largest share
            most = min(self._count, -(-(batches - worker) // fewest) * size)
            connection, theirs = context.Pipe()
            arguments = (theirs, os.getpid(), self.rehearsals, max(1, most), self.inputs.images.shape[1:])
            context.Process(target=serve, args=(*arguments, (self.baseline, self.backend)), daemon=True).start()
            theirs.close()
            self._started[method].append(connection)
        for connection in self._started[method]:
            _receive(connection)

    def _run(self, subject: Subject, ids: np.ndarray, connections: list[Connection], method: str) -> Sample:
        path = self.paths[subject.name]
        step = self.inputs.settings.batch_size
        batches = [ids[start : start + step] for start in range(0, len(ids), step)]
        shares = [batches[worker :: len(connections)] for worker in range(len(connections))]
        resident = self.cache.bring_about(path)
        for connection, share in zip(connections, shares, strict=True):
            _send(connection, (subject.name, path, share, self.cold))
        for connection in connections:
            _receive(connection)
        for connection in connections:
            _send(connection, "go")
        answers = [_receive(connection) for connection in connections]
        starts, ends, open_seconds, costs, found = zip(*answers, strict=True)
        if list(found) != [self._checksum(share) for share in shares]:
            self.refuse()
        total = together(costs)
        return self.sample(
            subject,
            Clocked((max(ends) - min(starts)) / 1e9, total),
            processes=len(connections),
            start_method=method,
            images=len(ids),
            open_seconds=max(open_seconds),
            resident_fraction=resident,
            state_verified=self.verified(
                subject, resident, total.device_read_bytes, len(ids) / len(self.inputs.labels)
            ),
        )

    def _checksum(self, batches: list[np.ndarray]) -> int:
        ids = np.concatenate([*batches, np.empty(0, np.int64)]).astype(np.int64)
        return checksum(self.stored_images[ids], self.stored_labels[ids])


def serve(
    connection: Connection,
    parent: int,
    rehearsals: dict[str, Path],
    most: int,
    image_shape: tuple[int, ...],
    subjects: tuple[Subject, ...],
) -> None:
    """Be a worker: for each share of batches that comes, say when ready, wait for the word, read, and answer."""
    process.die_with(parent)
    images, labels = empty_on_page((most, *image_shape), np.uint8), empty_on_page((most,), np.int64)
    images.fill(0)
    labels.fill(0)
    for subject in subjects:
        read_one(subject, rehearsals[subject.name], images[:1], labels[:1])
    known = {subject.name: subject for subject in subjects}
    meter = Meter()
    connection.send("ready")
    while task := connection.recv():
        try:
            name, path, batches, cold = task
            _read(connection, known[name], path, batches, images, labels, meter, cold=cold)
        except Exception as error:
            connection.send(process.failure(error))


def checksum(images: np.ndarray, labels: np.ndarray) -> int:
    """Return the CRC-32 of images and then labels: quick, and enough to notice what isn't planted."""
    return zlib.crc32(np.ascontiguousarray(labels), zlib.crc32(np.ascontiguousarray(images)))


def _read(
    connection: Connection,
    subject: Subject,
    path: Path,
    batches: list[np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
    meter: Meter,
    *,
    cold: bool,
) -> None:
    """Read batches and answer; the word `ready` comes once the reader is open or, cold, before it is opened."""

    def wait_for_the_word() -> None:
        connection.send("ready")
        connection.recv()

    calls = []
    done = 0
    for ids in batches:
        place = slice(done, done + len(ids))
        calls.append((ids, images[place], labels[place]))
        done += len(ids)
    images[:done].fill(0xAA)
    labels[:done].fill(-1)
    if cold:
        wait_for_the_word()
    meter.start()
    start = time.perf_counter_ns()
    with without_garbage_collection(), subject.storage.open(path, subject.options) as reader:
        open_seconds = (time.perf_counter_ns() - start) / 1e9
        if not cold:
            wait_for_the_word()
            start = time.perf_counter_ns()
        for call in calls:
            reader.read(*call)
        end = time.perf_counter_ns()
        costs = meter.stop()
    connection.send((start, end, open_seconds, costs, checksum(images[:done], labels[:done])))


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


@Declaration(kind="workers", state="warm", position=9, purpose="workers", settings=("random_images", "batch_size"))
class WorkersWarm(Workers):
    """Workers, warm.

    Reading batches, drawn over the whole store, that 1, 2, 4 ... processes share, up to the cores, forked where the
    backend allows it, and spawned. Each has opened a reader of its own before the clock starts.

    Adds: Whether 2, 4 and more processes read faster than one.

    Takes: about a minute for each with 100,000 images
    """


@Declaration(kind="workers", state="cold", position=10, purpose="workers", settings=("random_images", "batch_size"))
class WorkersCold(Workers):
    """Workers, cold.

    Reading batches that processes share, from a store that was evicted from the page cache before; each opens a reader
    of its own after the clock starts.

    Takes: about a minute for each with 100,000 images
    """
