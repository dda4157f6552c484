"""Records and manifests of a plausible run, made by formula: the input of the report's tests. No time is measured."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from pathlib import Path

from scripts.common import sealed
from scripts.common.cells import Cell
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, SYNTHETIC_LABEL
from scripts.report.draw import captions
from scripts.steps import figure, page, summarise
from scripts.stores import quality
from scripts.stores.manifest import MANIFEST, MANIFEST_VERSION
from tests.support.many_stores import KINDS, MANY, MANY_SIZES, PEAKS, many_seconds
from tests.support.plausible_times import BATCH_SIZE, SIZES, images_of, seconds

OPERATIONS = (
    *("write", "write-durable", "read-warm", "read-cold"),
    *("random-warm", "random-cold", "batch-warm", "batch-cold"),
)
MORE_OPERATIONS = ("workers-warm", "workers-cold", "first-image-warm", "first-image-cold")
QUANTILES = (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)
IMAGE_SIZE, IMAGE_SHAPE = "32x32", (32, 32, 3)
CUTOFFS = (1, 10, 100, 1_000, 10_000, 100_000)
REAL = {"name": "cifar10", "label": "CIFAR-10", "synthetic": False, "note": None}
SYNTHETIC = {
    "name": "synthetic",
    "label": SYNTHETIC_LABEL,
    "synthetic": True,
    "note": "to get the real images, download the archive on a machine with a network and set download_dir",
}
STORE = {"key": "0123456789abcdef", "digest": "cd34" * 16}
"""What the manifest and the records of every store say of it."""

PROBES = {
    **{"load_average": 0.4, "megahertz": 2200.0, "cpu_seconds": 0.002},
    **{"memory_seconds": 2.4e-6, "file_seconds": 25e-6, "disk_seconds": 2e-3},
}

EXT4 = {"type": "ext4", "kind": "local", "mount_point": "/", "options": "rw,relatime", "limits": []}
NFS = {
    **{"type": "nfs4", "kind": "network", "mount_point": "/shared", "options": "rw,vers=4.2"},
    "limits": ["nfs4: what its servers keep in their memory can't be evicted from a node"],
}

STARTED = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""When a run's first job starts."""

Seconds = Callable[[str, int, str], float]
Factors = tuple[float, float] | tuple[float, float, float]
"""How many times as long everything that is timed takes on a node, how many times as long a fixed computation, and how
many times as long, if that isn't 1, writing to the disk."""


@dataclass
class Run:
    """A made-up run in `directory`; change its fields or its files, then make the tables, figures and page.

    Cells are dealt to the nodes in turn, one after the other. `image_sizes` may have times of their own.
    """

    directory: Path
    backends: tuple[str, ...] = ("png", "lmdb", "hdf5")
    cutoffs: tuple[int, ...] = CUTOFFS
    operations: tuple[str, ...] = OPERATIONS
    image_set: dict = field(default_factory=lambda: dict(REAL))
    seconds: Seconds = seconds
    noise: float = 0.01
    samples: int = 10
    image_sizes: dict[str, Seconds | None] = field(default_factory=lambda: {IMAGE_SIZE: None})
    machine: str = "xeon-2cores-24gib-linux6.1-ext4"
    nodes: dict[str, Factors] = field(default_factory=lambda: {"node-1": (1.0, 1.0)})
    file_system: dict = field(default_factory=lambda: dict(EXT4))
    gaps: dict[tuple[str, int, str], str] = field(default_factory=dict)
    settings: dict = field(default_factory=lambda: {"budget_seconds": 1})
    kinds: dict[str, tuple[str, dict]] = field(default_factory=dict)
    sizes: dict[str, tuple[float, float, float]] = field(default_factory=lambda: dict(SIZES))
    peaks: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    fewer_cutoffs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of_many(cls, directory: Path, **changes: object) -> "Run":
        """A run of `MANY` backends, or of what else `changes` says."""
        return cls(
            directory,
            **{
                "backends": MANY,
                "kinds": KINDS,
                "sizes": MANY_SIZES,
                "seconds": many_seconds,
                "peaks": PEAKS,
                **changes,
            },
        )

    @property
    def records(self) -> Path:
        """The directory of the machine's records."""
        return self.directory / "records" / self.machine

    def record_path(self, backend: str, cutoff: int, operation: str, image_size: str = IMAGE_SIZE) -> Path:
        """Where the record of a cell is."""
        return self.records / backend / image_size / str(cutoff) / f"{operation}.json"

    def manifest_path(self, backend: str, cutoff: int, image_size: str = IMAGE_SIZE) -> Path:
        """Where the manifest of a store is."""
        return self.directory / "stores" / backend / image_size / str(cutoff) / MANIFEST

    def provenance_path(self, image_size: str = IMAGE_SIZE) -> Path:
        """Where the provenance of the image set of a size is."""
        return self.directory / "dataset" / image_size / PROVENANCE

    def cutoffs_of(self, image_size: str) -> tuple[int, ...]:
        """The cutoffs that are measured at an image size."""
        return self.fewer_cutoffs.get(image_size, self.cutoffs)

    def write(self) -> "Run":
        """Write provenance, records and manifests."""
        for size in self.image_sizes:
            provenance = {
                "provenance_version": PROVENANCE_VERSION,
                **self._image_set(50_000, size),
                "images": 50_000,
                "own_size": None,
                "label_names": ["airplane"],
                "originals_digest": None,
                **{key: {"count": 0, "first": []} for key in ("bad_images", "upscaled_images")},
            }
            _write(self.provenance_path(size), sealed.sealed(provenance))
        started = STARTED
        turns = cycle(self.nodes)
        for size, own in self.image_sizes.items():
            made = replace(self, seconds=own or self.seconds)
            for operation, cutoff, backend in product(self.operations, self.cutoffs, self.backends):
                record = made._record(backend, cutoff, operation, size, started, next(turns))
                _write(self.record_path(backend, cutoff, operation, size), record)
                started += timedelta(seconds=5)
            for backend, cutoff in product(self.backends, self.cutoffs):
                content = sealed.sealed(self._manifest(backend, cutoff, size))
                _write(self.manifest_path(backend, cutoff, size), content)
        return self

    def change(self, where: tuple[str, int, str] | tuple[str, int, str, str], /, **changes: object) -> Path:
        """Change top-level entries of one record; returns its path."""
        path = self.record_path(*where)
        _write(path, {**json.loads(path.read_text()), **changes})
        return path

    def add_decoding(self, where: tuple[str, int, str], share: float) -> Path:
        """Give one record samples of decoding alone, a fifth of the images in each, which takes this share of the time
        of an image; returns its path."""
        samples = json.loads(self.record_path(*where).read_text())["samples"]
        told: list[dict] = []
        for plain, own in zip(samples[::2], samples[1::2], strict=True):
            images = max(1, own["images"] // 5)
            seconds = share * own["seconds"] * images / own["images"]
            told += [plain, {**own, "subject": "decoding", "images": images, "seconds": seconds}, own]
        return self.change(where, samples=[{**each, "order": order} for order, each in enumerate(told)])

    def change_manifest(self, backend: str, cutoff: int, **changes: object) -> Path:
        """Change top-level entries of a manifest, and its seal; returns its path."""
        path = self.manifest_path(backend, cutoff)
        _write(path, sealed.sealed(json.loads(path.read_text()) | changes))
        return path

    def change_clock(self, where: tuple[str, int, str], **changes: object) -> Path:
        """Change what one record says of its clock; returns its path."""
        return self.change(where, clock={**json.loads(self.record_path(*where).read_text())["clock"], **changes})

    def summarise(self) -> "Run":
        """Run the step that makes the tables."""
        summarise.main(
            [
                *("--records", str(self.records), "--machine", self.machine),
                *("--stores", str(self.directory / "stores"), "--backends", *self.backends),
                *("--sets", *(f"{size}/{count}" for size in self.image_sizes for count in self.cutoffs_of(size))),
                *("--operations", *self.operations),
                *self.tables,
            ]
        )
        return self

    def draw(self, *names: str) -> "Run":
        """Run the step that draws, for these figures or for all."""
        for name in names or captions.names():
            files = [str(self.directory / "figures" / f"{name}.{kind}") for kind in ("svg", "png")]
            figure.main([name, *self.tables, "--svg", files[0], "--png", files[1]])
        return self

    def page(self, *names: str, with_thumbnails: bool = False) -> str:
        """Run the step that makes the page, with these figures or with all; returns its text."""
        output = self.directory / "report.html"
        figures = [str(self.directory / "figures" / f"{name}.svg") for name in names or captions.names()]
        page.main(
            [
                *self.tables,
                *("--provenance", *map(str, map(self.provenance_path, self.image_sizes))),
                *("--records", str(self.records), "--figures", *figures, "--output", str(output)),
                *("--settings", json.dumps(self.settings), "--missing", json.dumps(self.missing)),
                *("--left-out", json.dumps(self.left_out)),
                *(["--with-thumbnails"] if with_thumbnails else []),
            ]
        )
        return output.read_text(encoding="utf-8")

    @property
    def tables(self) -> list[str]:
        """The flag that names the directory of the tables."""
        return ["--tables", str(self.directory)]

    def _image_set(self, cutoff: int, image_size: str) -> dict:
        distinct, shape = min(cutoff, 50_000), [*map(int, image_size.split("x")), 3]
        counts = {"distinct_images": distinct, "repeated_images": cutoff - distinct}
        digest = ("ab12" if image_size == IMAGE_SIZE else f"{shape[0]:04x}") * 16
        return {**self.image_set, "digest": digest, "image_shape": shape, **counts}

    def _record(self, backend: str, cutoff: int, operation: str, image_size: str, started: datetime, node: str) -> dict:
        slower, computation, disk = (*self.nodes[node], 1.0)[:3]
        factors = {"cpu_seconds": computation, "disk_seconds": disk}
        probes = {**PROBES, **{name: factor * PROBES[name] for name, factor in factors.items()}}
        reason = self.gaps.get((backend, cutoff, operation))
        return {
            "record_version": 7,
            "cell": asdict(Cell(self.machine, backend, image_size, cutoff, operation)),
            "status": "gap" if reason else "measured",
            "gap_reason": reason,
            "backend": self._backend(backend),
            "measuring_digest": "feedfacecafe0001",
            "image_set": self._image_set(cutoff, image_size),
            "store": {**STORE, "copied": False},
            "settings": {
                **{"budget_seconds": 2.0, "minimum_samples": 6, "maximum_samples": 200, "interval_width": 0.05},
                **{"long_sample_seconds": 2.0, "long_samples": 3, "repeated_seconds": 1.0},
            },
            "started": _moment(started),
            "ended": _moment(started + timedelta(seconds=4)),
            "clock": clock(started, started + timedelta(seconds=4)),
            "machine": {
                **{"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cores": 2, "node_cores": 2, "cpu_limit": None},
                **{"memory_bytes": 24 * 2**30, "memory_limit_bytes": None},
                **{"kernel": "Linux 6.1.0", "operating_system": "Debian GNU/Linux 12 (bookworm)"},
                **{"python": "3.11.2", "node": node},
            },
            "file_system": self.file_system,
            "process": {"threads": 1, "cpu_affinity": [0, 1]},
            "noise": {
                "before": probes,
                "after": {**probes, "load_average": 0.9},
                **{"wall_seconds": 4.0, "stolen_seconds": 0.01, "other_user_seconds": 0.02, "throttle_events": None},
                **{"limit_waits": None, "limit_wait_seconds": None},
            },
            "eviction": "posix_fadvise" if operation.endswith("cold") else None,
            "device_share": 1.0 if operation.endswith("cold") else None,
            "latencies": None if reason else self._latencies(backend, cutoff, operation),
            "overwrite_seconds": None,
            "samples": [] if reason else self._samples(backend, cutoff, operation, slower),
        }

    def _latencies(self, backend: str, cutoff: int, operation: str) -> dict | None:
        """Quantiles of one call: nearly all take the typical time, a few much longer."""
        if operation.split("-")[0] not in ("random", "batch"):
            return None
        images = images_of(cutoff, operation)
        calls = images if operation.startswith("random") else -(-images // BATCH_SIZE)
        typical = {name: self.seconds(name, cutoff, operation) / calls for name in (backend, "baseline")}
        spread = [0.8 + 0.3 * probability + probability**40 for probability in QUANTILES]
        return {
            "probabilities": list(QUANTILES),
            "backend": [typical[backend] * factor for factor in spread],
            "baseline": [typical["baseline"] * factor for factor in spread],
        }

    def _samples(self, backend: str, cutoff: int, operation: str, slower: float) -> list[dict]:
        chance = random.Random(f"{backend} {cutoff} {operation}")
        count = 3 if self.seconds(backend, cutoff, operation) >= 2 else self.samples
        methods = ("spawn",) if backend == "hdf5" else ("spawn", "fork")
        shared = [(processes, method) for method in methods for processes in (1, 2)]
        ways = shared if operation.startswith("workers") else [(1, None)]
        taken: list[dict] = []
        for subject in ("baseline", "backend") * count:
            typical = self.seconds(backend if subject == "backend" else "baseline", cutoff, operation)
            started = len(taken) // (2 * len(ways)) * 2.0 / count  # each round in a block of its own
            for processes, method in ways:
                time = slower * typical / processes**0.9
                time *= math.exp(self.noise * chance.gauss(0, 1) ** 2 + self.noise * chance.gauss(0, 1))
                sample = self._sample(subject, len(taken), processes, method, time, cutoff, operation)
                memory = self.peaks.get(backend, 1) * sample["peak_memory_bytes"]
                taken.append({**sample, "peak_memory_bytes": memory, "started_seconds": started})
        return taken

    def _sample(
        self, subject: str, order: int, processes: int, method: str | None, time: float, cutoff: int, operation: str
    ) -> dict:
        images = images_of(cutoff, operation)
        writes = operation.startswith("write")
        state = "fresh" if writes else operation.rpartition("-")[2]
        calls = {"random": images, "batch": -(-images // BATCH_SIZE)}.get(operation.split("-")[0], 0)
        return {
            **{"subject": subject, "order": order, "processes": processes, "start_method": method, "images": images},
            **{"seconds": time, "open_seconds": None if writes else time / 10},
            "latency_seconds": {"p50": time / calls, "p90": 1.2 * time / calls, "p99": 2 * time / calls}
            if calls
            else None,
            **{"user_seconds": 0.7 * time, "system_seconds": 0.2 * time, "peak_memory_bytes": 500_000 + 16 * images},
            "peak_mapped_bytes": 3080 * images if subject == "backend" and not writes else 0,
            **{"state": state, "state_verified": True, "resident_fraction": {"warm": 1.0, "cold": 0.0}.get(state)},
            "unsynced_fraction": 0.0 if operation == "write-durable" else None,
            "device_read_bytes": 4 * 3080 * images if state == "cold" else 0,
            "device_written_bytes": 3200 * images if writes else 0,
        }

    def _manifest(self, backend: str, cutoff: int, image_size: str) -> dict:
        usual = (4096, 3072 + 40 * len(backend), 3100 + 90 * len(backend))
        fixed, apparent, allocated = self.sizes.get(backend, usual)
        about, image_set = self._backend(backend), self._image_set(cutoff, image_size)
        larger = math.prod(image_set["image_shape"]) / math.prod(IMAGE_SHAPE)
        return {
            "manifest_version": MANIFEST_VERSION,
            **{"backend": backend, "module": about["module"], "options": about["options"], "cutoff": cutoff},
            **{
                **STORE,
                "failed": None,
                "lossless": True,
                "in_place": None,
                "backend_digest": about["digest"],
                "versions": about["versions"],
            },
            "image_set": image_set,
            "apparent_bytes": int(fixed + larger * apparent * cutoff),
            "allocated_bytes": int(fixed + larger * allocated * cutoff + 4095) // 4096 * 4096,
            **{"allocation": "blocks", "inline_bytes": 0, "files": cutoff + 1 if backend == "png" else 2},
            "file_system": self.file_system,
            **quality.UNKNOWN,
        }

    def _backend(self, backend: str) -> dict:
        versions = {"png": {"pillow": "13.0.0"}, "lmdb": {"lmdb": "3.0.0"}, "hdf5": {"h5py": "3.16.0"}}
        options = {"lmdb": {"codec": "raw"}, "png": {"compression": 6}}
        module, chosen = self.kinds.get(backend, (backend, options.get(backend, {})))
        return {
            **{"module": module, "options": chosen, "digest": f"{backend:0<16.16}"},
            "versions": {**versions.get(module, {}), "numpy": "2.4.6"},
        }


def clock(started: datetime, ended: datetime, boot: str = "boot-1") -> dict:
    """What a record says of its span by the clock of a machine that was started an hour before a run."""
    since_boot = [(moment - STARTED).total_seconds() + 3600 for moment in (started, ended)]
    return {
        **{"boot": boot, "started_seconds": since_boot[0], "ended_seconds": since_boot[1]},
        **{"jump_seconds": 0.0, "asleep_seconds": 0.0},
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
