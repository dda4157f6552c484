"""Synthetic images: the statistics that matter to stores, and that the same numbers come again."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from scripts.dataset.sources import synthetic

REAL_PNG_BYTES, REAL_PNG_BYTES_DEVIATION, REAL_ZLIB_RATIO = 2260.7, 269.9, 0.9208
"""Of 6,102 real CIFAR-10 images: Pillow's default PNG, bytes per image, and zlib level 6 over the whole array."""

REAL_CHANNEL_MEANS, REAL_CHANNEL_DEVIATIONS = (126.0, 123.7, 114.4), (63.2, 62.3, 66.8)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Enough images for the statistics to be steady."""
    return synthetic.generate(3_072)


def png_bytes(image: np.ndarray) -> int:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.tell()


def test_they_take_as_many_png_bytes_as_real_images(images):
    sizes = [png_bytes(image) for image in images]
    assert np.mean(sizes) == pytest.approx(REAL_PNG_BYTES, rel=0.03)
    assert np.std(sizes) == pytest.approx(REAL_PNG_BYTES_DEVIATION, rel=0.15)


def test_they_compress_as_real_images_do(images):
    ratio = len(zlib.compress(images.tobytes(), 6)) / images.nbytes
    assert ratio == pytest.approx(REAL_ZLIB_RATIO, rel=0.02)


def test_their_colours_are_those_of_real_images(images):
    pixels = images.reshape(-1, 3)
    np.testing.assert_allclose(pixels.mean(0), REAL_CHANNEL_MEANS, atol=5)
    np.testing.assert_allclose(pixels.std(0), REAL_CHANNEL_DEVIATIONS, atol=5)


def test_no_two_are_the_same(images):
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("generate", [synthetic.generate, synthetic.generate_labels])
def test_any_stretch_of_a_sequence_is_the_same(generate):
    whole = generate(600)
    for first, count in ((0, 1), (0, 256), (0, 257), (255, 2), (256, 256), (300, 300)):
        np.testing.assert_array_equal(generate(count, first=first), whole[first : first + count])


@pytest.mark.parametrize("generate", [synthetic.generate, synthetic.generate_labels])
def test_another_seed_is_another_sequence(generate):
    assert not np.array_equal(generate(100), generate(100, seed=1))


def test_labels_are_ten_classes_of_about_the_same_size():
    labels = synthetic.generate_labels(10_000)
    assert labels.dtype == np.int64
    assert len(synthetic.LABEL_NAMES) == 10
    counts = np.bincount(labels)
    assert len(counts) == 10
    assert counts.min() > 800
