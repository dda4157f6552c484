"""Building a store, reading it back, and publishing it with its manifest.

A store's directory holds `manifest.json`, `data/` with the backend's files, their digest in `data.sha256`, and in
`data.crc32` a checksum of each image that must come out. The manifest carries the key of the store: image set, cutoff,
code and libraries of the backend, options. It says nothing of when or how long, so that building the same store again
gives the same manifest, where the library writes neither the time nor a log into it.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from scripts.backends import base
from scripts.backends.go import library
from scripts.common.atomic import neighbour
from scripts.common.errors import Failed, UserError, shown
from scripts.common.progress import Progress
from scripts.dataset.image_set import ImageSet, Originals, content_digest
from scripts.stores import check, content, manifest, quality
from scripts.stores.choice import Choice, store_key
from scripts.stores.manifest import DATA
from scripts.system import page_cache
from scripts.system.disk import disk_usage, file_system, scratch
from scripts.system.disk.durability import sync

IMAGE_SET_FACTS = ("name", "label", "synthetic", "note", "digest", "image_shape")


def build_store(name: str, choice: Choice, cutoff: int, image_set: ImageSet, directory: Path) -> None:
    """Build the store of the first `cutoff` images in `directory`, durably, and publish it with its manifest.

    It's written to a neighbour of `directory` and read back; where what comes back isn't what must come out
    (`scripts.stores.content`), nothing is published and UserError is raised. Raises Failed where files are read where
    they lie, and one of them lies on another disk than the store. Of two builds of the same store, the first complete
    one stays.
    """
    images, labels = choice.first(image_set, cutoff)
    if isinstance(images, Originals):
        image_set.check_originals()
    backend, codec = choice.backend, choice.codec
    with neighbour(directory) as unpublished:
        unpublished.mkdir()
        data = unpublished / DATA
        with Progress(f"build {name} {cutoff}: written", cutoff) as progress:
            backend.write(data, images, _Watched(labels, progress), durable=True, options=choice.options)
            progress.update(cutoff)
        if beside := backend.places(data, choice.options)[1:]:
            _refuse_other_disks(data, beside, cast(base.FileSource, images).root or "")
        # A copy is opened where opening changes the store.
        read = data if backend.opens_without_writing else shutil.copytree(data, unpublished / "copy")
        with backend.open(read, choice.options) as reader:
            checksums = np.empty(len(reader), content.CHECKSUM)
            digest = content_digest(_read_back(reader, name, checksums)) if len(reader) == cutoff else None
            if digest != content_digest(content.expected(images, labels, codec)):
                raise UserError(
                    f"backend {name} gave back other images than it was given ({cutoff} images); fix the backend"
                )
            quality_found = quality.measure(reader, images, min(cutoff, len(image_set.images)), codec)
        if read != data:
            shutil.rmtree(read)
        found = {"digest": digest, **content.write_checksums(unpublished, checksums), **quality_found}
        if isinstance(images, Originals):
            found["original_bytes"] = images.original_bytes
        found |= asdict(disk_usage.settled(data))
        if beside:
            found["in_place"] = asdict(disk_usage.measure(*beside))
        _publish(unpublished, directory, _facts(name, choice, cutoff, image_set, directory) | found)


def _refuse_other_disks(data: Path, beside: list[Path], root: str) -> None:
    """Raise Failed where a file that stays where it lies, in the folder `root`, is on another disk than a store."""
    # Of an overlay a directory is on another device than its files: only files tell.
    device = os.stat(next(page_cache.files_of(data))).st_dev
    for place in beside:
        if os.stat(place).st_dev != device:
            name = shown(os.path.relpath(place, root))
            raise Failed(
                f"{name} in the folder is on another disk than the store, so they can't be compared; for a copy, "
                "list files-original-copy in backends, with variants: "
                "{files-original-copy: {backend: files, codec: original}}"
            )


def publish_failure(name: str, choice: Choice, cutoff: int, image_set: ImageSet, directory: Path, reason: str) -> None:
    """Publish the manifest of a store that couldn't be built, which says why, with no file in the store."""
    with neighbour(directory) as unpublished:
        (unpublished / DATA).mkdir(parents=True)
        facts = _facts(name, choice, cutoff, image_set, directory)
        _publish(unpublished, directory, facts | {"failed": reason})


def _facts(name: str, choice: Choice, cutoff: int, image_set: ImageSet, directory: Path) -> dict[str, Any]:
    """What a manifest says of a store before it is built."""
    provenance = image_set.provenance
    return {
        **dict.fromkeys(("failed", "digest", "checksums_digest", "original_bytes", "in_place")),
        **dict.fromkeys(fact.name for fact in fields(disk_usage.DiskUsage)),
        **quality.UNKNOWN,
        "backend": name,
        "module": choice.module,
        "options": choice.options,
        "lossless": choice.codec is None or choice.codec.is_lossless,
        "cutoff": cutoff,
        "key": store_key(provenance["digest"], cutoff, choice),
        "backend_digest": choice.digest(),
        "versions": choice.versions() | (library.toolchain() if choice.backend.go_modules else {}),
        "image_set": {
            **{fact: provenance[fact] for fact in IMAGE_SET_FACTS},
            "distinct_images": min(cutoff, len(image_set.images)),
            "repeated_images": max(0, cutoff - len(image_set.images)),
        },
        "file_system": file_system.describe(directory.parent),
    }


class _Watched:
    """Labels on their way into a backend, counted for the progress lines."""

    def __init__(self, labels: base.Source, progress: Progress) -> None:
        self.shape = labels.shape
        self.dtype = labels.dtype
        self._labels = labels
        self._progress = progress

    def __getitem__(self, rows: slice) -> np.ndarray:
        self._progress.update(rows.indices(self.shape[0])[0])
        return self._labels[rows]


def _read_back(reader: base.Reader, name: str, checksums: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (start, images, labels) over all images and labels of a store, a block at a time, and fill `checksums`."""
    count = len(reader)
    rows = base.rows_per_block((count, *reader.image_shape))
    with Progress(f"build {name} {count}: read back", count) as progress:
        for start in range(0, count, rows):
            images, labels = reader.load(np.arange(start, min(start + rows, count)))
            checksums[start : start + len(labels)] = content.checksums(images, labels)
            yield start, images, labels
            progress.update(min(start + rows, count))


def _publish(unpublished: Path, directory: Path, facts: dict[str, Any]) -> None:
    """Write the manifest, and rename the store into its place unless a complete one with its key is there already."""
    # The rename alone decides between two builders, also on different nodes: it fails where a store is. A lock of the
    # directory wouldn't, as on NFS it holds on its own node alone (Linux, fs/nfs/dir.c has no `flock`).
    manifest.write(unpublished, facts)
    sync(unpublished)
    while not _renamed(unpublished, directory):
        try:
            check.check_files(directory, facts["key"])
            check.refuse_damaged(directory)
        except (UserError, FileNotFoundError):
            with suppress(FileNotFoundError):  # another builder has just moved it
                scratch.put_off(directory)
        else:
            return
    sync(directory.parent)


def _renamed(unpublished: Path, directory: Path) -> bool:
    """Rename a store into its place, and say whether the place was free."""
    try:
        os.rename(unpublished, directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True
