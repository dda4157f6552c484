"""Backend hdf5: one HDF5 file with an array of images and an array of labels.

    images    uint8, (n, height, width, 3)
    labels    int64, little-endian, (n,)

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Contiguous storage, the default of HDF5: chunks cost 1.6 times the time at 64 images and 10 times at one.
  `chunk_images` and `compression` are there for those who want them.
- Blocks of 4 MiB go straight to the file, and reads straight into the caller's array, by h5py's low-level interface:
  for one image it takes half the time of the high-level one.
- Images at random one by one, with one selection that moves: 8 microseconds each; a union of selections or a sorted
  list of indices takes more than 15.
- A batch from a contiguous array is announced to the kernel before it is read: HDF5 reads image by image, and from a
  cold cache most of that is waiting.
- No sieve buffer: its 64 KiB halve the speed of random reads.
- No chunk cache when writing: blocks are whole chunks, and a chunk held back is one that can't be written when closing.
- No file locks: nobody knows the store while it is written and nobody writes it afterwards, and some network file
  systems have none.
- HDF5 never syncs, so durable means an fsync(2) after closing.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.errors import UserError

if TYPE_CHECKING:
    from h5py.h5d import DatasetID
    from h5py.h5p import PropDCID, PropFAID
    from h5py.h5s import SpaceID

FILE = "images.h5"
GZIP_LEVEL = 4
"""h5py's default."""


class Backend(base.Backend):
    """A self-describing array file."""

    packages = {"h5py": "h5py"}
    options = {
        "chunk_images": base.Option(0, "how many images a chunk holds; 0: no chunks, one contiguous array"),
        "compression": base.Option("none", "the filter of each chunk; needs chunk_images", ("none", "gzip", "lzf")),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True

    def check(self, options: dict[str, Any]) -> None:
        """Refuse compression without chunks."""
        if options["compression"] != "none" and not options["chunk_images"]:
            raise UserError(
                f"backend hdf5 compresses only chunks: with compression {options['compression']}, set chunk_images"
            )

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the file; what the options did is written in it."""
        return Reader(path)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        from h5py import h5d, h5f, h5p, h5s, h5t

        chunk_images = min(options["chunk_images"], images.shape[0])
        layout = h5p.create(h5p.DATASET_CREATE)
        rows = base.rows_per_block(images.shape)
        if chunk_images:
            layout.set_chunk((chunk_images, *images.shape[1:]))
            _set_filter(layout, options["compression"])
            rows = max(1, rows // chunk_images) * chunk_images
        access = _access()
        access.set_cache(0, 1, 0, 1.0)
        file = h5f.create(bytes(path / FILE), h5f.ACC_EXCL, fapl=access)
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
        if durable:
            base.sync_file(path / FILE)
            base.sync_directory(path)


class Reader(base.Reader):
    """Holds the open file; keeps labels and selections in memory from the first read that isn't of neighbours
    or the first of all: whoever wants one image needn't wait for all labels."""

    def __init__(self, path: Path) -> None:
        from h5py import h5d, h5f

        self._file = h5f.open(bytes(path / FILE), h5f.ACC_RDONLY, fapl=_access())
        self._images = h5d.open(self._file, b"images")
        self._labels = h5d.open(self._file, b"labels")
        self._all_labels: np.ndarray | None = None
        self._has_read = False
        count, *image_shape = self._images.shape
        super().__init__(count, image_shape)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        from h5py import h5s

        self._images.read(h5s.ALL, h5s.ALL, images)
        self._labels.read(h5s.ALL, h5s.ALL, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        from h5py import h5s, h5t

        is_first, self._has_read = not self._has_read, True
        if (len(ids) > 1 or is_first) and (np.diff(ids) == 1).all():
            for dataset, out in ((self._images, images), (self._labels, labels)):
                dataset.read(h5s.create_simple(out.shape), _rows(dataset, int(ids[0]), out.shape), out)
            return
        one_image = (1, *self.image_shape)
        if self._all_labels is None:
            self._all_labels = np.empty(len(self), np.int64)
            self._labels.read(h5s.ALL, h5s.ALL, self._all_labels)
            self._one_of_all, self._one = self._images.get_space(), h5s.create_simple(one_image)
            self._first_pixel = self._images.get_offset()
        labels[:] = self._all_labels[ids]
        if len(ids) > 1 and self._first_pixel is not None:
            size = math.prod(one_image)
            base.announce(self._file.get_vfd_handle(), (self._first_pixel + ids * size).tolist(), size)
        for row, number in enumerate(ids.tolist()):
            self._one_of_all.select_hyperslab((number, 0, 0, 0), one_image)
            self._images.read(self._one, self._one_of_all, images[row : row + 1], h5t.NATIVE_UINT8)

    def _close(self) -> None:
        self._file.close()


def _access() -> "PropFAID":
    """How files are opened: closing closes everything in them; no sieve buffer; no locks."""
    from h5py import h5f, h5p

    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_sieve_buf_size(0)
    access.set_file_locking(False, True)
    return access


def _rows(dataset: "DatasetID", start: int, shape: Sequence[int]) -> "SpaceID":
    """The selection of `shape[0]` whole rows of `dataset` from row `start`."""
    space = dataset.get_space()
    space.select_hyperslab((start, *[0] * (len(shape) - 1)), tuple(shape))
    return space


def _set_filter(layout: "PropDCID", compression: str) -> None:
    from h5py import h5z

    if compression == "gzip":
        layout.set_deflate(GZIP_LEVEL)
    elif compression == "lzf":
        layout.set_filter(h5z.FILTER_LZF, h5z.FLAG_OPTIONAL)
