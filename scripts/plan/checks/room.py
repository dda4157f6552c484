"""The room that a run needs on each file system that it writes to, in bytes and in files, looked at before its start.

All stores are built before anything is timed, so a run takes most when it times: its stores, what the largest timing
works on, and what earlier timings have left (`scripts.system.disk.scratch`), which goes when the run ends.
`tests/yardsticks/room.py` compares this forecast with what runs take.
"""

import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import codecs
from scripts.backends import base
from scripts.common.atomic import nearest_directory
from scripts.common.cells import Cell, Store, shape_of
from scripts.common.errors import UserError
from scripts.dataset import obtain
from scripts.dataset.gathered import GATHERED, OWN, USUAL_SIZE, square
from scripts.measure.operations import catalogue
from scripts.plan import forecast, images
from scripts.plan.plan import Plan
from scripts.system.disk import file_system, scratch

SMALL_STORE_BYTES = 64 << 10
"""The most bytes that a library writes beside the images."""
LARGEST_BLOCK_BYTES = 128 << 10
"""The largest block of a disk, as exFAT has it. File systems in user space may name megabytes."""
SERVER_BLOCK_BYTES = 8 << 10
"""The most bytes that a small file takes on a server. File systems of a network name as their block what they send at a
time, up to a megabyte."""
SET_IMAGES, ARCHIVE_BYTES = 50_000, 185_000_000
"""The size of CIFAR-10, and of the synthetic images in its place."""
SYNTHETIC_PHOTOGRAPHS = 1000
FILE_BYTES = 250_000
"""The usual bytes of an image file, as long as the files aren't gathered."""
CELL_BYTES, CELL_FILES = 200_000, 12
"""The size of a cell's record, log and rows in the tables, and of Snakemake's marker."""
PAGE_BYTES, PAGE_FILES = 6_000_000, 400
"""The size of figures, page, logs and compiled modules, and of what Snakemake writes for a run of any size."""
LIBRARY_BYTES = 15_000_000
"""The bytes of a library that is built for a backend."""
JOB_FILES, JOB_BLOCKS = 4 * 21 + 2, 6
"""The files and blocks that each timing leaves of the places that it has tried (`scripts.system.disk.scratch`)."""
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True)
class Room:
    """Bytes and files, directories among them."""

    bytes: float = 0
    files: float = 0

    def __add__(self, other: "Room") -> "Room":
        return Room(self.bytes + other.bytes, self.files + other.files)

    def times(self, count: float) -> "Room":
        """The room of so many."""
        return Room(count * self.bytes, count * self.files)


@dataclass(frozen=True)
class Need:
    """What a part of a run needs in a place, and the key of the config that moves it, None where none does."""

    what: str
    place: str
    room: Room
    key: str | None


def check(plan: Plan, to_make: Collection[str]) -> None:
    """Raise UserError when a file system lacks the room for what a run makes, given by normal paths."""
    by_device = defaultdict(list)
    for need in needs(plan, to_make):
        by_device[os.stat(nearest_directory(need.place)).st_dev].append(need)
    for needed in by_device.values():
        room = sum((need.room for need in needed), Room())
        place = nearest_directory(max(needed, key=lambda need: need.room.bytes).place)
        there = os.statvfs(place)
        free = there.f_bavail * there.f_frsize
        keys = list(dict.fromkeys(need.key for need in needed if need.key and need.room.bytes))
        elsewhere = f"set {' and '.join(keys)} to" if keys else "run in a copy on"
        # A file system that has no limit, or doesn't tell it, says that it has 0 blocks in all.
        if there.f_blocks > 0 and free < room.bytes:
            parts = ", ".join(f"{need.what} {size(need.room.bytes)}" for need in needed if need.room.bytes)
            raise UserError(
                f"the run needs up to {size(room.bytes, free)} ({parts}) and {place} has {size(free, room.bytes)} "
                f"free; free some space, leave out the largest cutoffs, or {elsewhere} a larger disk"
            )
        # A file system that makes inodes as it needs them, as btrfs does, says that it has 0 in all.
        if there.f_files > 0 and there.f_favail < room.files:
            names = ", ".join(name for name in plan.choices if in_files(plan, name))
            leave_out = f"the backends that make a file for each image ({names}) or " if names else ""
            raise UserError(
                f"the run makes up to {room.files:,.0f} files and directories, and the file system of {place} has "
                f"{there.f_favail:,} inodes left for more, whatever space is free; delete files, leave out "
                f"{leave_out}the largest cutoffs, or {elsewhere} a file system with more inodes"
            )


def needs(plan: Plan, to_make: Collection[str]) -> Iterator[Need]:
    """Yield what each part of a run needs, for what the run makes, given by normal paths."""
    yield Need("its image set", plan.dataset, _image_set(plan, to_make), "download_dir")
    place = nearest_directory(plan.stores)
    block = block_bytes(file_system.type_of(place), os.statvfs(place).f_frsize)
    stores, cells = plan.stores_of(to_make), plan.cells_of(to_make)
    yield Need("its stores", plan.stores, sum((_store(plan, each, block) for each in stores), Room()), "store_dir")
    if cells and not plan.config["scratch_dir"]:
        yield Need("what its timings write", plan.writes, _timings(plan, cells, block), "store_dir")
    others = Room(CELL_BYTES, CELL_FILES).times(len(stores) + len(cells))
    libraries = Room(LIBRARY_BYTES, 1).times(len(set(plan.libraries()).intersection(to_make)))
    if to_make:
        yield Need("its records and page", "results", others + libraries + Room(PAGE_BYTES, PAGE_FILES), None)


def total(plan: Plan, to_make: Collection[str]) -> Room:
    """Return what the whole run needs, wherever it is."""
    return sum((need.room for need in needs(plan, to_make)), Room())


def of_store(
    backend: base.Backend, options: dict[str, Any], cutoff: int, block: int, shape: Sequence[int], file_bytes: float = 0
) -> Room:
    """Return the room that a store of so many images takes on a file system with blocks of so many bytes.

    The images have the `shape` (height, width, 3), and their files so many bytes, for a store that keeps these.
    """
    footprint = backend.footprint(options, shape)
    blocks = math.ceil(footprint.files_per_image) * block
    unit = blocks if footprint.files_per_image >= 1 else footprint.page_bytes
    keeps_files = codecs.OPTION in options and codecs.load(options[codecs.OPTION]).keeps_originals
    image_bytes = (file_bytes if keeps_files else math.prod(shape)) * footprint.holds_images + base.LABEL_BYTES
    image = math.ceil(image_bytes / unit) * unit + footprint.bytes_per_image
    return Room(
        min(SMALL_STORE_BYTES, footprint.files * block) + cutoff * image,
        footprint.files + math.ceil(cutoff * footprint.files_per_image),
    )


def in_files(plan: Plan, name: str) -> bool:
    """Say whether a backend or variant of the plan keeps each image in a file of its own."""
    return _footprint(plan, name).files_per_image >= 1


def block_bytes(file_system_type: str, named: int) -> int:
    """Return the block (bytes) of which a file takes a multiple on a file system that names such a block (bytes)."""
    return min(
        named,
        SERVER_BLOCK_BYTES if file_system.KINDS.get(file_system_type) == file_system.NETWORK else LARGEST_BLOCK_BYTES,
    )


def size(number: float, *others: float) -> str:
    """Return a number of bytes in the largest unit of which it is one at least, and in which it differs from others."""
    for unit, unit_bytes in UNITS:
        said = f"{number / unit_bytes:,.1f}"
        if number >= unit_bytes and said not in {f"{other / unit_bytes:,.1f}" for other in others}:
            return f"{said} {unit}"
    return f"{number:,.0f} bytes"


def _image_set(plan: Plan, to_make: Collection[str]) -> Room:
    """The files, the arrays of each image size, and the archive where it isn't there."""
    if os.path.normpath(f"{plan.dataset}/{GATHERED}") not in to_make:
        return Room()
    source = plan.config["images"]
    count = plan.most_images or SET_IMAGES
    if source == obtain.SYNTHETIC_PHOTOGRAPHS:
        count = min(count, SYNTHETIC_PHOTOGRAPHS)
    file_bytes: float = FILE_BYTES if images.has(source) == images.FILES else 0
    if images.is_path(source) and file_bytes and os.path.isfile(source):
        file_bytes = min(file_bytes, os.path.getsize(source) / count)
    asked = [size for size in plan.config["image_sizes"] or [] if size != OWN]
    shapes = [shape_of(square(size)) for size in asked] or [
        images.CIFAR_SHAPE if source in images.REPEATED else shape_of(square(USUAL_SIZE))
    ]
    archive = ARCHIVE_BYTES if source == obtain.CIFAR10_NAME and not any(Path(plan.downloads).glob("*.tar.gz")) else 0
    return Room(archive + count * (file_bytes + sum(map(math.prod, shapes))), 16)


def _timings(plan: Plan, cells: list[Cell], block: int) -> Room:
    """What the largest timing works on, and what all of them leave until the run ends."""
    works_on, left = [Room()], Room(JOB_BLOCKS * block, JOB_FILES).times(len(cells))
    least = plan.config["minimum_samples"]
    for cell in cells:
        works_on.append(Room(cell.cutoff * _image_bytes(cell.image_size), 1))
        own = _store(plan, cell.store, block)
        if catalogue.entry(cell.operation).writes:
            kept = _kept(plan, cell.store, block)
            runs = forecast.runs_of_a_write(cell.cutoff, in_files(plan, cell.backend), plan.budget_seconds, least)
            left += kept.times(runs) + Room(0, runs)
            works_on[-1] += Room(own.bytes - kept.bytes)
        elif not plan.choices[cell.backend].backend.opens_without_writing:
            works_on[-1] += own
    return left + max(works_on, key=lambda room: room.bytes)


def _kept(plan: Plan, store: Store, block: int) -> Room:
    """What stays of a store that a timing wrote, once its large files are empty."""
    room, footprint = _store(plan, store, block), _footprint(plan, store.backend)
    image_bytes = _image_bytes(store.image_size)
    if footprint.files_per_image >= 1 and footprint.files_per_image * scratch.LARGE_FILE_BYTES > image_bytes:
        return room
    return Room(min(room.bytes, footprint.files * block), room.files)


def _store(plan: Plan, store: Store, block: int) -> Room:
    choice = plan.choices[store.backend]
    shape, file_bytes = shape_of(store.image_size), plan.file_bytes(store)
    return of_store(choice.backend, choice.options, store.cutoff, block, shape, file_bytes)


def _footprint(plan: Plan, name: str) -> base.Footprint:
    choice = plan.choices[name]
    return choice.backend.footprint(choice.options, images.CIFAR_SHAPE)


def _image_bytes(image_size: str) -> int:
    """The bytes of an image's pixels and its label."""
    return math.prod(shape_of(image_size)) + base.LABEL_BYTES
