"""What must come out of stores that are lossy or keep files, its checksums, and how good it is."""

import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scripts import backends, codecs
from scripts.common.errors import Failed, UserError
from scripts.dataset.image_set import ImageSet, content_digest
from scripts.stores import content, manifest, quality
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from tests.support.backend_variants import load_all
from tests.support.host import mounted
from tests.support.image_sets import lay_out, write_photographs

pytestmark = pytest.mark.usefixtures("libraries")
COUNT = 12


@pytest.fixture
def photographs(tmp_path: Path) -> ImageSet:
    return write_photographs(tmp_path / "dataset/32x32", COUNT)


def build(image_set: ImageSet, place: Path, name: str, **options: Any) -> tuple[Choice, dict[str, Any]]:
    choice = Choice(name, backends.resolve(name, options))
    place.parent.mkdir(exist_ok=True)
    build_store(name, choice, COUNT, image_set, place)
    return choice, manifest.read(place)


def read(choice: Choice, place: Path) -> tuple[np.ndarray, np.ndarray]:
    with choice.backend.open(place / manifest.DATA, choice.options) as reader:
        return load_all(reader)


def test_a_lossless_store_holds_the_image_set_and_has_no_quality(photographs: ImageSet, disk: Path) -> None:
    choice, said = build(photographs, disk / "store", "lmdb", codec="png")
    images, labels = read(choice, disk / "store")
    assert said["lossless"]
    assert said["digest"] == content_digest([(0, photographs.images, photographs.labels)])
    assert {name: said[name] for name in quality.UNKNOWN} == quality.UNKNOWN
    found = content.read_checksums(disk / "store", said)
    assert found.tolist() == [
        zlib.crc32(label.tobytes(), zlib.crc32(image.tobytes())) for image, label in zip(images, labels, strict=True)
    ]


def test_a_lossy_store_holds_what_its_codec_makes_of_the_image_set(photographs: ImageSet, disk: Path) -> None:
    choice, said = build(photographs, disk / "store", "lmdb", codec="jpeg")
    codec, images = codecs.load("jpeg"), np.empty_like(photographs.images)
    for image, out in zip(photographs.images, images, strict=True):
        codec.decode(codec.encode(image), out)
    assert not np.array_equal(images, photographs.images)
    stored, labels = read(choice, disk / "store")
    assert np.array_equal(stored, images)
    assert not said["lossless"]
    assert said["digest"] == content_digest([(0, images, photographs.labels)])
    assert np.array_equal(content.read_checksums(disk / "store", said), content.checksums(images, labels))
    if said["quality_gap"] is None:
        assert 20 < said["psnr_db"] < 60
        assert 0.8 < said["ssim"] < 1
        assert said["quality_images"] == COUNT
    else:
        assert said["quality_gap"].startswith("scikit-image can't be used")


@pytest.mark.parametrize("name", ["lmdb", "files"])
def test_a_store_of_files_holds_the_image_sets_pixels(photographs: ImageSet, disk: Path, name: str) -> None:
    choice, said = build(photographs, disk / "store", name, codec="original")
    stored, _ = read(choice, disk / "store")
    assert np.array_equal(stored, photographs.images)
    assert said["digest"] == content_digest([(0, photographs.images, photographs.labels)])
    images, _ = photographs.first_with_originals(COUNT)
    assert said["original_bytes"] == images.original_bytes <= said["apparent_bytes"]
    with choice.backend.open(disk / "store" / manifest.DATA, choice.options) as reader:
        assert reader.values(range(COUNT)) == list(map(bytes, images.originals(slice(COUNT))))


def test_no_store_is_made_of_files_that_have_changed(photographs: ImageSet, disk: Path) -> None:
    path = photographs.directory.parent / "gathered/originals.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # behind the picture: it decodes to the same pixels
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"aren't those that were gathered\); delete .* and run again$"):
        build(photographs, disk / "store", "lmdb", codec="original")
    build(photographs, disk / "pixels", "lmdb", codec="raw")


def test_a_store_that_reads_files_where_they_lie_says_what_these_take(photographs: ImageSet, disk: Path) -> None:
    images, _ = photographs.first_with_originals(COUNT)
    manifests = []
    for folder in (disk / "folder", disk / "another-folder"):
        lay_out(photographs, folder)
        _, said = build(photographs, disk / folder.name[0] / "store", "files", codec="original", in_place=True)
        assert said["in_place"]["apparent_bytes"] == images.original_bytes
        assert (said["in_place"]["files"], said["files"]) == (COUNT, 2)
        manifests.append((disk / folder.name[0] / "store" / manifest.MANIFEST).read_text())
    assert manifests[0] == manifests[1]
    assert str(disk) not in manifests[0]


def test_files_that_lie_on_another_disk_than_the_store_are_not_compared_with_it(
    photographs: ImageSet, disk: Path, request: pytest.FixtureRequest
) -> None:
    elsewhere = mounted(disk / "elsewhere", request.addfinalizer)
    lay_out(photographs, disk / "folder")
    shutil.move(disk / "folder/class/7.jpg", elsewhere)
    (disk / "folder/class/7.jpg").symlink_to(elsewhere / "7.jpg")
    with pytest.raises(Failed) as caught:
        build(photographs, disk / "store", "files", codec="original", in_place=True)
    said = str(caught.value)
    assert said.startswith("class/7.jpg in the folder is on another disk than the store")
    assert str(disk) not in said
    variants = yaml.safe_load(said.rpartition("variants: ")[2])
    (options,) = variants.values()
    _, copied = build(photographs, disk / "store", options.pop("backend"), **options)
    assert (copied["in_place"], copied["failed"]) == (None, None)


def test_a_store_whose_codec_changes_its_mind_is_not_published(
    photographs: ImageSet, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = codecs.load("jpeg")
    honest, seen = jpeg.encode, []

    def encode(image: np.ndarray) -> memoryview:
        seen.append(image)
        return honest(255 - image if len(seen) == 5 else image)

    monkeypatch.setattr(jpeg, "encode", encode)
    with pytest.raises(UserError, match="gave back other images"):
        build(photographs, disk / "store", "lmdb", codec="jpeg")
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_checksums_that_are_not_those_of_the_build_are_refused(photographs: ImageSet, disk: Path, damage: str) -> None:
    _, said = build(photographs, disk / "store", "memmap")
    path = disk / "store" / manifest.CHECKSUMS
    assert path.stat().st_size == 4 * COUNT
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(bytes(4 * COUNT))
    with pytest.raises(UserError, match=r"data.crc32.*run again"):
        content.read_checksums(disk / "store", said)


def test_quality_is_unknown_where_images_are_small(tmp_path: Path, disk: Path) -> None:
    small = write_photographs(tmp_path / "dataset/8x8", COUNT, (8, 8))
    _, said = build(small, disk / "store", "lmdb", codec="jpeg")
    assert said["quality_gap"] == "SSIM needs images of at least 11 pixels in height and width"
    assert said["psnr_db"] is None
