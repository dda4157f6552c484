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
from scripts.dataset.gathered import FOLDER, LABELS, NAMES, OFFSETS, ORIGINALS, SIZES, write_header
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, provenance_digests
from scripts.system import process

IMAGES_PER_TASK = 64
MOST_UPSCALED = 0.5
"""A size to which more than this share of the images would be upscaled is refused, unless that is asked for."""


def unpack(directory: Path, image_size: str, *, upscale: bool = False, cores: int = 1) -> None:
    """Write the image set of one size beside what was gathered in `directory`, with as many processes as `cores`.

    Raises UserError where nothing whole was gathered, and where more than half of the images are smaller than the size,
    unless `upscale` allows that.
    """
    facts = gathered.read(directory)
    place, folder = directory / image_size, directory / FOLDER
    upscaled = _upscaled(folder, image_size, facts)
    if len(upscaled) > MOST_UPSCALED * facts["images"] and not upscale:
        raise UserError(
            f"image size {image_size}: {len(upscaled)} of {facts['images']} images of {facts['label']} are smaller, "
            f"such as {upscaled[0]}; leave the size out of image_sizes, or set upscale: true"
        )
    place.mkdir(parents=True, exist_ok=True)
    (place / PROVENANCE).unlink(missing_ok=True)
    _link(folder / LABELS, place / "labels.npy")
    if (folder / f"{image_size}.npy").exists():
        _link(folder / f"{image_size}.npy", place / "images.npy")
    else:
        _decode_all(folder, place / "images.npy", image_size, facts, cores)
    images, labels = (np.load(place / name, mmap_mode="r") for name in ("images.npy", "labels.npy"))
    sealed.write(
        place / PROVENANCE,
        {
            "provenance_version": PROVENANCE_VERSION,
            # Nothing that tells where the source lies: what this file says decides which stores are made again.
            **{
                key: facts[key] for key in ("name", "label", "synthetic", "note", "images", "label_names", "bad_images")
            },
            "image_shape": list(shape_of(image_size)),
            "upscaled_images": upscaled,
            **provenance_digests(images, labels, file_sha256(folder / ORIGINALS) if facts["has_originals"] else None),
        },
    )


def _upscaled(folder: Path, image_size: str, facts: dict[str, Any]) -> list[str]:
    """The names of the images that are smaller than an image size, in one direction or both."""
    height, width, _ = shape_of(image_size)
    if not facts["has_originals"]:
        own = shape_of(facts["own_size"])
        return [facts["label"]] * facts["images"] if own[0] < height or own[1] < width else []
    sizes = np.load(folder / SIZES)
    names = (folder / NAMES).read_bytes().split(b"\0")
    smaller = np.flatnonzero((sizes[:, 0] < height) | (sizes[:, 1] < width))
    return [shown(os.fsdecode(names[number])) for number in smaller.tolist()]


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _decode_all(folder: Path, target: Path, image_size: str, facts: dict[str, Any], cores: int) -> None:
    """Decode or resize all images to another size than those that were gathered."""
    shape, count = shape_of(image_size), facts["images"]
    source = None if facts["has_originals"] else facts["own_size"]
    tasks = ((folder, shape, start, source) for start in range(0, count, IMAGES_PER_TASK))
    with replacing(target) as file, Progress(f"decoding {facts['name']} to {image_size}", count) as progress:
        write_header(file, (count, *shape))
        for pixels in process.share(_decode, tasks, cores):
            file.write(pixels.data)
            progress.update(progress.done + len(pixels))


def _decode(folder: Path, shape: tuple[int, int, int], start: int, source: str | None) -> np.ndarray:
    """Return the pixels of some images, (n, height, width, 3) uint8, from the files or from pixels of the size
    `source`."""
    if source:
        contents = list(np.load(folder / f"{source}.npy", mmap_mode="r")[start : start + IMAGES_PER_TASK])
    else:
        offsets = np.load(folder / OFFSETS, mmap_mode="r")[start : start + IMAGES_PER_TASK + 1].tolist()
        with (folder / ORIGINALS).open("rb") as file:
            file.seek(offsets[0])
            contents = [file.read(end - first) for first, end in pairwise(offsets)]
    pixels = np.empty((len(contents), *shape), np.uint8)
    for content, out in zip(contents, pixels, strict=True):
        decoding.decode(content, out)
    return pixels
