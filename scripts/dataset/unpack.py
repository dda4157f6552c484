"""From what was gathered to the image set of one size: plain arrays that can be memory-mapped, and their provenance."""

import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common import sealed
from scripts.common.atomic import replacing
from scripts.common.cells import shape_of
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError, shown
from scripts.common.progress import Progress
from scripts.dataset import decoding, gathered
from scripts.dataset.gathered import FOLDER, LABELS, NAMES, OFFSETS, ORIGINALS, SIZES, header
from scripts.dataset.image_set import (
    PROVENANCE,
    PROVENANCE_VERSION,
    not_permitted,
    provenance_digests,
    refusal,
)
from scripts.system import process

IMAGES_PER_TASK, BYTES_PER_TASK = 64, 4 << 20
"""The most images, and bytes of pixels, that a process decodes at a time, at least one image."""
MOST_UPSCALED = 0.5
"""A size to which more than this share of the images would be upscaled is refused, unless that is asked for."""
MOST_NAMED = 20
"""The upscaled images that the provenance names at most."""


def unpack(directory: Path, image_size: str, *, most: int | None = None, upscale: bool = False, cores: int = 1) -> None:
    """Write the image set of one size beside what was gathered in `directory`, with as many processes as `cores`.

    It has the first `most` images, or all. Raises UserError where nothing whole was gathered, where that has changed
    since, and where more than half of the images are smaller than the size, unless `upscale` allows that.
    """
    facts = gathered.read(directory)
    place, folder = directory / image_size, directory / FOLDER
    count = min(most or facts["images"], facts["images"])
    has_files, digests = facts["has_originals"], facts["digests"]
    _check(place, folder, digests, LABELS, *((SIZES, NAMES) if has_files else ()))
    upscaled = _upscaled(folder, image_size, facts, count)
    if upscaled["count"] > MOST_UPSCALED * count and not upscale:
        raise UserError(
            f"image size {image_size}: {upscaled['count']} of {count} images of {facts['label']} are smaller, "
            f"such as {upscaled['first'][0]}; leave the size out of image_sizes, or set upscale: true"
        )
    place.mkdir(parents=True, exist_ok=True)
    (place / PROVENANCE).unlink(missing_ok=True)
    if count == facts["images"]:
        _link(folder / LABELS, place / "labels.npy")
    else:
        with replacing(place / "labels.npy") as file:
            np.save(file, np.load(folder / LABELS)[:count])
    pixels = f"{image_size}.npy"
    rows = len(np.load(folder / pixels, mmap_mode="r")) if _check(place, folder, digests, pixels) else 0
    if rows == count:
        _link(folder / pixels, place / "images.npy")
    else:
        source = image_size if rows > count else None if has_files else facts["own_size"]
        if source != image_size:
            _check(place, folder, digests, *([f"{source}.npy"] if source else [OFFSETS, ORIGINALS]))
        _decode_all(folder, place / "images.npy", image_size, count, source, f"decoding {facts['name']}", cores)
    images, labels = (np.load(place / name, mmap_mode="r") for name in ("images.npy", "labels.npy"))
    sealed.write(
        place / PROVENANCE,
        {
            "provenance_version": PROVENANCE_VERSION,
            # Nothing that tells where the source lies: what this file says decides which stores are made again.
            **{
                key: facts[key]
                for key in ("name", "label", "synthetic", "note", "own_size", "label_names", "bad_images")
            },
            "images": count,
            "image_shape": list(shape_of(image_size)),
            "upscaled_images": upscaled,
            **provenance_digests(images, labels, gathered.originals_digest(digests) if has_files else None),
        },
    )


def _check(place: Path, folder: Path, digests: dict[str, str], *names: str) -> bool:
    """Raise UserError where a file isn't as it was gathered; return whether all were gathered."""
    for name in names:
        try:
            whole = name not in digests or file_sha256(folder / name) == digests[name]
        except PermissionError:
            raise UserError(not_permitted(folder / name)) from None
        except OSError:
            whole = False
        if not whole:
            raise UserError(refusal(place, f"{folder / name} isn't as it was gathered"))
    return digests.keys() >= set(names)


def _upscaled(folder: Path, image_size: str, facts: dict[str, Any], count: int) -> dict[str, Any]:
    """How many of the first `count` images are smaller than an image size, in one direction or both, and the first."""
    height, width, _ = shape_of(image_size)
    if not facts["has_originals"]:
        own = shape_of(facts["own_size"])
        smaller = np.arange(count if own[0] < height or own[1] < width else 0)
        return {"count": len(smaller), "first": [facts["label"]][: len(smaller)]}
    sizes = np.load(folder / SIZES)[:count]
    names = (folder / NAMES).read_bytes().split(b"\0")
    smaller = np.flatnonzero((sizes[:, 0] < height) | (sizes[:, 1] < width))
    first = [shown(os.fsdecode(names[number])) for number in smaller[:MOST_NAMED].tolist()]
    return {"count": len(smaller), "first": first}


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _decode_all(
    folder: Path, target: Path, image_size: str, count: int, source: str | None, label: str, cores: int
) -> None:
    """Decode the first `count` images to an image size, from the files or from pixels of the size `source`."""
    shape = shape_of(image_size)
    step = min(IMAGES_PER_TASK, gathered.fitting(image_size, BYTES_PER_TASK))
    tasks = ((folder, shape, start, min(start + step, count), source) for start in range(0, count, step))
    with replacing(target) as file, Progress(f"{label} to {image_size}", count) as progress:
        file.write(header((count, *shape)))
        for pixels in process.share(_decode, tasks, cores):
            file.write(pixels.data)
            progress.update(progress.done + len(pixels))


def _decode(folder: Path, shape: tuple[int, int, int], start: int, end: int, source: str | None) -> np.ndarray:
    """Return the pixels of some images, (n, height, width, 3) uint8, from the files or from pixels of the size
    `source`."""
    if source:
        contents = list(np.load(folder / f"{source}.npy", mmap_mode="r")[start:end])
    else:
        offsets = np.load(folder / OFFSETS, mmap_mode="r")[start : end + 1].tolist()
        with (folder / ORIGINALS).open("rb") as file:
            file.seek(offsets[0])
            contents = [file.read(last - first) for first, last in pairwise(offsets)]
    pixels = np.empty((len(contents), *shape), np.uint8)
    for content, out in zip(contents, pixels, strict=True):
        decoding.decode(content, out)
    return pixels
