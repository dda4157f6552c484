"""The image set as later steps see it: its first images, repeated where needed, with their files, its digest, and what
breaks it."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.common import sealed
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.dataset import gathered
from scripts.dataset import image_set as image_set_module
from scripts.dataset.image_set import PROVENANCE_VERSION, ImageSet, content_digest, provenance_digests

COUNT = 7
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(COUNT, dtype=np.int64) - 3


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A small image set, of a source without files."""
    directory = tmp_path / "4x5"
    directory.mkdir()
    np.save(directory / "images.npy", IMAGES)
    np.save(directory / "labels.npy", LABELS)
    provenance = {"provenance_version": PROVENANCE_VERSION, "label": "small", "images": COUNT, "image_shape": [4, 5, 3]}
    provenance |= provenance_digests(IMAGES, LABELS)
    sealed.write(directory / "provenance.json", provenance)
    return directory


def test_it_is_mapped_and_not_copied(directory):
    image_set = ImageSet.load(directory)
    assert isinstance(image_set.images, np.memmap)
    np.testing.assert_array_equal(image_set.images, IMAGES)
    np.testing.assert_array_equal(image_set.labels, LABELS)
    assert image_set.provenance["images"] == COUNT
    assert isinstance(image_set.first(3)[0], np.memmap)


@pytest.mark.parametrize("count", [1, 6, 7, 8, 14, 15, 100])
def test_the_first_images_are_repeated_in_order(directory, count):
    for array, rows in zip(ImageSet.load(directory).first(count), (IMAGES, LABELS), strict=True):
        expected = np.concatenate([rows] * 15)[:count]
        assert (array.shape, array.dtype, len(array)) == (expected.shape, expected.dtype, count)
        np.testing.assert_array_equal(array[:], expected)


def test_any_slice_of_repeated_images_is_an_array(directory):
    images, labels = ImageSet.load(directory).first(20)
    expected_images, expected_labels = np.concatenate([IMAGES] * 3)[:20], np.concatenate([LABELS] * 3)[:20]
    for start in (None, 0, 3, 7, 13, 19, 20, 25, -5):
        for stop in (None, 0, 6, 7, 8, 14, 20, 99, -1):
            for step in (None, 1, 3, -1):
                rows = slice(start, stop, step)
                np.testing.assert_array_equal(images[rows], expected_images[rows])
                np.testing.assert_array_equal(labels[rows], expected_labels[rows])


def test_a_slice_within_the_set_is_no_copy(directory):
    image_set = ImageSet.load(directory)
    assert np.shares_memory(image_set.first(20)[0][8:12], image_set.images)


@pytest.mark.parametrize("count", [0, -1])
def test_no_images_are_no_store(directory, count):
    with pytest.raises(UserError, match="at least one image"):
        ImageSet.load(directory).first(count)


@pytest.mark.parametrize("name", ["provenance.json", "images.npy", "labels.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_damaged_image_set_is_one_line(directory, name, damage):
    path = directory / name
    content = path.read_bytes()
    path.unlink()
    if damage == "other":
        np.save(directory / "other.npy", np.zeros((1, 2)))
        (directory / "other.npy").rename(path)
    elif damage != "missing":
        path.write_bytes(b"" if damage == "empty" else content[:-2])
    with pytest.raises(UserError) as caught:
        ImageSet.load(directory)
    message = str(caught.value)
    assert message.startswith(f"{directory} holds no whole image set (")
    assert "\n" not in message
    if damage == "missing":
        assert f"{name} is missing" in message


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_arrays_of_another_type_are_refused(directory, name):
    np.save(directory / name, np.load(directory / name).astype(np.int16))
    with pytest.raises(UserError, match=f"{name} is int16"):
        ImageSet.load(directory)


@pytest.mark.parametrize("change", [{"provenance_version": 3}, {"images": 6}, {"image_shape": [5, 4, 3]}])
def test_provenance_that_does_not_fit_is_refused(directory, change):
    path = directory / "provenance.json"
    sealed.write(path, sealed.read(path) | change)
    with pytest.raises(UserError, match="holds no whole image set"):
        ImageSet.load(directory)


@pytest.fixture
def in_blocks(directory, monkeypatch):
    """The image set, with a digest of every two images and labels."""
    monkeypatch.setattr(image_set_module, "BLOCK_BYTES", 2 * IMAGES[0].nbytes)
    provenance = sealed.read(directory / "provenance.json") | provenance_digests(IMAGES, LABELS)
    assert len(provenance["block_digests"]) == 4
    sealed.write(directory / "provenance.json", provenance)
    return directory


@pytest.mark.parametrize(("name", "bytes_each"), [("images.npy", IMAGES[0].nbytes), ("labels.npy", LABELS.itemsize)])
def test_a_changed_image_or_label_is_noticed_by_those_who_read_it(in_blocks, name, bytes_each):
    content = bytearray((in_blocks / name).read_bytes())
    content[-3 * bytes_each] ^= 1
    (in_blocks / name).write_bytes(content)
    image_set = ImageSet.load(in_blocks)
    image_set.first(4)
    for count in (5, 7, 100):
        with pytest.raises(UserError, match="images 4 to 5 or their labels aren't those that were unpacked") as caught:
            image_set.first(count)
        assert str(caught.value).endswith(f"; delete {in_blocks.parent} and run again")


@pytest.mark.parametrize("change", [{"digest": "ab" * 32}, {"label": "CIFAR-10"}, {"block_digests": []}])
def test_provenance_that_was_edited_is_refused(directory, change):
    path = directory / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match="has changed since it was written"):
        ImageSet.load(directory)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b'{"a": "\xff"}', b"[" * 100_000, None])
@pytest.mark.parametrize("name", ["provenance.json", "images.npy", "labels.npy"])
def test_a_file_of_something_else_is_refused(directory, name, content):
    (directory / name).unlink()
    if content is None:
        (directory / name).mkdir()
    else:
        (directory / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        ImageSet.load(directory)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


FILES = [b"one", b"", b"three", b"4", b"five", b"six", b"7777777"]
NAMES = [f"a/{number}.jpg".encode() for number in range(COUNT - 1)] + [b"not utf-8 \xff.jpg"]


@pytest.fixture
def of_files(directory):
    """The image set, of a source of files."""
    folder = directory.parent / "gathered"
    folder.mkdir()
    (folder / "originals.bin").write_bytes(b"".join(FILES))
    np.save(folder / "offsets.npy", np.cumsum([0, *map(len, FILES)]))
    (folder / "names.bin").write_bytes(b"".join(name + b"\0" for name in NAMES))
    gathered.write(directory.parent, {"root": "photographs"})
    path = directory / "provenance.json"
    found = gathered.originals_digest({name: file_sha256(folder / name) for name in gathered.OF_FILES})
    sealed.write(path, sealed.read(path) | {"originals_digest": found})
    return directory


def test_images_come_with_their_files(of_files):
    originals, labels = ImageSet.load(of_files).first_with_originals(5)
    assert (len(originals), originals.shape, originals.dtype) == (5, (5, 4, 5, 3), np.uint8)
    np.testing.assert_array_equal(originals[1:4], IMAGES[1:4])
    np.testing.assert_array_equal(originals[np.array([4, 0])], IMAGES[[4, 0]])
    np.testing.assert_array_equal(labels, LABELS[:5])
    assert [bytes(content) for content in originals.originals(slice(1, 4))] == FILES[1:4]
    assert originals.names(slice(0, 2)) == NAMES[:2]
    assert originals.original_bytes == sum(map(len, FILES[:5]))
    assert originals.root == "photographs"
    every, _ = ImageSet.load(of_files).first_with_originals(COUNT)
    assert [bytes(content) for content in every.originals(slice(None))] == FILES
    assert every.names(slice(None)) == NAMES


def test_files_are_never_repeated(of_files):
    with pytest.raises(UserError, match=r"there are 7 images, not 8; give another cutoff"):
        ImageSet.load(of_files).first_with_originals(COUNT + 1)


def test_a_source_without_files_has_none_to_keep(directory):
    with pytest.raises(UserError, match="small has no image files to keep as they are; give another codec"):
        ImageSet.load(directory).first_with_originals(1)


@pytest.mark.parametrize("name", ["originals.bin", "offsets.npy", "names.bin"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_damaged_files_are_one_line(of_files, name, damage):
    path = of_files.parent / "gathered" / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"" if damage == "empty" else content[:-1])
    with pytest.raises(UserError) as caught:
        ImageSet.load(of_files).first_with_originals(COUNT)
    message = str(caught.value)
    assert str(of_files.parent / "gathered") in message
    assert message.endswith(f"delete {of_files.parent} and run again")
    assert "\n" not in message


@pytest.mark.parametrize("name", gathered.OF_FILES)
@pytest.mark.parametrize("damage", ["a flipped bit", "missing"])
def test_files_of_another_content_are_found_when_they_are_read_through(of_files, name, damage):
    image_set = ImageSet.load(of_files)
    image_set.check_originals()
    path = of_files.parent / "gathered" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    if damage == "missing":
        path.unlink()
    with pytest.raises(UserError) as caught:
        image_set.check_originals()
    assert str(of_files.parent / "gathered") in str(caught.value)
    assert str(caught.value).endswith(f"delete {of_files.parent} and run again")
    assert "\n" not in str(caught.value)


def digest(images: np.ndarray, labels: np.ndarray, size: int = COUNT) -> str:
    starts = range(0, len(images), size)
    return content_digest((start, images[start : start + size], labels[start : start + size]) for start in starts)


def test_the_digest_does_not_depend_on_blocks_or_memory_layout():
    whole = digest(IMAGES, LABELS)
    assert {digest(IMAGES, LABELS, size) for size in range(1, COUNT + 1)} == {whole}
    assert digest(np.asfortranarray(IMAGES), LABELS.astype(">i4")) == whole


def test_the_digest_tells_everything_else_apart():
    swapped = IMAGES[[1, 0, *range(2, COUNT)]]
    other_pixel = IMAGES.copy()
    other_pixel[-1, -1, -1, -1] ^= 1
    variants = [
        (IMAGES, LABELS),
        (swapped, LABELS),
        (other_pixel, LABELS),
        (IMAGES, LABELS[::-1]),
        (IMAGES, LABELS + (1 << 40)),
        (IMAGES[:-1], LABELS[:-1]),
        (IMAGES.transpose(0, 2, 1, 3), LABELS),
        (IMAGES.reshape(COUNT, 5, 4, 3), LABELS),
    ]
    assert len({digest(*variant) for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [(1, IMAGES, LABELS)],
        [(0, IMAGES[:2], LABELS[:2]), (3, IMAGES[3:], LABELS[3:])],
        [(0, IMAGES, LABELS[1:])],
        [(0, IMAGES.astype(np.int16), LABELS)],
        [(0, IMAGES, LABELS), (COUNT, IMAGES[:, 1:], LABELS)],
    ],
    ids=["none", "no-start", "gap", "labels", "type", "shape"],
)
def test_blocks_that_do_not_fit_have_no_digest(blocks):
    with pytest.raises(ValueError, match=r"follow|no images"):
        content_digest(blocks)


def test_other_files_of_the_same_pixels_are_another_image_set():
    digests = [provenance_digests(IMAGES, LABELS, files)["digest"] for files in (None, "ab" * 32, "cd" * 32)]
    assert digests[0] == content_digest([(0, IMAGES, LABELS)])
    assert len(set(digests)) == 3
