"""The list of backends, their options, and what single backends promise beyond the contract."""

import errno
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.system.disk import disk_usage
from tests.support.backend_variants import COUNT, RUNNABLE, Variant, assert_same, make

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_declarations() -> None:
    for name in backends.names():
        backend = backends.load(name)
        assert {type(backend.fork_safe), type(backend.several_readers), type(backend.opens_without_writing)} == {bool}
        assert all(option.meaning for option in backend.options.values())
        assert backends.resolve(name, {}) == {key: option.default for key, option in backend.options.items()}


def test_importing_a_backend_imports_no_library() -> None:
    script = (
        "import sys; from scripts import backends, codecs; "
        "found = [backends.load(name) for name in backends.names()] + [codecs.load(name) for name in codecs.names()]; "
        "print(sorted({package for one in found for package in one.packages} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hdf4", {}, "there is no backend hdf4; did you mean hdf5?"),
        ("base", {}, "there is no backend base"),
        ("lmdb", {"codex": "raw"}, "backend lmdb has no option codex; did you mean codec?"),
        ("lmdb", {"codec": "pikle"}, "did you mean pickle?"),
        ("lmdb", {"codec": "png", "images_per_value": 2}, "leave images_per_value at 1"),
        ("lmdb", {"images_per_value": 0}, "at least 1"),
        ("lmdb", {"images_per_value": True}, "type int"),
        ("hdf5", {"images_per_chunk": "64"}, "type int"),
        ("hdf5", {"compression": "gzip"}, "set images_per_chunk"),
        ("png", {"compress_level": 10}, "option compress_level of backend png can't be 10"),
        ("png", {"compress_level": True}, "option compress_level of backend png can't be True"),
    ],
)
def test_mistakes_in_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        backends.resolve(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in RUNNABLE if name != "png"])
@pytest.mark.usefixtures("libraries")
def test_without_compression_pixels_take_what_they_take_even_where_images_repeat(name: str, tmp_path: Path) -> None:
    """Larger cutoffs repeat the image set: a backend that noticed would be measured on fewer images."""
    images, labels = make(10)
    Variant(name, backends.resolve(name, {})).write(
        tmp_path / "store", np.tile(images, (200, 1, 1, 1)), np.tile(labels, 200)
    )
    assert disk_usage.measure(tmp_path / "store").apparent_bytes > 200 * images.nbytes


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
        assert_same(reader.load_all(), images, labels)


def test_lmdb_map_grows_several_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.backends.lmdb.FIRST_MAP_BYTES", 1 << 20)
    images, labels = make(2000, 33, 31)
    variant = Variant("lmdb", backends.resolve("lmdb", {}))
    variant.write(tmp_path / "store", images, labels)
    assert (tmp_path / "store" / "data.mdb").stat().st_size > 7 << 20
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load_all(), images, labels)


def test_lmdb_keys_sort_as_numbers(tmp_path: Path) -> None:
    import lmdb

    Variant("lmdb", backends.resolve("lmdb", {})).write(tmp_path / "store", *make(300, 1, 1))
    environment = lmdb.open(str(tmp_path / "store"), readonly=True, lock=False)
    with environment, environment.begin() as transaction:
        keys = list(transaction.cursor().iternext(values=False))
    assert [int.from_bytes(key, "big") for key in keys[:-1]] == list(range(300))
    assert os.listdir(tmp_path / "store") == ["data.mdb"]


def test_an_error_is_the_librarys_own_where_the_disk_is_not_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lmdb

    def fail(*_: Any) -> None:
        raise lmdb.Error(f"mdb_txn_commit: {os.strerror(errno.EIO)}")

    monkeypatch.setattr("scripts.backends.lmdb._append", fail)
    with pytest.raises(lmdb.Error):
        Variant("lmdb", backends.resolve("lmdb", {})).write(tmp_path / "store", *make())


def test_hdf5_settings(tmp_path: Path) -> None:
    import h5py

    for options, expected in [
        ({}, (None, None)),
        ({"images_per_chunk": 7}, ((7, 32, 32, 3), None)),
        ({"images_per_chunk": 64, "compression": "gzip"}, ((COUNT, 32, 32, 3), "gzip")),
        ({"images_per_chunk": 7, "compression": "lzf"}, ((7, 32, 32, 3), "lzf")),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        Variant("hdf5", backends.resolve("hdf5", options)).write(path, *make())
        with h5py.File(path / "images.h5") as file:
            assert (file["images"].chunks, file["images"].compression) == expected
            assert (file["labels"].dtype, file["labels"].chunks) == (np.int64, None)


def test_hdf5_reads_each_compressed_chunk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.backends import hdf5

    images, labels = make()
    variant = Variant("hdf5", backends.resolve("hdf5", {"images_per_chunk": 7, "compression": "gzip"}))
    variant.write(tmp_path / "store", images, labels)
    reads: list[str] = []

    def counted(name: str, function: Callable[..., None]) -> Callable[..., None]:
        return lambda *arguments: (reads.append(name), function(*arguments))[1]

    monkeypatch.setattr(hdf5, "_read_rows", counted("rows", hdf5._read_rows))
    monkeypatch.setattr(hdf5.Reader, "_read_one", counted("one", hdf5.Reader._read_one))
    ids = [39, 0, 13, 6, 0, 7, 39]
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load(ids), images[ids], labels[ids])
    assert reads == ["rows"] * 3
    reads.clear()
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load([20, 0]), images[[20, 0]], labels[[20, 0]])
    assert reads == ["one"] * 2


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
        monkeypatch.setattr("scripts.backends.base.announce", lambda _, *found: announced.append(found))
        reader.load([3, 39])
    [(places, size)] = announced
    content = (tmp_path / "store" / "images.arrow").read_bytes()
    assert all(content[place:].startswith(b"\x89PNG") for place in places)
    assert size == max(content.index(b"IEND", place) + 8 - place for place in places) < images[0].nbytes


def test_arrow_refuses_more_than_its_offsets_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "iinfo", lambda kind: SimpleNamespace(max=10_000))
    for name, option in (("feather", "images_per_batch"), ("parquet", "images_per_row_group")):
        options = backends.resolve(name, {"codec": "png", option: COUNT})
        with pytest.raises(UserError, match=f"lower {option} of backend {name}"):
            Variant(name, options).write(tmp_path / name, *make())


def test_parquet_refuses_less_than_it_asked_for(tmp_path: Path) -> None:
    import pyarrow as pa

    variant = Variant("parquet", backends.resolve("parquet", {"images_per_row_group": 15}))
    variant.write(tmp_path / "store", *make())
    with variant.open(tmp_path / "store") as reader:
        whole = reader._mapped

        class Cutting:
            metadata = whole.metadata

            def iter_batches(self, rows: int, **settings: Any) -> Iterator[pa.RecordBatch]:
                return whole.iter_batches(min(rows, 10), **settings)

        reader._mapped = Cutting()
        with pytest.raises(ValueError, match="10 images, not 25"):
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


def test_sqlite_settings(tmp_path: Path) -> None:
    images, labels = make(COUNT, 5, 7)
    for options, page_bytes in [({}, 16384), ({"page_bytes": 512}, 512)]:
        path = tmp_path / str(page_bytes)
        Variant("sqlite", backends.resolve("sqlite", options)).write(path, images, labels)
        assert os.listdir(path) == ["images.sqlite"]
        with closing(sqlite3.connect(path / "images.sqlite")) as connection:
            assert connection.execute("PRAGMA page_size").fetchone() == (page_bytes,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            expected = [
                (n, int(label), image.tobytes()) for n, (label, image) in enumerate(zip(labels, images, strict=True))
            ]
            assert connection.execute("SELECT number, label, image FROM images").fetchall() == expected


def test_sqlite_misses_no_row(tmp_path: Path) -> None:
    images, labels = make()
    variant = Variant("sqlite", backends.resolve("sqlite", {}))
    variant.write(tmp_path / "store", images, labels)
    with closing(sqlite3.connect(tmp_path / "store" / "images.sqlite")) as connection, connection:
        connection.execute("DELETE FROM images WHERE number > 0")
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load([0]), images[:1], labels[:1])
        for load in (reader.load_all, lambda: reader.load([0, 1]), lambda: reader.load([1])):
            with pytest.raises(ValueError, match="value"):
                load()


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
        assert_same(reader.load_all(), images, labels)
        os.truncate(tmp_path / "store" / "shard-000002.tar", 20_000)
        with pytest.raises(EOFError, match=r"shard-000002\.tar is too short"):
            reader.load_all()


def test_leveldb_settings(tmp_path: Path) -> None:
    for options, has_tables, is_compressed in [
        ({}, True, False),
        ({"finish": "none"}, False, False),
        ({"finish": "compact"}, True, False),
        ({"compression": "snappy"}, True, True),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        images, labels = make()
        Variant("leveldb", backends.resolve("leveldb", options)).write(path, images * 0, labels)
        tables, logs = (sum(file.stat().st_size for file in path.glob(pattern)) for pattern in ("*.ldb", "*.log"))
        assert (tables > 0, logs > 0) == (has_tables, not has_tables)
        assert (tables + logs < images.nbytes) == is_compressed


def test_rocksdb_settings(tmp_path: Path) -> None:
    import rocksdict

    for options, is_compressed in [
        ({}, False),
        ({"bulk_load": False}, False),
        ({"compression": "lz4"}, True),
        ({"compression": "zstd", "bulk_load": False}, True),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        images, labels = make()
        Variant("rocksdb", backends.resolve("rocksdb", options)).write(path, images * 0, labels)
        assert (sum(file.stat().st_size for file in path.glob("*.sst")) < images.nbytes) == is_compressed
        assert [file.stat().st_size for file in path.glob("*.log")] == [0]
        with rocksdict.Rdict(str(path)) as database:
            assert database.property_value("rocksdb.num-files-at-level6") == "1"


def test_rocksdb_of_several_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.backends.rocksdb.TABLE_BYTES", 1 << 20)
    images, labels = make(2000, 33, 31)
    variant = Variant("rocksdb", backends.resolve("rocksdb", {}))
    variant.write(tmp_path / "store", images, labels)
    assert len(list((tmp_path / "store").glob("*.sst"))) == 6
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load_all(), images, labels)
        assert_same(reader.load([1999, 0]), images[[1999, 0]], labels[[1999, 0]])


def test_arrayrecord_announces_where_records_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[tuple[int, int]] = []

    def keep(_: int, places: list[int], size: int) -> None:
        announced.extend((place, size) for place in places)

    monkeypatch.setattr("scripts.backends.base.announce", keep)
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


def test_tiledb_settings(tmp_path: Path) -> None:
    import tiledb

    for options, tile, filters in [
        ({}, 21, []),
        ({"images_per_tile": 7}, 7, []),
        ({"compression": "zstd"}, 21, ["Zstd"]),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        Variant("tiledb", backends.resolve("tiledb", options)).write(path, *make())
        assert len(os.listdir(path / "__fragments")) == 1
        with tiledb.open(str(path)) as array:
            assert (array.dim(0).tile, array.dim(0).domain) == (tile, (0, 41))
            assert [type(found).__name__ for found in array.attr("image").filters] == [
                f"{name}Filter" for name in filters
            ]
            assert not len(array.attr("label").filters)


def test_zarr_settings(tmp_path: Path) -> None:
    import zarr

    for options, chunk, shard, compressors in [
        ({}, 21, 42, []),
        ({"images_per_chunk": 1}, 1, COUNT, []),
        ({"images_per_chunk": 7, "chunks_per_shard": 2}, 7, 14, []),
        ({"chunks_per_shard": 1}, 21, None, []),
        ({"compression": "blosc"}, 21, 42, ["Blosc"]),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        images, labels = make()
        Variant("zarr", backends.resolve("zarr", options)).write(path, np.zeros_like(images), labels)
        array = zarr.open_group(str(path), mode="r")["images"]
        assert (array.chunks[0], array.shards and array.shards[0]) == (chunk, shard)
        assert [type(found).__name__ for found in array.compressors] == [f"{name}Codec" for name in compressors]
        size = sum(file.stat().st_size for file in (path / "images").rglob("*") if file.is_file())
        assert (size > images.nbytes) == (not compressors)


def test_tensorstore_and_zarr_read_each_other(tmp_path: Path) -> None:
    images, labels = make()
    images[21:] = 0
    for number, options in enumerate(
        [
            {},
            {"images_per_chunk": 7, "chunks_per_shard": 2},
            {"chunks_per_shard": 1},
            *({"compression": name} for name in ("zstd", "blosc", "gzip")),
        ]
    ):
        both = [Variant(name, backends.resolve(name, options)) for name in ("tensorstore", "zarr")]
        chunks = []
        for writer in both:
            path = tmp_path / f"{writer.name}{number}"
            writer.write(path, images, labels)
            for reader in both:
                with reader.open(path) as opened:
                    assert_same(opened.load_all(), images, labels)
                    assert_same(opened.load([39, 3, 3]), images[[39, 3, 3]], labels[[39, 3, 3]])
            chunks.append(
                {file.relative_to(path): file.read_bytes() for file in path.glob("*/c/**/*") if file.is_file()}
            )
        assert chunks[0].keys() == chunks[1].keys()
        # The same settings, but compressors that were built with other versions of their libraries.
        assert codecs_of(tmp_path / f"tensorstore{number}") == codecs_of(tmp_path / f"zarr{number}")
        if "compression" not in options:
            assert chunks[0] == chunks[1]


def codecs_of(store: Path) -> list[tuple[str, dict]]:
    """The codecs of chunks of images, as the store says."""
    [first, *others] = json.loads((store / "images" / "zarr.json").read_text())["codecs"]
    chunk_codecs = first["configuration"]["codecs"] if first["name"] == "sharding_indexed" else [first, *others]
    return [(codec["name"], codec.get("configuration", {})) for codec in chunk_codecs]


@pytest.mark.parametrize("name", ["tensorstore", "zarr"])
def test_chunks_are_announced_where_they_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[bytes] = []

    def keep(descriptor: int, places: list[int], size: int) -> None:
        announced.extend(os.pread(descriptor, size or 1 << 20, place) for place in places)

    monkeypatch.setattr("scripts.backends.base.announce", keep)
    images, labels = make(100)
    variant = Variant(name, backends.resolve(name, {"images_per_chunk": 7, "chunks_per_shard": 3}))
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        reader.load([50, 0, 23, 50])
    assert [len(places) for places in announced[::2]] == [3 * 16 + 4] * 3
    assert announced[1::2] == [images[start : start + 7].tobytes() for start in (0, 21, 49)]
