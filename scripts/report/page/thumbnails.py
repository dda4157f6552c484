"""Thumbnails of the first images, with their labels, by which a reader sees that the images came in right."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset.image_set import ImageSet

COUNT = 12
SIDE, QUALITY = 96, 80
"""The longer side (pixels) and JPEG quality of a thumbnail, of which all take some 40 kB."""


class Thumbnail(NamedTuple):
    """The name of an image's class, or its label, and a JPEG file in base64."""

    label: str
    jpeg: str


def of(directory: Path) -> list[Thumbnail]:
    """Return thumbnails of the first images of the image set in a directory; none where the image set is gone."""
    try:
        image_set = ImageSet.load(directory)
    except UserError:
        return []
    names = image_set.provenance["label_names"]
    return [
        Thumbnail(names[label] if 0 <= label < len(names) else str(label), _jpeg(pixels))
        for pixels, label in zip(image_set.images[:COUNT], image_set.labels[:COUNT].tolist(), strict=True)
    ]


def _jpeg(pixels: np.ndarray) -> str:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()
