"""What the backends of files promise beyond the contract: one file per image, tar archives and ArrayRecord."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends.shared import file_access
from scripts.common.errors import UserError
from scripts.dataset.image_set import Originals
from scripts.system.disk import disk_usage
from tests.support.backend_variants import COUNT, Variant, WithFiles, assert_same, load_all, make


@pytest.mark.parametrize("name", ["files", "png"])
def test_files_are_written_whole_where_a_call_takes_only_a_part(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(io.FileIO):
        def write(self, content: Any) -> int:
            return super().write(memoryview(content)[:1000])

    def short_open(file: str, mode: str, buffering: int = -1) -> Any:
        return open(file, mode) if buffering else Short(file, mode)

    images, labels = make()
    variant = Variant(name, backends.resolve(name, {}))
    with monkeypatch.context() as patch:
        patch.setattr("scripts.backends.files.open", short_open, raising=False)
        variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)


def test_tar_members_as_others_read_them(tmp_path: Path) -> None:
    images, labels = make(COUNT, 5, 7)
    options = backends.resolve("tar", {"images_per_shard": 15})
    Variant("tar", options).write(tmp_path / "store", images, labels)
    shards = sorted((tmp_path / "store").glob("*.tar"))
    assert [shard.name for shard in shards] == [f"shard-{number:06d}.tar" for number in range(3)]
    found = []
    for shard in shards:
        assert shard.stat().st_size % tarfile.RECORDSIZE == 0
        with tarfile.open(shard) as archive:
            found += [(member.name, archive.extractfile(member).read()) for member in archive]
    expected = [
        member
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
        for member in ((f"{number:08d}.cls", str(label).encode()), (f"{number:08d}.raw", image.tobytes()))
    ]
    assert found == expected


def test_tar_reads_on_where_a_call_gives_only_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(descriptor: int, pieces: list[Any], place: int) -> int:
        most, some = 10_000, []
        for piece in pieces:
            some.append(memoryview(piece)[:most])
            most -= len(some[-1])
        return preadv(descriptor, some, place)

    preadv = os.preadv
    images, labels = make(COUNT, 31, 33)
    variant = Variant("tar", backends.resolve("tar", {"images_per_shard": 15}))
    variant.write(tmp_path / "store", images, labels)
    monkeypatch.setattr(os, "preadv", short)
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)
        os.truncate(tmp_path / "store" / "shard-000002.tar", 20_000)
        with pytest.raises(EOFError, match=r"shard-000002\.tar is too short"):
            load_all(reader)


def test_arrayrecord_announces_where_records_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[tuple[int, int]] = []

    def keep(_: int, places: list[int], size: int) -> None:
        announced.extend((place, size) for place in places)

    monkeypatch.setattr("scripts.backends.shared.file_access.announce", keep)
    images, labels = make(100)
    for number, (options, group_count) in enumerate([({}, 100), ({"images_per_group": 7}, 15)]):
        variant = Variant("arrayrecord", backends.resolve("arrayrecord", options))
        variant.write(tmp_path / str(number), images, labels)
        announced.clear()
        with variant.open(tmp_path / str(number)) as reader:
            reader.load(range(100))
        content = (tmp_path / str(number) / "images.array_record").read_bytes()
        assert len(announced) == group_count
        for image, (place, size) in zip(images[:: options.get("images_per_group", 1)], announced, strict=True):
            assert place < content.index(image[0, :4].tobytes()) < place + size


ODD_NAMES = [
    b"a b/\xff\xfe.jpg",
    "Ü/é\n.JPG".encode(),
    b"-rf",
    b"labels.bin",
    b"deep/" * 40 + b"x.png",
    b"n" * 250,
    b"...",
]


@pytest.fixture
def originals() -> tuple[Originals, np.ndarray]:
    """Images that came from files of odd names, and their labels."""
    images, labels = make(len(ODD_NAMES), 4, 6)
    contents = [bytes(found) for found in WithFiles(images).originals(slice(None))]
    offsets = np.cumsum([0, *map(len, contents)])
    return Originals(images, np.frombuffer(b"".join(contents), np.uint8), offsets, ODD_NAMES), labels


def test_originals_keep_their_names_and_bytes(tmp_path: Path, originals: tuple[Originals, np.ndarray]) -> None:
    images, labels = originals
    variant = Variant("files", backends.resolve("files", {"codec": "original"}))
    variant.write(tmp_path / "store", images, labels)
    assert sorted(os.listdir(tmp_path / "store")) == ["files", "labels.bin", "names.bin"]
    assert tree(tmp_path / "store" / "files") == dict(zip(ODD_NAMES, images.originals(slice(None)), strict=True))
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images.pixels, labels)
    assert variant.backend.places(tmp_path / "store", variant.options) == [tmp_path / "store"]


def test_originals_are_read_where_they_lie(tmp_path: Path, originals: tuple[Originals, np.ndarray]) -> None:
    images, labels = originals
    root = tmp_path / "mine"
    Variant("files", backends.resolve("files", {"codec": "original"})).write(tmp_path / "copy", images, labels)
    (tmp_path / "copy" / "files").rename(root)
    (root / "another.jpg").write_bytes(b"not an image")
    before = tree(root)
    images.root = str(root)
    variant = Variant("files", backends.resolve("files", {"codec": "original", "in_place": True}))
    variant.write(tmp_path / "store", images, labels, durable=True)
    assert sorted(os.listdir(tmp_path / "store")) == ["labels.bin", "names.bin"]
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images.pixels, labels)
    path, *others = variant.backend.places(tmp_path / "store", variant.options)
    assert (path, [os.fsencode(place) for place in others]) == (
        tmp_path / "store",
        [b"%s/%s" % (os.fsencode(root), name) for name in ODD_NAMES],
    )
    usage = disk_usage.measure(path, *others)
    assert usage.files == len(ODD_NAMES) + 2
    assert tree(root) == before


@pytest.mark.parametrize("change", ["is gone", "has 3 bytes"])
def test_originals_that_have_changed_are_refused(
    change: str, tmp_path: Path, originals: tuple[Originals, np.ndarray]
) -> None:
    images, labels = originals
    Variant("files", backends.resolve("files", {"codec": "original"})).write(tmp_path / "mine", images, labels)
    root = tmp_path / "mine" / "files"
    (root / "-rf").unlink() if change == "is gone" else (root / "-rf").write_bytes(b"abc")
    images.root = str(root)
    variant = Variant("files", backends.resolve("files", {"codec": "original", "in_place": True}))
    with pytest.raises(UserError, match=rf"^{root}/-rf {change}.* since the images were read from it; put it back"):
        variant.write(tmp_path / "store", images, labels)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", [b"../x.jpg", b"/tmp/x.jpg", b"a/../../x.jpg", b"", b"a//b", b"./x.jpg", b"a\0b"])
def test_names_that_lead_out_of_a_store_are_refused(name: bytes, tmp_path: Path) -> None:
    images, labels = make(1, 4, 6)
    [content] = WithFiles(images).originals(slice(None))
    ends = np.array([0, len(content)])
    files = Originals(images, np.frombuffer(content, np.uint8), ends, [name], str(tmp_path))
    for options in ({}, {"in_place": True}):
        variant = Variant("files", backends.resolve("files", {"codec": "original", **options}))
        with pytest.raises(UserError, match="can't be a file in a folder"):
            variant.write(tmp_path / "store", files, labels)
    assert os.listdir(tmp_path) == []


def test_files_that_come_from_no_folder_are_not_read_in_place(
    tmp_path: Path, originals: tuple[Originals, np.ndarray]
) -> None:
    variant = Variant("files", backends.resolve("files", {"codec": "original", "in_place": True}))
    with pytest.raises(UserError, match=r"^backend files: these images come from no folder.*leave in_place out$"):
        variant.write(tmp_path / "store", *originals)


def tree(path: Path) -> dict[bytes, bytes]:
    """The bytes of each file in a directory, by its path there."""
    places = [os.path.join(place, name) for place, _, names in os.walk(os.fsencode(path)) for name in names]
    return {os.path.relpath(place, os.fsencode(path)): Path(os.fsdecode(place)).read_bytes() for place in places}


@pytest.mark.parametrize("name", ["files", "png"])
def test_files_are_announced_from_the_first_that_is_not_cached(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def third_is_not_cached(file: io.FileIO, content: memoryview) -> bool:
        asked.append(file.name)
        return len(asked) != 3 and read_cached(file, content)

    def keep(descriptor: int, places: list[int], size: int) -> None:
        announced.append(os.fstat(descriptor).st_ino)

    asked: list[str] = []
    announced: list[int] = []
    read_cached = file_access.read_cached
    images, labels = make(6)
    variant = Variant(name, backends.resolve(name, {}))
    variant.write(tmp_path / "store", images, labels)
    monkeypatch.setattr(file_access, "read_cached", third_is_not_cached)
    monkeypatch.setattr(file_access, "announce", keep)
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load([5, 0, 4, 1, 1]), images[[5, 0, 4, 1, 1]], labels[[5, 0, 4, 1, 1]])
    assert [Path(file).stem[-1] for file in asked] == ["5", "0", "4"]
    numbers = {file.stat().st_ino: file.stem[-1] for file in (tmp_path / "store").iterdir()}
    assert [numbers[file] for file in announced] == ["4", "1", "1"]
