"""A record as a type: what one timing job wrote, built once from the JSON that `reading` has checked.

The fields are described in `scripts/schemas/record.schema.yaml`. Times are in seconds and sizes in bytes.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from scripts.common import digests
from scripts.common.cells import Cell
from scripts.measure.operations import base
from scripts.measure.stopping import block
from scripts.report.rows import MEASURED, Values, Way
from scripts.system.noise import Probes

SUBJECTS = BACKEND, BASELINE = "backend", "baseline"
"""The subjects of samples: the backend itself, and the reference file that is timed between its samples."""
DECODING = "decoding"
"""The subject that some jobs have beside these: the codec's decoding of a store's values, from memory."""
RECORDS = "records"
"""The directory of all records, beside the tables."""

Label = tuple[Any, ...]
"""Records with the same label are alike in what it is made of."""
Identity = tuple[Label, ...]
"""What must be equal for two records to be comparable: a label for each entry of SHARED."""

NODE, FILE_SYSTEM = "node", "file system"
SHARED: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "machine": (None, ("machine",)),
    NODE: (None, ("pool",)),
    FILE_SYSTEM: (None, ("file_system", "mount_point")),
    "measuring code": (None, ("measuring_digest",)),
    "threads allowed": (None, ("threads",)),
    "image set": ("image_size", ("image_set_digest",)),
    "backend code, options or library versions": ("backend", ("backend_digest",)),
    "way of emptying the page cache, images drawn or size of a batch": (
        "operation",
        ("eviction", "random_images", "batch_size"),
    ),
}
"""What comparable records share, by how the page names it: columns of the table `selection`. The last three count only
between records of one image size, of one backend, and of one operation."""

Made = TypeVar("Made")
_annotations: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


@dataclass(frozen=True)
class BackendCode:
    """The code and the libraries behind the name of a backend or variant."""

    module: str
    options: Mapping[str, Any]
    digest: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class ImageSet:
    """The images of a store, and how many of them repeat others to reach the cutoff."""

    label: str
    synthetic: bool
    note: str | None
    digest: str
    image_shape: tuple[int, int, int]
    distinct_images: int
    repeated_images: int

    @property
    def image_bytes(self) -> int:
        """The bytes of the pixels of one image."""
        return math.prod(self.image_shape)


@dataclass(frozen=True)
class TimedStore:
    """The store that was read, or the one whose like was written."""

    key: str
    digest: str | None
    copied: bool


@dataclass(frozen=True)
class Clock:
    """The span of a job by a clock that can't be set, in seconds since the node's last start."""

    boot: str | None
    started_seconds: float
    ended_seconds: float
    jump_seconds: float
    asleep_seconds: float

    @property
    def span(self) -> tuple[float, float]:
        """Start and end (s) since the node's last start."""
        return self.started_seconds, self.ended_seconds


@dataclass(frozen=True)
class Host:
    """The machine that ran the job, and the node of it."""

    cpu: str
    cores: int
    node_cores: int
    cpu_limit: float | None
    memory_bytes: int
    memory_limit_bytes: int | None
    kernel: str
    operating_system: str
    python: str
    node: str


@dataclass(frozen=True)
class FileSystem:
    """The file system that was timed on."""

    type: str
    kind: str
    mount_point: str
    options: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Noise:
    """What else went on while the samples were taken."""

    before: Probes
    after: Probes
    wall_seconds: float
    stolen_seconds: float | None
    other_user_seconds: float | None
    throttle_events: int | None
    limit_waits: int | None
    limit_wait_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Sample(base.Sample):
    """One sample of the backend or of the baseline; `block` is the number of its block of time, from 0."""

    block: int

    @property
    def way(self) -> Way:
        """How the work was shared."""
        return self.processes, self.start_method


@dataclass(frozen=True)
class Record:
    """What one timing job wrote. `started` and `ended` are moments by the wall clock, in UTC and ISO 8601."""

    cell: Cell
    status: str
    gap_reason: str | None
    backend: BackendCode
    measuring_digest: str
    image_set: ImageSet
    store: TimedStore
    settings: Mapping[str, float]
    started: str
    ended: str
    clock: Clock
    host: Host
    file_system: FileSystem
    threads: int
    noise: Noise
    eviction: str | None
    latencies: Mapping[str, list[float]] | None
    overwrite_seconds: float | None
    samples: tuple[Sample, ...]

    @property
    def measured(self) -> bool:
        """Whether the record holds samples, and isn't that of a gap."""
        return self.status == MEASURED

    @cached_property
    def columns(self) -> Values:
        """What the tables say of the record as it is, by column."""
        code = self.backend
        return {
            **{name: self.settings.get(name) for name in ("budget_seconds", "batch_size", "random_images")},
            "record": self.cell.record(RECORDS).as_posix(),
            "machine": self.cell.machine,
            "node": self.host.node,
            "backend": self.cell.backend,
            "image_size": self.cell.image_size,
            "cutoff_images": self.cell.cutoff,
            "operation": self.cell.operation,
            "started": self.started,
            "file_system": self.file_system.type,
            "mount_point": self.file_system.mount_point,
            "image_set_digest": self.image_set.digest,
            "image_set": self.image_set.label,
            "synthetic": self.image_set.synthetic,
            "distinct_images": self.image_set.distinct_images,
            "repeated_images": self.image_set.repeated_images,
            "measuring_digest": self.measuring_digest,
            "threads": self.threads,
            "backend_digest": digests.digest([code.digest, code.options, code.versions]),
            "eviction": self.eviction,
        }

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """How the work was shared, in the order of the samples; without samples, by one process alone."""
        return tuple(dict.fromkeys(sample.way for sample in self.samples)) or ((1, None),)

    def quantiles(self, subject: str) -> dict[float, float]:
        """The quantiles (s) of the time of one call, by probability; none where the record has none."""
        found = self.latencies
        return dict(zip(found["probabilities"], found[subject], strict=True)) if found else {}

    def samples_of(self, subject: str) -> list[Sample]:
        """The samples of a subject, in the order they were taken, whether they count or not."""
        return [sample for sample in self.samples if sample.subject == subject]


Records = dict[Path, Record]
"""Records by the files that they were read from."""


def read(content: Mapping[str, Any]) -> Record:
    """Make a record from the content of its file, which must be as the schema says."""
    budget_seconds = content["settings"]["budget_seconds"]
    samples = tuple(
        Sample(**sample, block=block(sample["started_seconds"], budget_seconds)) for sample in content["samples"]
    )
    threads = content["process"]["threads"]
    return made(Record, {**content, "host": content["machine"], "threads": threads, "samples": samples})


def identity(row: Mapping[str, Any]) -> Identity:
    """Return what must be equal for this record and another, given its columns."""
    return tuple((of and row[of], *(row[name] for name in names)) for of, names in SHARED.values())


def made(kind: type[Made], content: Mapping[str, Any]) -> Made:
    """Make a dataclass from JSON, of which there may be more: lists are made tuples, and objects the dataclasses that
    the annotations of its fields name."""
    return kind(**{name: _as(hint, content[name]) for name, hint in _annotations(kind).items()})


def _as(annotation: Any, content: Any) -> Any:
    inner = get_args(annotation)
    if isinstance(content, list) and inner:
        return tuple(_as(inner[0], each) for each in content)
    if isinstance(content, dict):
        if get_origin(annotation) is Mapping:
            return {name: _as(inner[1], each) for name, each in content.items()}
        kinds: list[Any] = [kind for kind in (annotation, *inner) if is_dataclass(kind)]
        return made(kinds[0], content) if kinds else content
    return content
