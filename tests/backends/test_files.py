"""What the backends of files promise beyond the contract: one file per image, tar archives and ArrayRecord."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from scripts import backends
from tests.support.backend_variants import COUNT, Variant, assert_same, load_all, make


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
