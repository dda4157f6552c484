"""Thumbnails of the first images, with their labels, by which a reader sees that the images came in right."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.image_set import ImageSet

COUNT = 12
SIDE, QUALITY = 96, 80
"""The longer side (pixels) and JPEG quality of a thumbnail, of which all take some 40 kB."""


class Thumbnail(NamedTuple):
    """The name of an image's class, or its label, and a JPEG file in base64; nothing for an image without either."""

    label: str
    jpeg: str


def of(directory: Path) -> list[Thumbnail]:
    """Return thumbnails of the first images of the image set in a directory; none where the image set is gone."""
    try:
        image_set = ImageSet.load(directory)
    except UserError:
        return []
    names, labels = image_set.provenance["label_names"], image_set.labels
    # Images of a source without labels have the same one, which says nothing.
    unlabelled = not names and bool((labels == labels[0]).all())
    return [
        Thumbnail("" if unlabelled else _said(label, names), _jpeg(pixels))
        for pixels, label in zip(image_set.images[:COUNT], labels[:COUNT].tolist(), strict=True)
    ]


def _said(label: int, names: Sequence[str]) -> str:
    """A label in words; below 0 it stands for none."""
    return shown(names[label]) if 0 <= label < len(names) else str(label) if label >= 0 else ""


def _jpeg(pixels: np.ndarray) -> str:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()
