"""The operations that are timed, by name: cache state and durability included.

Each kind of operation is a file in this folder; random and batch share `drawn.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from scripts.measure.operations.base import Inputs, Operation, Subject
from scripts.measure.operations.first_image import FirstImage
from scripts.measure.operations.read import Read
from scripts.measure.operations.shuffled import Batch, Random
from scripts.measure.operations.workers import Workers
from scripts.measure.operations.write import Write

SETTINGS = ("budget_seconds", "minimum_samples", "threads")
"""The settings of the config that every operation depends on."""
COLD_SETTINGS = ("drop_caches",)


@dataclass(frozen=True)
class Kind:
    """How one operation is made, and which settings of the config it depends on."""

    make: Callable[[Inputs, Subject, Subject], Operation]
    settings: tuple[str, ...]


def _write(*, durable: bool) -> Kind:
    return Kind(partial(Write, durable=durable), SETTINGS)


def _read(kind: type[Read], *, cold: bool) -> Kind:
    return Kind(partial(kind, cold=cold), (*SETTINGS, *kind.settings, *(COLD_SETTINGS if cold else ())))


OPERATIONS: dict[str, Kind] = {
    "write": _write(durable=False),
    "write-durable": _write(durable=True),
    "read-warm": _read(Read, cold=False),
    "read-cold": _read(Read, cold=True),
    "random-warm": _read(Random, cold=False),
    "random-cold": _read(Random, cold=True),
    "batch-warm": _read(Batch, cold=False),
    "batch-cold": _read(Batch, cold=True),
    "workers-warm": _read(Workers, cold=False),
    "workers-cold": _read(Workers, cold=True),
    "first-image-warm": _read(FirstImage, cold=False),
    "first-image-cold": _read(FirstImage, cold=True),
}
