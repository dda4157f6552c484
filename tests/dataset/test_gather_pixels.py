"""From a source of pixels to an image set, through all steps."""

import hashlib
import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.common.errors import UserError
from scripts.dataset import gathered
from scripts.dataset.gather import Wanted, gather, write
from scripts.dataset.image_set import SYNTHETIC_LABEL, ImageSet
from scripts.dataset.obtain import obtain
from scripts.dataset.obtain import read as read_source
from scripts.dataset.sources import Sample
from scripts.dataset.sources.synthetic import Synthetic, generate, generate_labels
from scripts.dataset.unpack import unpack
from tests.support.archives import as_images, evil_pickle, members, rows, tar_gz
from tests.support.drawn_files import RECORD


def unpacked(archive: Path, place: Path, size: str = "32x32", most: int | None = None) -> ImageSet:
    """Take an archive through all steps."""
    obtain(str(archive), place / "source.json", directory=place)
    gather(place / "source.json", place / "dataset", Wanted(bad_share=0.01, most=most))
    unpack(place / "dataset", size, upscale=True)
    return ImageSet.load(place / "dataset" / size)


def test_an_archive_becomes_an_image_set(tmp_path):
    contents = members()
    image_set = unpacked(tar_gz(tmp_path / "mine.tar.gz", contents), tmp_path)
    training = [contents["data_batch_1"], contents["data_batch_2"]]
    np.testing.assert_array_equal(image_set.images, np.concatenate([as_images(content) for content in training]))
    assert image_set.labels.tolist() == [label for content in training for label in content[b"labels"]]
    provenance = dict(image_set.provenance)
    digest, _, _ = (provenance.pop(name) for name in ("digest", "block_digests", "seal"))
    assert provenance == {
        "provenance_version": 4,
        "name": "mine.tar.gz",
        "label": "mine.tar.gz",
        "synthetic": False,
        "note": None,
        "images": 7,
        "image_shape": [32, 32, 3],
        "originals_digest": None,
        "own_size": "32x32",
        "bad_images": {"count": 0, "first": []},
        "upscaled_images": {"count": 0, "first": []},
        "images_per_block": 1365,
        "label_names": ["cat", "dog", "frog"],
    }
    pixels = hashlib.sha256(image_set.images.tobytes()).digest()
    labels = hashlib.sha256(image_set.labels.tobytes()).digest()
    assert digest == hashlib.sha256(b"7,32,32,3" + pixels + labels).hexdigest()
    assert sorted(path.name for path in (tmp_path / "dataset").iterdir()) == ["32x32", "gathered", "gathered.json"]
    assert len(list((tmp_path / "dataset/32x32").iterdir())) == 3
    facts = gathered.read(tmp_path / "dataset")
    assert (facts["listed"], facts["own_size"], facts["has_originals"]) == (7, "32x32", False)
    assert facts["origin"] == read_source(tmp_path / "source.json")["origin"]


def test_synthetic_images_are_generated_and_say_so(tmp_path):
    obtain("synthetic", tmp_path / "source.json", directory=tmp_path)
    record = read_source(tmp_path / "source.json")
    write(Synthetic(300), tmp_path, record, Wanted(bad_share=0.01))
    unpack(tmp_path, "32x32")
    image_set = ImageSet.load(tmp_path / "32x32")
    np.testing.assert_array_equal(image_set.images, generate(300))
    np.testing.assert_array_equal(image_set.labels, generate_labels(300))
    assert (image_set.provenance["synthetic"], image_set.provenance["label"]) == (True, SYNTHETIC_LABEL)


def test_no_more_images_are_gathered_than_are_asked_for(tmp_path):
    contents = members()
    image_set = unpacked(tar_gz(tmp_path / "a.tar.gz", contents), tmp_path, most=5)
    assert len(image_set.images) == 5
    assert image_set.labels.tolist() == [*contents["data_batch_1"][b"labels"], contents["data_batch_2"][b"labels"][0]]


def test_pixels_are_scaled_to_another_size(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members())
    image_set = unpacked(path, tmp_path, size="16x16")
    assert image_set.images.shape == (7, 16, 16, 3)
    whole = np.load(tmp_path / "dataset/gathered/32x32.npy")
    smaller = Image.fromarray(whole[3]).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(image_set.images[3], smaller)
    with pytest.raises(UserError, match=r"image size 40x40: 7 of 7 images of a\.tar\.gz are smaller"):
        unpack(tmp_path / "dataset", "40x40")


class Pixels:
    """A source of pixels, in an order of its own."""

    has_originals, has_order, label_names = False, True, ()

    def __init__(self, *images):
        self.images, self.count = images, len(images)

    def read(self, numbers):
        for number in reversed(numbers):
            yield Sample(number, f"image {number}", number, self.images[number])


def test_grey_pixels_become_three_channels_and_come_in_their_order(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    write(Pixels(*images), tmp_path, RECORD, Wanted(bad_share=0.01))
    unpack(tmp_path, "5x4")
    image_set = ImageSet.load(tmp_path / "5x4")
    np.testing.assert_array_equal(image_set.images, np.stack([images] * 3, axis=-1))
    assert image_set.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (np.zeros((5, 5, 3), np.uint8), "drawn has images of 5x4, and 'image 0' is uint8 (5, 5, 3)"),
        (np.zeros((5, 4, 3), np.float32), "'image 0' is float32 (5, 4, 3)"),
    ],
    ids=["size", "type"],
)
def test_pixels_of_another_size_or_type_are_one_line(tmp_path, odd, said):
    with pytest.raises(UserError) as caught:
        write(Pixels(odd, np.zeros((5, 4, 3), np.uint8)), tmp_path, RECORD, Wanted(bad_share=0.01))
    assert said.replace("'", "") in str(caught.value).replace("'", "")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "gathered.json").exists()


def test_a_damaged_archive_is_one_line(tmp_path):
    content = tar_gz(tmp_path / "mine.tar.gz", members()).read_bytes()
    (tmp_path / "mine.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"mine\.tar\.gz is damaged") as caught:
        unpacked(tmp_path / "mine.tar.gz", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dataset").exists()


def test_a_failure_leaves_no_image_set_and_nothing_half_made(tmp_path):
    unpacked(tar_gz(tmp_path / "good.tar.gz", members()), tmp_path)
    before = (tmp_path / "dataset/32x32/images.npy").read_bytes()
    with pytest.raises(UserError):
        unpacked(tar_gz(tmp_path / "bad.tar.gz", members(data_batch_2=evil_pickle(tmp_path / "marker"))), tmp_path)
    assert (tmp_path / "dataset/32x32/images.npy").read_bytes() == before
    assert not list(tmp_path.glob("**/.*"))


@pytest.mark.slow
def test_one_batch_at_a_time_is_in_memory(tmp_path):
    count = 1_000
    contents = members(**{f"data_batch_{number}": rows(count, number) for number in range(1, 13)})
    path = tar_gz(tmp_path / "a.tar.gz", contents)
    del contents
    tracemalloc.start()
    try:
        unpacked(path, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * count * 3072  # a batch as member, text for the scan, pickle, array and image: four of twelve


def real_archive() -> Path:
    """Return the archive of real images that the environment names; skip where it names none."""
    if "CIFAR10_ARCHIVE" not in os.environ:
        pytest.skip("needs real images: set CIFAR10_ARCHIVE to the path of an archive of them")
    return Path(os.environ["CIFAR10_ARCHIVE"])


def test_real_images_unpack_to_what_was_measured_of_them(tmp_path):
    """PNG bytes per image of 6,102 real CIFAR-10 images as recorded: 2,260.7 on average; other archives come near."""
    image_set = unpacked(real_archive(), tmp_path)
    images = image_set.images
    assert image_set.provenance["label_names"][:2] == ["airplane", "automobile"]
    assert set(image_set.labels) == set(range(10))
    sizes = []
    for image in images[:: max(1, len(images) // 6_102)]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        sizes.append(file.tell())
    assert np.mean(sizes) == pytest.approx(2260.7, abs=0.05 if len(images) == 6_102 else 45)
