"""Backend hdf5: one HDF5 file with an array of images and an array of labels.

Layout of a store:

    images    uint8, (n, height, width, 3)
    labels    int64, little-endian, (n,)
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import file_access
from scripts.backends.shared.labels import Labels
from scripts.common.errors import UserError

FILE = "images.h5"
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


class Backend(base.Backend):
    """A self-describing array file."""

    packages = {"h5py": "h5py==3.16.0"}
    options = {
        "images_per_chunk": base.Option(0, "how many images a chunk holds; 0: no chunks, one contiguous array"),
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

    def check(self, options: dict[str, Any]) -> None:
        """Refuse compression without chunks."""
        if options["compression"] != "none" and not options["images_per_chunk"]:
            raise UserError(
                f"backend hdf5 compresses only chunks: with compression {options['compression']}, set images_per_chunk"
            )

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        from h5py import h5d, h5f, h5p, h5s, h5t, h5z

        images_per_chunk = min(options["images_per_chunk"], images.shape[0])
        layout = h5p.create(h5p.DATASET_CREATE)
        rows = base.rows_per_block(images.shape, images_per_chunk or 1)
        if images_per_chunk:
            layout.set_chunk((images_per_chunk, *images.shape[1:]))
            if options["compression"] == "gzip":
                layout.set_deflate(GZIP_LEVEL)
            elif options["compression"] == "lzf":
                layout.set_filter(h5z.FILTER_LZF, h5z.FLAG_OPTIONAL)
        file = h5f.create(bytes(path / FILE), h5f.ACC_EXCL, fapl=_access())
        try:
            stored_images = h5d.create(file, b"images", h5t.STD_U8LE, h5s.create_simple(images.shape), layout)
            stored_labels = h5d.create(file, b"labels", h5t.STD_I64LE, h5s.create_simple(labels.shape))
            for start, image_block, label_block in base.blocks(images, labels, rows):
                for dataset, block in ((stored_images, image_block), (stored_labels, label_block)):
                    dataset.write(h5s.create_simple(block.shape), _rows(dataset, start, block.shape), block)
            h5f.flush(file)
        except BaseException:
            # HDF5 crashes the process where closing can't write what it still holds; on a full disk this makes room.
            os.truncate(path / FILE, 0)
            raise
        finally:
            file.close()


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


def _read_rows(dataset: Any, start: int, out: np.ndarray) -> None:
    from h5py import h5s

    dataset.read(h5s.create_simple(out.shape), _rows(dataset, start, out.shape), out)
