"""From an archive to an image set, through both steps."""

import hashlib
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.common import sealed
from scripts.common.errors import UserError
from scripts.dataset import unpack as unpacking
from scripts.dataset.image_set import SYNTHETIC_LABEL, ImageSet
from scripts.dataset.obtain import obtain
from scripts.dataset.sources.synthetic import Synthetic, generate, generate_labels
from scripts.dataset.unpack import unpack
from tests.support.archives import as_images, evil_pickle, members, rows, tar_gz

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def unpacked(archive: Path, place: Path, **changes: object) -> ImageSet:
    """Take an archive through both steps; `changes` are made to the record in between."""
    record_path = place / "archive.json"
    obtain(str(archive), record_path, directory=place)
    sealed.write(record_path, sealed.read(record_path) | changes)
    unpack(record_path, place / "dataset")
    return ImageSet.load(place / "dataset")


def test_an_archive_becomes_an_image_set(tmp_path):
    contents = members()
    image_set = unpacked(tar_gz(tmp_path / "mine.tar.gz", contents), tmp_path)
    training = [contents["data_batch_1"], contents["data_batch_2"]]
    np.testing.assert_array_equal(image_set.images, np.concatenate([as_images(content) for content in training]))
    assert image_set.labels.tolist() == [label for content in training for label in content[b"labels"]]
    test_images = np.load(tmp_path / "dataset/test_images.npy")
    np.testing.assert_array_equal(test_images, as_images(contents["test_batch"]))
    assert np.load(tmp_path / "dataset/test_labels.npy").tolist() == contents["test_batch"][b"labels"]

    provenance = dict(image_set.provenance)
    digest, _, _ = (provenance.pop(name) for name in ("digest", "block_digests", "seal"))
    sha256 = hashlib.sha256((tmp_path / "mine.tar.gz").read_bytes()).hexdigest()
    size = (tmp_path / "mine.tar.gz").stat().st_size
    assert provenance == {
        "provenance_version": 2,
        "name": "mine.tar.gz",
        "label": "mine.tar.gz",
        "synthetic": False,
        "note": None,
        "archive": {
            "path": str(tmp_path / "mine.tar.gz"),
            "file_name": "mine.tar.gz",
            "bytes": size,
            "sha256": sha256,
            "source": "local file",
        },
        "train_images": 7,
        "test_images": 2,
        "image_shape": [32, 32, 3],
        "images_per_block": 1365,
        "label_names": ["cat", "dog", "frog"],
    }
    pixels = hashlib.sha256(image_set.images.tobytes()).digest()
    labels = hashlib.sha256(image_set.labels.tobytes()).digest()
    assert digest == hashlib.sha256(b"7,32,32,3" + pixels + labels).hexdigest()
    assert len(list((tmp_path / "dataset").iterdir())) == 5


def test_synthetic_images_are_generated_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "Synthetic", lambda: Synthetic(rows=8, batch_count=3))
    obtain("synthetic", tmp_path / "archive.json", directory=tmp_path)
    unpack(tmp_path / "archive.json", tmp_path / "dataset")
    image_set = ImageSet.load(tmp_path / "dataset")
    np.testing.assert_array_equal(image_set.images, generate(16))
    np.testing.assert_array_equal(image_set.labels, generate_labels(16))
    np.testing.assert_array_equal(np.load(tmp_path / "dataset/test_images.npy"), generate(8, first=16))
    assert (image_set.provenance["synthetic"], image_set.provenance["label"]) == (True, SYNTHETIC_LABEL)
    assert image_set.provenance["archive"] is None


def test_the_published_archive_must_have_all_its_rows(tmp_path):
    with pytest.raises(UserError, match=r"data_batch_1 .* has 4 rows where 10,000 are expected"):
        unpacked(tar_gz(tmp_path / "a.tar.gz", members()), tmp_path, name="cifar10")


def test_a_failure_leaves_no_image_set_and_nothing_half_made(tmp_path):
    unpacked(tar_gz(tmp_path / "good.tar.gz", members()), tmp_path)
    before = (tmp_path / "dataset/images.npy").read_bytes()
    with pytest.raises(UserError):
        unpacked(tar_gz(tmp_path / "bad.tar.gz", members(data_batch_2=evil_pickle(tmp_path / "marker"))), tmp_path)
    assert (tmp_path / "dataset/images.npy").read_bytes() == before
    assert not (tmp_path / "dataset/provenance.json").exists()
    assert not list(tmp_path.glob("**/*.part"))


def test_an_archive_that_changed_or_went_is_refused(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members())
    unpacked(path, tmp_path)
    tar_gz(path, members(data_batch_3=rows(1)))
    with pytest.raises(UserError, match=r"has changed since .*archive\.json recorded it: delete"):
        unpack(tmp_path / "archive.json", tmp_path / "dataset")
    path.unlink()
    with pytest.raises(UserError, match=r"a\.tar\.gz is gone: delete"):
        unpack(tmp_path / "archive.json", tmp_path / "dataset")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", None])
def test_a_damaged_record_of_the_archive_is_refused(content, tmp_path):
    unpacked(tar_gz(tmp_path / "a.tar.gz", members()), tmp_path)
    record = tmp_path / "archive.json"
    record.unlink()
    record.mkdir() if content is None else record.write_bytes(content)
    with pytest.raises(UserError, match=rf"{record} .*: delete it and run the workflow again") as caught:
        unpack(record, tmp_path / "dataset")
    assert "\n" not in str(caught.value)


def test_an_edited_record_of_the_archive_is_refused(tmp_path):
    unpacked(tar_gz(tmp_path / "a.tar.gz", members()), tmp_path)
    record = tmp_path / "archive.json"
    record.write_text(record.read_text().replace('"label": "a', '"label": "b'))
    with pytest.raises(UserError, match=r"archive\.json has changed since it was written: delete it"):
        unpack(record, tmp_path / "dataset")


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


def test_the_step_unpacks(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members())
    obtain(str(path), tmp_path / "archive.json", directory=tmp_path)
    command = [sys.executable, str(CHECKOUT / "scripts"), "unpack", "--archive", "archive.json", "--directory", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert len(ImageSet.load(tmp_path / "out").images) == 7


def real_archive() -> Path:
    """Return the archive of real images that the environment names; skip where it names none."""
    if "CIFAR10_ARCHIVE" not in os.environ:
        pytest.skip("needs real images: set CIFAR10_ARCHIVE to the path of an archive of them")
    return Path(os.environ["CIFAR10_ARCHIVE"])


def test_real_images_unpack_to_what_was_measured_of_them(tmp_path):
    """PNG bytes per image of 6,102 real CIFAR-10 images as recorded: 2,260.7 on average; other archives come near."""
    image_set = unpacked(real_archive(), tmp_path)
    images = np.concatenate([image_set.images, np.load(tmp_path / "dataset/test_images.npy")])
    assert image_set.provenance["label_names"][:2] == ["airplane", "automobile"]
    assert set(image_set.labels) == set(range(10))
    sizes = []
    for image in images[:: max(1, len(images) // 6_102)]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        sizes.append(file.tell())
    assert np.mean(sizes) == pytest.approx(2260.7, abs=0.05 if len(images) == 6_102 else 45)
