"""Backend hdf5: one HDF5 file with an array of images and an array of labels.

Layout of a store:

    images         uint8, (n, height, width, 3)
    labels         int64, little-endian, (n,)

    With a codec other than raw, in place of `images`:

    values         uint8, (bytes,): the images' bytes by the codec, one after the other
    offsets        int64, little-endian, (n + 1,): where in it each image begins and the last one ends
    image_shape    int64, little-endian, (3,): height, width and channels of every image

    With option `values` at `variable length`, without `offsets`:

    values         variable length of uint8, (n,): the images' bytes by the codec
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access, flat, values
from scripts.backends.shared.labels import Labels
from scripts.common.errors import UserError

FILE = "images.h5"
WITH_OFFSETS, VARIABLE_LENGTH = "bytes with offsets", "variable length"
CHUNK_BYTES = 64 << 10
"""The bytes in a chunk of encoded images. Originals have no chunks, since their size is known before."""
GZIP_LEVEL = 4
"""The level of gzip that h5py has by default."""


class Reader(base.Reader):
    """Holds the open file, and a selection that moves to each image. Neighbours' labels are read with their images."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        from h5py import h5d, h5f, h5s, h5t

        self._pixel = h5t.NATIVE_UINT8
        self._file = h5f.open(bytes(path / FILE), h5f.ACC_RDONLY, fapl=_access())
        self._resources.callback(self._file.close)
        self._images, self._labels = h5d.open(self._file, b"images"), h5d.open(self._file, b"labels")
        self._all = self._images.get_space()
        count, *image_shape = self._all.get_simple_extent_dims()
        self._one = h5s.create_simple((1, *image_shape))
        self._first_pixel = self._images.get_offset()
        self._per_compressed_chunk = 0
        if self._first_pixel is None and (layout := self._images.get_create_plist()).get_nfilters():
            self._per_compressed_chunk, *_ = layout.get_chunk()
        self._kept_labels = Labels(count, partial(_read_rows, self._labels))
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        from h5py import h5s

        self._images.read(h5s.ALL, h5s.ALL, images)
        self._labels.read(h5s.ALL, h5s.ALL, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) > 1 and (np.diff(ids) == 1).all():
            _read_rows(self._images, int(ids[0]), images)
            _read_rows(self._labels, int(ids[0]), labels)
            return
        self._kept_labels.fill(ids, labels)
        if len(ids) > 1:
            if self._per_compressed_chunk:
                self._read_by_chunk(ids, images)
                return
            if self._first_pixel is not None:
                size = images[0].nbytes
                file_access.announce(self._file.get_vfd_handle(), (self._first_pixel + ids * size).tolist(), size)
        for row, number in enumerate(ids.tolist()):
            self._read_one(number, images[row : row + 1])

    def _read_by_chunk(self, ids: np.ndarray, images: np.ndarray) -> None:
        """Fill `images` from compressed chunks, each of which is decompressed once."""
        order = np.argsort(ids, kind="stable")
        chunks = ids[order] // self._per_compressed_chunk
        for rows in np.split(order, np.flatnonzero(np.diff(chunks)) + 1):
            first, last = int(ids[rows[0]]), int(ids[rows[-1]])
            if len(rows) == 1:
                self._read_one(first, images[rows[0] : rows[0] + 1])
            else:
                found = np.empty((last - first + 1, *self.image_shape), np.uint8)
                _read_rows(self._images, first, found)
                images[rows] = found[ids[rows] - first]

    def _read_one(self, number: int, out: np.ndarray) -> None:
        self._all.select_hyperslab((number, 0, 0, 0), out.shape)
        self._images.read(self._one, self._all, out, self._pixel)


class ValuesReader(flat.Reader):
    """Holds the open file, and a selection that moves to each value."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        from h5py import h5d, h5t

        self._byte = h5t.NATIVE_UINT8
        self._file, labels, count, image_shape = _opened(path, self._resources)
        self._values, offsets = h5d.open(self._file, b"values"), h5d.open(self._file, b"offsets")
        self._all = self._values.get_space()
        self._first_byte = self._values.get_offset()
        self._set_up(count, partial(_read_rows, offsets), partial(_read_rows, labels))
        return count, image_shape

    def _fill(self, start: int, out: np.ndarray) -> None:
        from h5py import h5s

        self._all.select_hyperslab((start,), out.shape)
        self._values.read(h5s.create_simple(out.shape), self._all, out, self._byte)

    def _announce(self, starts: list[int], sizes: list[int]) -> None:
        if len(starts) > 1 and self._first_byte is not None:
            places = [self._first_byte + start for start in starts]
            file_access.announce(self._file.get_vfd_handle(), places, sizes)


class VariableLengthReader(base.Reader):
    """Holds the open file, and a selection that moves to each value, which HDF5 reads into memory of its own."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        from h5py import h5d, h5s

        self._file, labels, count, image_shape = _opened(path, self._resources)
        self._values = h5d.open(self._file, b"values")
        self._all, self._one = self._values.get_space(), h5s.create_simple((1,))
        self._type = _variable_length()
        self._labels = Labels(count, partial(_read_rows, labels))
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._read(np.arange(len(self)), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        values.decode(map(self._value, ids.tolist()), images, self._codec)
        self._labels.fill(ids, labels)

    def _value(self, number: int) -> memoryview:
        found = np.empty(1, object)
        self._all.select_hyperslab((number,), (1,))
        self._values.read(self._one, self._all, found, self._type)
        return memoryview(found[0])


class Backend(base.Backend):
    """A self-describing array file."""

    packages = {"h5py": "h5py==3.16.0"}
    options = {
        "codec": base.CODEC,
        "values": base.Option(
            WITH_OFFSETS,
            "how images are kept with a codec other than raw: all bytes in one array with the offsets of images in it, "
            "or each image as one of HDF5's values of variable length",
            (WITH_OFFSETS, VARIABLE_LENGTH),
        ),
        "images_per_chunk": base.Option(
            0, "how many images a chunk holds, with codec raw; 0: no chunks, one contiguous array"
        ),
        "compression": base.Option(
            "none",
            f"the filter of each chunk, gzip at level {GZIP_LEVEL}; needs images_per_chunk",
            ("none", "gzip", "lzf"),
        ),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=8)
    reader = Reader

    def reader_of(self, options: dict[str, Any]) -> type[base.Reader]:
        """Return the reader of pixels, or of values as they are kept."""
        if codecs.load(options["codec"]).is_identity:
            return self.reader
        return ValuesReader if options["values"] == WITH_OFFSETS else VariableLengthReader

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the offsets of values as well, or what HDF5 keeps for each value of variable length."""
        if codecs.load(options["codec"]).is_identity:
            return self.takes
        return replace(self.takes, bytes_per_image=16 if options["values"] == WITH_OFFSETS else 64)

    def check(self, options: dict[str, Any]) -> None:
        """Refuse compression without chunks, and options of pixels for values and of values for pixels."""
        codec = options["codec"]
        if options["compression"] != "none" and not options["images_per_chunk"]:
            raise UserError(
                f"backend hdf5 compresses only chunks: with compression {options['compression']}, set images_per_chunk"
            )
        if codecs.load(codec).is_identity:
            if options["values"] != WITH_OFFSETS:
                raise UserError("backend hdf5 keeps pixels in one array: with codec raw, leave values as it is")
        elif options["images_per_chunk"]:
            raise UserError(f"backend hdf5 chunks pixels only: with codec {codec}, leave images_per_chunk at 0")

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        from h5py import h5f

        codec = codecs.load(options["codec"])
        file = h5f.create(bytes(path / FILE), h5f.ACC_EXCL, fapl=_access())
        try:
            if codec.is_identity:
                _write_pixels(file, images, labels, options)
            else:
                _write_values(file, images, labels, codec, options["values"])
            h5f.flush(file)
        except BaseException:
            # HDF5 crashes the process where closing can't write what it still holds; on a full disk this makes room.
            os.truncate(path / FILE, 0)
            raise
        finally:
            file.close()


def _write_pixels(file: Any, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
    from h5py import h5p, h5t, h5z

    images_per_chunk = min(options["images_per_chunk"], images.shape[0])
    layout = h5p.create(h5p.DATASET_CREATE)
    rows = base.rows_per_block(images.shape, images_per_chunk or 1)
    if images_per_chunk:
        layout.set_chunk((images_per_chunk, *images.shape[1:]))
        if options["compression"] == "gzip":
            layout.set_deflate(GZIP_LEVEL)
        elif options["compression"] == "lzf":
            layout.set_filter(h5z.FILTER_LZF, h5z.FLAG_OPTIONAL)
    stored_images = _create(file, b"images", h5t.STD_U8LE, images.shape, layout)
    stored_labels = _create(file, b"labels", h5t.STD_I64LE, labels.shape)
    for start, image_block, label_block in base.blocks(images, labels, rows):
        _write_rows(stored_images, start, image_block)
        _write_rows(stored_labels, start, label_block)


def _write_values(file: Any, images: base.Source, labels: base.Source, codec: codecs.Codec, kept: str) -> None:
    from h5py import h5d, h5p, h5s, h5t

    count, *image_shape = images.shape
    _write_rows(_create(file, b"image_shape", h5t.STD_I64LE, (3,)), 0, np.array(image_shape, base.LABEL))
    stored_labels = _create(file, b"labels", h5t.STD_I64LE, (count,))
    if kept == VARIABLE_LENGTH:
        stored = _create(file, b"values", h5t.vlen_create(h5t.STD_U8LE), (count,))
        for start, block, label_block in values.blocks(images, labels, codec):
            found = np.empty(len(label_block), object)
            found[:] = [np.frombuffer(value, np.uint8) for value in values.encode(block, codec)]
            _write_rows(stored, start, found, _variable_length())
            _write_rows(stored_labels, start, label_block)
        return
    layout = h5p.create(h5p.DATASET_CREATE)
    if codec.keeps_originals:
        space = h5s.create_simple((cast(base.FileSource, images).original_bytes,))
    else:
        # How many bytes there will be isn't known, and only chunks can grow.
        layout.set_chunk((CHUNK_BYTES,))
        space = h5s.create_simple((0,), (h5s.UNLIMITED,))
    stored = h5d.create(file, b"values", h5t.STD_U8LE, space, layout)
    stored_offsets = _create(file, b"offsets", h5t.STD_I64LE, (count + 1,))
    _write_rows(stored_offsets, 0, np.zeros(1, base.LABEL))
    for start, content, ends, label_block in flat.blocks(images, labels, codec):
        if not codec.keeps_originals:
            stored.set_extent((int(ends[-1]),))
        _write_rows(stored, int(ends[-1]) - len(content), content)
        _write_rows(stored_offsets, start + 1, ends)
        _write_rows(stored_labels, start, label_block)


def _opened(path: Path, resources: ExitStack) -> tuple[Any, Any, int, list[int]]:
    """Open a file of values; return it, its labels, the number of images, and [height, width, channels]."""
    from h5py import h5d, h5f

    file = h5f.open(bytes(path / FILE), h5f.ACC_RDONLY, fapl=_access())
    resources.callback(file.close)
    labels, image_shape = h5d.open(file, b"labels"), np.empty(3, np.int64)
    _read_rows(h5d.open(file, b"image_shape"), 0, image_shape)
    (count,) = labels.get_space().get_simple_extent_dims()
    return file, labels, count, image_shape.tolist()


def _access() -> Any:
    """Return how files are opened: closing closes everything in them; no sieve buffer, no chunk cache, no locks."""
    from h5py import h5f, h5p

    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_sieve_buf_size(0)
    access.set_cache(0, 1, 0, 1.0)
    access.set_file_locking(False, True)
    return access


def _rows(dataset: Any, start: int, shape: Sequence[int]) -> Any:
    """Return the selection of `shape[0]` whole rows of `dataset` from row `start`."""
    space = dataset.get_space()
    space.select_hyperslab((start, *[0] * (len(shape) - 1)), tuple(shape))
    return space


def _create(file: Any, name: bytes, kind: Any, shape: Sequence[int], layout: Any = None) -> Any:
    from h5py import h5d, h5s

    return h5d.create(file, name, kind, h5s.create_simple(tuple(shape)), layout)


def _variable_length() -> Any:
    """Return the type in memory of values of variable length: NumPy's arrays."""
    import h5py

    return h5py.h5t.py_create(h5py.vlen_dtype(np.uint8))


def _write_rows(dataset: Any, start: int, block: np.ndarray, kind: Any = None) -> None:
    from h5py import h5s

    dataset.write(h5s.create_simple(block.shape), _rows(dataset, start, block.shape), block, kind)


def _read_rows(dataset: Any, start: int, out: np.ndarray) -> None:
    from h5py import h5s

    dataset.read(h5s.create_simple(out.shape), _rows(dataset, start, out.shape), out)
