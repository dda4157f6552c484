"""Backend tiledb: one dense TileDB array with one dimension, the number of the image, and one cell per image.

Layout of a store:

    image       attribute, uint8, all pixels of the image in one cell
    label       attribute, int64, in the same cell
    metadata    of the array: "count" and "image_shape"
"""

import errno
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base

TILES_PER_BLOCK = 64
"""A tile has a 64th of a block by default: 64 KiB."""
TILES_IN_MEMORY_BYTES = 16 << 20
DIMENSION, IMAGE, LABEL = "number", "image", "label"
FILTERS = {"none": "", "lz4": "LZ4Filter", "zstd": "ZstdFilter", "gzip": "GzipFilter"}


class Reader(base.Reader):
    """Holds the open array and its context, which has the threads."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import tiledb
        from tiledb import libtiledb

        self._context = _context()
        self._array = self._resources.enter_context(tiledb.open(str(path), ctx=self._context))
        self._inner = libtiledb.Array(self._context, self._array)
        return self._array.meta["count"], self._array.meta["image_shape"]

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        import tiledb

        everything = tiledb.Subarray(self._array, self._context)
        everything.add_dim_range(0, (0, len(self) - 1))
        self._fill(everything, images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        import tiledb
        from tiledb import libtiledb

        if len(ids) == 1:
            chosen = libtiledb.Subarray(self._context, self._inner)
            number = int(ids[0])
            chosen._add_dim_range(0, (number, number))
        else:
            chosen = tiledb.Subarray(self._array, self._context)
            chosen.add_ranges([ids.astype(np.uint64)])
        self._fill(chosen, images, labels)

    def _fill(self, subarray: Any, images: np.ndarray, labels: np.ndarray) -> None:
        """Read the cells of the ranges, in their order."""
        from tiledb import libtiledb

        query = libtiledb.Query(self._context, self._inner, libtiledb.QueryType.READ)
        query.layout = libtiledb.LayoutType.ROW_MAJOR
        query.set_subarray(subarray)
        _submit(query, images, labels)
        if not query.is_complete():
            raise OSError(errno.EIO, "TileDB has read less than was asked for")


class Backend(base.Backend):
    """An array engine that writes immutable fragments."""

    packages = {"tiledb": "tiledb==0.36.1"}
    options = {
        "images_per_tile": base.Option(0, "how many images a tile holds; 0: as many as fit into 64 KiB, at least one"),
        "compression": base.compression("each tile of images is", *FILTERS),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=15, bytes_per_image=16)
    file = "__schema"
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import tiledb
        from tiledb import libtiledb

        count, *image_shape = images.shape
        fitting = max(1, base.rows_per_block(images.shape) // TILES_PER_BLOCK)
        per_tile = min(options["images_per_tile"] or fitting, count)
        padded = -(-count // per_tile) * per_tile
        rows = base.rows_per_block(images.shape, per_tile)
        context = _context()
        schema = _schema(context, padded, per_tile, math.prod(image_shape), options)
        tiledb.Array.create(str(path), schema, ctx=context)
        with tiledb.open(str(path), "w", ctx=context) as array:
            array.meta["count"] = count
            array.meta["image_shape"] = tuple(image_shape)
            query = libtiledb.Query(context, libtiledb.Array(context, array), libtiledb.QueryType.WRITE)
            query.layout = libtiledb.LayoutType.GLOBAL_ORDER
            everything = tiledb.Subarray(array, context)
            everything.add_dim_range(0, (0, padded - 1))
            query.set_subarray(everything)
            for start, image_block, label_block in base.blocks(images, labels, rows):
                if start + rows >= count:
                    image_block, label_block = _pad(image_block, padded - start), _pad(label_block, padded - start)
                _submit(query, image_block, label_block)
            query.finalize()


def _context() -> Any:
    """Return a context of its own, with its threads and settings."""
    import tiledb

    threads = str(base.threads())
    return tiledb.Ctx(
        {
            "sm.compute_concurrency_level": threads,
            "sm.io_concurrency_level": threads,
            "sm.mem.malloc_trim": "false",
            "sm.mem.tile_upper_memory_limit": str(TILES_IN_MEMORY_BYTES),
            "vfs.min_batch_gap": "0",
            "vfs.min_batch_size": "0",
        }
    )


def _schema(context: Any, padded: int, per_tile: int, image_bytes: int, options: dict[str, Any]) -> Any:
    """Return the schema: one dimension of `padded` images in tiles of `per_tile`, and the two attributes."""
    import tiledb

    def filters(name: str) -> tiledb.FilterList:
        level = {"level": codecs.ZSTD_LEVEL} if name == FILTERS["zstd"] else {}
        return tiledb.FilterList([getattr(tiledb, name)(ctx=context, **level)] if name else [], ctx=context)

    none = filters("")
    dimension = tiledb.Dim(DIMENSION, (0, padded - 1), per_tile, dtype=np.uint64, filters=none, ctx=context)
    image = tiledb.Attr(IMAGE, np.uint8, filters=filters(FILTERS[options["compression"]]), ctx=context)
    # NumPy's type for these cells would have as many fields as the image has bytes.
    image._ncell = image_bytes
    label = tiledb.Attr(LABEL, np.int64, filters=none, ctx=context)
    return tiledb.ArraySchema(tiledb.Domain(dimension, ctx=context), [image, label], ctx=context)


def _submit(query: Any, images: np.ndarray, labels: np.ndarray) -> None:
    """Let the query read or write these arrays themselves, without a copy."""
    query.set_data_buffer(IMAGE, images.reshape(-1), images.size)
    query.set_data_buffer(LABEL, labels, labels.size)
    query._submit()


def _pad(block: np.ndarray, rows: int) -> np.ndarray:
    """Return the block, filled up with zeros to so many rows: global order takes whole tiles only."""
    return np.concatenate((block, np.zeros((rows - len(block), *block.shape[1:]), block.dtype)))
