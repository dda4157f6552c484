"""Synthetic photographs: files as others make them, at a photograph's cost, and that the same ones come again."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from scripts.dataset.sources.synthetic_photographs import SyntheticPhotographs, generate, images
from tests.support.photographs import costs, spectrum_slope

REAL = {
    "file bytes": (111_217, 0.637),
    "file pixels": (207_342, 0.885),
    "JPEG bytes at 224": (16_695, 0.274),
    "PNG bytes at 224": (85_047, 0.219),
}
"""Of 128 photographs of ImageNet, one of a class: mean, and deviation by mean. At 224: the centre, scaled bilinearly,
as JPEG of quality 90 and as Pillow's default PNG."""
REAL_SPECTRUM_SLOPE = -2.70


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return generate(8)


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


def assert_costs(found: dict[str, np.ndarray], names: list[str]) -> None:
    for name in names:
        mean, spread = REAL[name]
        assert found[name].mean() == pytest.approx(mean, rel=0.15), name
        assert found[name].std() / found[name].mean() == pytest.approx(spread, rel=0.3), name


@pytest.mark.slow
def test_at_a_training_size_they_cost_what_real_ones_do():
    assert_costs(costs(generate(24)), ["JPEG bytes at 224", "PNG bytes at 224"])


@pytest.mark.nightly
def test_many_are_as_mixed_and_cost_as_much_as_real_ones():
    files = generate(250)
    assert len(set(files)) == len(files)
    assert_costs(costs(files), list(REAL))
    assert spectrum_slope(files) == pytest.approx(REAL_SPECTRUM_SLOPE, abs=0.3)
    photographs = [opened(file) for file in files]
    assert np.mean([image.mode == "L" for image in photographs]) == pytest.approx(0.03, abs=0.02)
    assert np.mean([max(image.size) == 500 for image in photographs]) == pytest.approx(0.67, abs=0.08)
    assert np.mean([image.height > image.width for image in photographs]) == pytest.approx(0.2, abs=0.06)
    assert {image.getexif().get(0x0112) for image in photographs} & {3, 6, 8}


def test_they_are_whole_jpeg_files(files):
    for file in files:
        image = opened(file)
        image.load()
        assert image.format == "JPEG"
        assert image.mode in ("RGB", "L")
        assert 80 <= min(image.size) <= max(image.size) <= 1600
        album = max(image.size) == 500
        if image.mode == "RGB":
            assert JpegImagePlugin.get_sampling(image) == (0 if album else 2)


def test_any_stretch_of_a_sequence_is_the_same(files):
    assert generate(3, first=5) == files[5:8]
    assert generate(2) == files[:2]


def test_another_seed_is_another_sequence(files):
    assert not set(generate(2, seed=1)) & set(files)


def test_pixels_come_at_any_size():
    drawn = images(2, 64, 96)
    assert (drawn.shape, drawn.dtype) == ((2, 64, 96, 3), np.uint8)
    np.testing.assert_array_equal(images(1, 64, 96, first=1), drawn[1:])


def test_the_source_yields_the_photographs_asked_for(files):
    source = SyntheticPhotographs(1_000_000)
    assert (source.count, source.has_originals, source.has_order) == (1_000_000, True, True)
    samples = list(source.read(np.array([999_999, 3])))
    assert [sample.number for sample in samples] == [999_999, 3]
    assert samples[1].content == files[3]
    for sample in samples:
        assert sample.name == f"{source.label_names[sample.label]}/{sample.number:06}.jpg"
