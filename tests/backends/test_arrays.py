"""What the backends of arrays promise beyond the contract: HDF5, TileDB, Zarr and TensorStore."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.codecs import png
from tests.support.backend_variants import COUNT, Variant, WithFiles, assert_same, load_all, make

IO_COUNTS = Path("/proc/self/io")


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


@pytest.mark.skipif(not IO_COUNTS.exists(), reason="this system doesn't count what a process reads")
def test_hdf5_reads_each_compressed_chunk_once(tmp_path: Path) -> None:
    images, labels = make()
    variant = Variant("hdf5", backends.resolve("hdf5", {"images_per_chunk": 7, "compression": "gzip"}))
    variant.write(tmp_path / "store", images, labels)
    chunk_bytes = 7 * images[0].nbytes
    with variant.open(tmp_path / "store") as reader:
        for ids, chunks in [([39, 0, 13, 6, 0, 7, 39], 3), ([20, 0], 2), ([20, 20, 20], 1)]:
            reader.load(ids)
            before = bytes_read()
            found = reader.load(ids)
            read = bytes_read() - before
            assert_same(found, images[ids], labels[ids])
            assert chunks * chunk_bytes * 0.9 < read < (chunks + 0.5) * chunk_bytes


def bytes_read() -> int:
    """The bytes that this process has read from files so far, wherever they came from."""
    return int(IO_COUNTS.read_text().split("rchar: ")[1].split()[0])


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
                    assert_same(load_all(opened), images, labels)
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

    monkeypatch.setattr("scripts.backends.shared.file_access.announce", keep)
    images, labels = make(100)
    variant = Variant(name, backends.resolve(name, {"images_per_chunk": 7, "chunks_per_shard": 3}))
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        reader.load([50, 0, 23, 50])
    assert [len(places) for places in announced[::2]] == [3 * 16 + 4] * 3
    assert announced[1::2] == [images[start : start + 7].tobytes() for start in (0, 21, 49)]


def test_values_as_others_read_them(tmp_path: Path) -> None:
    import h5py
    import zarr

    images, labels = make(COUNT, 5, 7)
    files = WithFiles(images, {3: 5000})
    expected = [bytes(found) for found in files.originals(slice(None))]
    read_by: dict[str, Callable[[Path, dict[str, Any]], list[bytes]]] = {
        "memmap": lambda path, _: parts(np.memmap(path / "values.bin", np.uint8, "r"), np.load(path / "offsets.npy")),
        "hdf5": lambda path, options: of_hdf5(h5py.File(path / "images.h5"), options),
        "zarr": lambda path, _: zarr.open_group(path, mode="r")["values"][:].tolist(),
    }
    for name, options in [("memmap", {}), ("hdf5", {}), ("hdf5", {"values": "variable length"}), ("zarr", {})]:
        for codec, source in (("original", files), ("png", images)):
            path = tmp_path / str(len(os.listdir(tmp_path)))
            Variant(name, backends.resolve(name, {"codec": codec, **options})).write(path, source, labels)
            found = read_by[name](path, options)
            assert found == (expected if codec == "original" else [bytes(png.encode(image)) for image in images])


def of_hdf5(file: Any, options: dict[str, Any]) -> list[bytes]:
    """The values of an open file of h5py's, which this closes."""
    with file:
        if options:
            return [value.tobytes() for value in file["values"][:]]
        return parts(file["values"][:], file["offsets"][:])


def parts(content: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """The bytes between neighbouring offsets."""
    assert len(content) == offsets[-1]
    return [content[start:end].tobytes() for start, end in pairwise(offsets)]


@pytest.mark.parametrize("name", ["memmap", "hdf5", "tar"])
def test_a_damaged_value_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    """The reader closes what it holds while the error still has hold of the value."""
    variant = Variant(name, backends.resolve(name, {"codec": "png"}))
    variant.write(tmp_path / "store", *make(3))
    for path in (tmp_path / "store").iterdir():
        path.write_bytes(path.read_bytes().replace(b"IDAT", b"gone"))
    with pytest.raises(ValueError, match="not a whole PNG"), variant.open(tmp_path / "store") as reader:
        reader.load([1])
