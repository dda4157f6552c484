"""Backend zarr: a Zarr (version 3) group in a folder, with an array of images and an array of labels.

Layout of a store:

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder

    With a codec other than raw, in place of `images`:

    values/c/<shard>          bytes of variable length: the images' by the codec; its attributes have their shape
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values, zarr3
from scripts.backends.shared.labels import Labels
from scripts.common.errors import UserError

if TYPE_CHECKING:
    from types import ModuleType

VALUES = "values"
SAME = {"config": {"write_empty_chunks": True}}
"""The setting of all arrays."""
COMPRESSORS = {"zstd": "ZstdCodec", "blosc": "BloscCodec", "gzip": "GzipCodec"}


class Reader(zarr3.Reader):
    """Holds both arrays."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        zarr = _zarr()
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        return self._set_up(path, group[zarr3.IMAGES], group[zarr3.LABELS], options)

    def _fill(self, stored: Any, rows: slice, out: np.ndarray) -> None:
        from zarr.buffer.cpu import NDBuffer

        stored.get_basic_selection(rows, out=NDBuffer.from_numpy_array(out))

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        unique, places = np.unique(ids, return_inverse=True)
        np.take(self._images.get_orthogonal_selection((unique,)), places, axis=0, out=images, mode="clip")


class ValuesReader(base.Reader):
    """Holds both arrays. Zarr decodes whole chunks of values, into memory of its own."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        zarr = _zarr()
        with _unstable():
            group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
            self._values: Any = group[VALUES]
        stored_labels: Any = group[zarr3.LABELS]
        self._value_bytes = self._values.attrs["value_bytes"]
        (count,) = self._values.shape
        self._labels = Labels(count, partial(_fill, stored_labels))
        return count, self._values.attrs["image_shape"]

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        (per_file,) = self._values.shards or self._values.chunks
        step = base.rows_per_block(images.shape, per_file, self._value_bytes)
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            values.decode(self._values.get_basic_selection(rows), images[rows], self._codec)
        self._labels.fill(np.arange(len(self)), labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            found = self._values.get_basic_selection(slice(int(ids[0]), int(ids[0]) + 1))
            values.decode(found, images, self._codec)
        else:
            step = values.together(1, self._value_bytes)
            for start in range(0, len(ids), step):
                unique, places = np.unique(ids[start : start + step], return_inverse=True)
                found = self._values.get_orthogonal_selection((unique,))
                values.decode(found[places], images[start : start + step], self._codec)
        self._labels.fill(ids, labels)


class Backend(zarr3.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"zarr": "zarr==3.1.6"}
    options = {"codec": base.CODEC, **zarr3.Backend.options}
    reader = Reader

    def reader_of(self, options: dict[str, Any]) -> type[base.Reader]:
        """Return the reader of pixels or of values."""
        return self.reader if codecs.load(options["codec"]).is_identity else ValuesReader

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of values as well, which have no directories to themselves."""
        found = super().footprint(options, image_shape)
        if codecs.load(options["codec"]).is_identity:
            return found
        return replace(found, files_per_image=found.files_per_image / 4, bytes_per_image=48)

    def check(self, options: dict[str, Any]) -> None:
        """Refuse to compress what is encoded."""
        if options["compression"] != "none" and not codecs.load(options["codec"]).is_identity:
            raise UserError(
                f"backend zarr compresses pixels only: with codec {options['codec']}, leave compression at none"
            )

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        codec = codecs.load(options["codec"])
        if codec.is_identity:
            super()._write(path, images, labels, options)
            return
        zarr = _zarr()
        count, *image_shape = images.shape
        value_bytes = values.value_bytes(images, codec)
        layout = zarr3.layout(images.shape, options, value_bytes)
        group = zarr.create_group(zarr.storage.LocalStore(path))
        with _unstable():
            stored = group.create_array(
                VALUES,
                shape=count,
                dtype="variable_length_bytes",
                chunks=(layout.images_per_chunk,),
                shards=(layout.images_per_shard,) if layout.has_shards else None,
                compressors=None,
                attributes={"image_shape": image_shape, "value_bytes": value_bytes},
                **SAME,
            )
        stored_labels = _create_labels(group, count, layout)
        blocks = (
            (start, _objects(values.encode(block, codec)), label_block)
            for start, block, label_block in values.blocks(images, labels, codec, layout.images_per_write)
        )
        self._put_all(stored, stored_labels, blocks, count, layout)

    def _create(self, path: Path, shape: Sequence[int], layout: zarr3.Layout, compression: str) -> tuple[Any, Any]:
        zarr = _zarr()
        count, *image_shape = shape
        compressors = None
        if settings := zarr3.COMPRESSORS[compression]:
            compressors = [getattr(zarr.codecs, COMPRESSORS[compression])(**settings)]
        group = zarr.create_group(zarr.storage.LocalStore(path))
        images = group.create_array(
            zarr3.IMAGES,
            shape=shape,
            dtype="u1",
            chunks=(layout.images_per_chunk, *image_shape),
            shards=(layout.images_per_shard, *image_shape) if layout.has_shards else None,
            compressors=compressors,
            filters=None,
            fill_value=0,
            **SAME,
        )
        return images, _create_labels(group, count, layout)

    def _put(self, stored: Any, start: int, block: np.ndarray) -> None:
        stored.set_basic_selection(slice(start, start + len(block)), block)


def _create_labels(group: Any, count: int, layout: zarr3.Layout) -> Any:
    chunk = layout.labels_per_chunk
    return group.create_array(
        zarr3.LABELS, shape=count, dtype="<i8", chunks=chunk, compressors=None, filters=None, fill_value=0, **SAME
    )


def _objects(stored: Sequence[bytes | memoryview]) -> np.ndarray:
    """Return values as Zarr takes them."""
    found = np.empty(len(stored), object)
    found[:] = [bytes(value) for value in stored]
    return found


def _fill(stored: Any, first: int, out: np.ndarray) -> None:
    out[:] = stored.get_basic_selection(slice(first, first + len(out)))


@contextmanager
def _unstable() -> Iterator[None]:
    """Be silent about a data type that has no specification yet, which the notes tell."""
    import zarr.errors

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zarr.errors.UnstableSpecificationWarning)
        yield


@cache
def _zarr() -> "ModuleType":
    """Return the library, which is told once for the whole process how many threads it may use."""
    import zarr

    threads = base.threads()
    zarr.config.set(
        {"async.concurrency": threads, "threading.max_workers": threads, "codec_pipeline.batch_size": 1 << 30}
    )
    return zarr
