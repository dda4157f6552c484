"""Small image sets, written as the unpack step writes them."""

from pathlib import Path

import numpy as np

from scripts.common import sealed
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, ImageSet, provenance_digests
from scripts.dataset.sources import synthetic


def write_image_set(directory: Path, count: int, images: np.ndarray | None = None) -> ImageSet:
    """Write an image set of `count` images, distinct unless given, in the way that the unpack step does."""
    directory.mkdir(parents=True)
    images = synthetic.generate(count, seed=1) if images is None else images
    labels = np.arange(count, dtype=np.int64) % 10
    np.save(directory / "images.npy", images)
    np.save(directory / "labels.npy", labels)
    provenance = {
        "provenance_version": PROVENANCE_VERSION,
        **{"name": "small", "label": "small", "synthetic": False, "note": None},
        **{"images": count, "image_shape": list(images.shape[1:]), "label_names": []},
        **{"originals_digest": None, "bad_images": [], "upscaled_images": []},
        **provenance_digests(images, labels),
    }
    sealed.write(directory / PROVENANCE, provenance)
    return ImageSet.load(directory)
