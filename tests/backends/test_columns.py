"""What the backends of columns promise beyond the contract: Feather, Parquet and Lance."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base
from scripts.common.errors import UserError
from tests.support.backend_variants import COUNT, SMALL_BLOCK_BYTES, Variant, assert_same, load_all, make


def test_feather_settings(tmp_path: Path) -> None:
    import pyarrow as pa

    for options, rows, image_type in [
        ({}, [COUNT], pa.binary(3072)),
        ({"images_per_batch": 15}, [15, 15, 10], pa.binary(3072)),
        ({"images_per_batch": 15, "compression": "zstd"}, [15, 15, 10], pa.binary(3072)),
        ({"images_per_batch": 15, "codec": "png"}, [15, 15, 10], pa.binary()),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        images, labels = make()
        Variant("feather", backends.resolve("feather", options)).write(path, images // 64, labels)
        with pa.OSFile(str(path / "images.arrow")) as file, pa.ipc.open_file(file) as reader:
            assert [reader.get_batch(number).num_rows for number in range(reader.num_record_batches)] == rows
            assert (reader.schema.field("image").type, reader.schema.field("label").type) == (image_type, pa.int64())
            assert reader.read_all()["label"].to_pylist() == labels.tolist()
            is_smaller = (path / "images.arrow").stat().st_size < images.nbytes
            assert is_smaller == (options.keys() > {"images_per_batch"})


def test_feather_announces_encoded_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[tuple[list[int], int]] = []
    images, labels = make()
    variant = Variant("feather", backends.resolve("feather", {"codec": "png", "images_per_batch": 15}))
    variant.write(tmp_path / "store", images // 64, labels)
    with variant.open(tmp_path / "store") as reader:
        reader.load(range(COUNT))
        monkeypatch.setattr("scripts.backends.shared.file_access.announce", lambda _, *found: announced.append(found))
        reader.load([3, 39])
    [(places, sizes)] = announced
    content = (tmp_path / "store" / "images.arrow").read_bytes()
    assert all(content[place:].startswith(b"\x89PNG") for place in places)
    assert sizes == [content.index(b"IEND", place) + 8 - place for place in places]


def test_arrow_refuses_more_than_its_offsets_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "iinfo", lambda kind: SimpleNamespace(max=10_000))
    for name, option in (("feather", "images_per_batch"), ("parquet", "images_per_row_group")):
        options = backends.resolve(name, {"codec": "png", option: COUNT})
        with pytest.raises(UserError, match=f"lower {option} of backend {name}"):
            Variant(name, options).write(tmp_path / name, *make())


def test_parquet_refuses_less_than_it_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    variant = Variant("parquet", backends.resolve("parquet", {"images_per_row_group": 15}))
    variant.write(tmp_path / "store", *make())
    iter_batches = parquet.ParquetFile.iter_batches

    def cutting(file: parquet.ParquetFile, rows: int, **settings: Any) -> Iterator[pa.RecordBatch]:
        return iter_batches(file, min(rows, 10), **settings)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", cutting)
    with variant.open(tmp_path / "store") as reader, pytest.raises(ValueError, match="10 images, not 25"):
        reader.load([0, 39])


def test_parquet_settings(tmp_path: Path) -> None:
    from pyarrow import parquet

    for options, rows, compression, kind in [
        ({}, [COUNT], "UNCOMPRESSED", "FIXED_LEN_BYTE_ARRAY"),
        ({"images_per_row_group": 15}, [15, 15, 10], "UNCOMPRESSED", "FIXED_LEN_BYTE_ARRAY"),
        ({"compression": "zstd"}, [COUNT], "ZSTD", "FIXED_LEN_BYTE_ARRAY"),
        ({"codec": "png"}, [COUNT], "UNCOMPRESSED", "BYTE_ARRAY"),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        Variant("parquet", backends.resolve("parquet", options)).write(path, *make())
        metadata = parquet.read_metadata(path / "images.parquet")
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        assert [group.num_rows for group in groups] == rows
        for column in (group.column(0) for group in groups):
            assert (column.compression, column.physical_type) == (compression, kind)
            assert not column.has_dictionary_page
            assert column.statistics is None


def test_lance_keeps_one_fragment_and_doesnt_compress(tmp_path: Path) -> None:
    import lance

    for options, is_smaller in [({}, False), ({"file_version": "2.0"}, False), ({"compression": "zstd"}, True)]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        images, labels = make()
        Variant("lance", backends.resolve("lance", options)).write(path, images // 64, labels)
        dataset = lance.dataset(str(path / "images.lance"))
        assert [fragment.count_rows() for fragment in dataset.get_fragments()] == [COUNT]
        assert dataset.data_storage_version == options.get("file_version", "2.2")
        size = sum(file.stat().st_size for file in path.rglob("*.lance") if file.is_file())
        assert (size < images.nbytes) == is_smaller


@pytest.mark.parametrize("taken_rows", [0, 128], ids=["scan", "take"])
def test_lance_reads_everything_in_either_way(taken_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.backends.lance.TAKEN_ROWS", taken_rows)
    monkeypatch.setattr(base, "BLOCK_BYTES", SMALL_BLOCK_BYTES)
    images, labels = make()
    variant = Variant("lance", backends.resolve("lance", {}))
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)
