"""What tests share: a place on a real disk, small archives, and copies of the checkout to run the workflow in."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts.dataset import synthetic
from scripts.dataset.image_set import ImageSet, content_digest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture
def disk() -> Iterator[Path]:
    """An empty directory on the checkout's file system, for what a file system in memory can't show."""
    (CHECKOUT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        yield Path(directory)


def write_image_set(directory: Path, count: int) -> ImageSet:
    """Write an image set of `count` distinct images in the way that the unpack step does."""
    directory.mkdir(parents=True)
    images = synthetic.generate(count, seed=1)
    labels = np.arange(count, dtype=np.int64) % 10
    for prefix in ("", "test_"):
        np.save(directory / f"{prefix}images.npy", images)
        np.save(directory / f"{prefix}labels.npy", labels)
    provenance = {
        **{"provenance_version": 1, "name": "small", "label": "small", "synthetic": False, "note": None},
        **{"train_images": count, "test_images": count, "image_shape": [32, 32, 3]},
        "digest": content_digest([(0, images, labels)]),
    }
    (directory / "provenance.json").write_text(json.dumps(provenance))
    return ImageSet.load(directory)
