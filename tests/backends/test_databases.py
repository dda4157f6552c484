"""What the databases promise beyond the contract: LMDB, LevelDB, RocksDB and SQLite."""

import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scripts import backends
from tests.support.backend_variants import COUNT, Variant, assert_same, load_all, make


def test_lmdb_map_grows_several_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.backends.lmdb.FIRST_MAP_BYTES", 1 << 20)
    images, labels = make(2000, 33, 31)
    variant = Variant("lmdb", backends.resolve("lmdb", {}))
    variant.write(tmp_path / "store", images, labels)
    assert (tmp_path / "store" / "data.mdb").stat().st_size > 7 << 20
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)


def test_lmdb_keys_sort_as_numbers(tmp_path: Path) -> None:
    import lmdb

    Variant("lmdb", backends.resolve("lmdb", {})).write(tmp_path / "store", *make(300, 1, 1))
    environment = lmdb.open(str(tmp_path / "store"), readonly=True, lock=False)
    with environment, environment.begin() as transaction:
        keys = list(transaction.cursor().iternext(values=False))
    assert [int.from_bytes(key, "big") for key in keys[:-1]] == list(range(300))
    assert os.listdir(tmp_path / "store") == ["data.mdb"]


def test_an_error_is_the_librarys_own_where_the_disk_is_not_full(tmp_path: Path) -> None:
    import lmdb

    # A file may not get larger than this, which fails like a full disk but isn't one.
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
    try:
        with pytest.raises(lmdb.Error, match="mdb_txn_commit"):
            Variant("lmdb", backends.resolve("lmdb", {})).write(tmp_path / "store", *make(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not (tmp_path / "store").exists()


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
        assert_same(load_all(reader), images, labels)
        assert_same(reader.load([1999, 0]), images[[1999, 0]], labels[[1999, 0]])


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
        for load in (lambda: load_all(reader), lambda: reader.load([0, 1]), lambda: reader.load([1])):
            with pytest.raises(ValueError, match="value"):
                load()


@pytest.mark.parametrize(("size", "reads_ahead"), [(64, False), (112, True)])
def test_lmdb_reads_large_values_ahead(
    size: int, reads_ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 and 37 kB: without readahead each page of a value is a wait for the disk."""
    import lmdb

    asked: list[bool] = []

    def watched(*place: Any, **settings: Any) -> Any:
        asked.append(settings["readahead"])
        return opened(*place, **settings)

    opened = lmdb.open
    variant = Variant("lmdb", backends.resolve("lmdb", {}))
    images, labels = make(60, size, size)
    variant.write(tmp_path / "store", images, labels)
    monkeypatch.setattr(lmdb, "open", watched)
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load([7, 3]), images[[7, 3]], labels[[7, 3]])
    assert asked[-1] == reads_ahead
