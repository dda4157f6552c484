"""Small image sets, written as the unpack step writes them."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.common import sealed
from scripts.common.digests import file_sha256
from scripts.dataset import decoding, gathered
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, ImageSet, provenance_digests
from scripts.dataset.sources import synthetic


def write_image_set(
    directory: Path, count: int, images: np.ndarray | None = None, files: Sequence[bytes] | None = None
) -> ImageSet:
    """Write an image set of `count` images, distinct unless given, in the way that the unpack step does. With `files`,
    these are gathered beside it, as `class/NUMBER.jpg`; one dataset has one image set with files. They come from no
    folder: see `lay_out`."""
    directory.mkdir(parents=True)
    images = synthetic.generate(count, seed=1) if images is None else images
    labels = np.arange(count, dtype=np.int64) % 10
    np.save(directory / "images.npy", images)
    np.save(directory / "labels.npy", labels)
    found = None
    if files is not None:
        folder = directory.parent / gathered.FOLDER
        folder.mkdir()
        (folder / gathered.ORIGINALS).write_bytes(b"".join(files))
        np.save(folder / gathered.OFFSETS, np.cumsum([0, *map(len, files)], dtype=np.int64))
        (folder / gathered.NAMES).write_bytes(b"".join(b"class/%d.jpg\0" % number for number in range(count)))
        found = gathered.originals_digest({name: file_sha256(folder / name) for name in gathered.OF_FILES})
        gathered.write(directory.parent, {"root": None})
    provenance = {
        "provenance_version": PROVENANCE_VERSION,
        **{"name": "small", "label": "small", "synthetic": False, "note": None},
        **{"images": count, "image_shape": list(images.shape[1:]), "own_size": None, "label_names": []},
        **{key: {"count": 0, "first": []} for key in ("bad_images", "upscaled_images")},
        **provenance_digests(images, labels, found),
    }
    sealed.write(directory / PROVENANCE, provenance)
    return ImageSet.load(directory)


def lay_out(image_set: ImageSet, root: Path) -> None:
    """Put the files of an image set into a folder, from which they come then."""
    files, _ = image_set.first_with_originals(len(image_set.images))
    for name, content in zip(files.names(slice(None)), files.originals(slice(None)), strict=True):
        place = root / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    gathered.write(image_set.directory.parent, {"root": str(root)})


def write_photographs(directory: Path, count: int, size: tuple[int, int] = (32, 32)) -> ImageSet:
    """Write an image set of this height and width, of JPEG files with more pixels and of several sizes."""
    files, images = [], np.empty((count, *size, 3), np.uint8)
    drawn = synthetic.generate(count, seed=1)
    for number, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(drawn[number]).resize((60 + number % 7, 48)).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
        decoding.decode(files[-1], image)
    return write_image_set(directory, count, images, files)
