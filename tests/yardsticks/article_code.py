"""The article's way of storing many images, in our words: what `speed.py` compares the backends with.

"Three Ways of Storing and Accessing Lots of Images in Python", Real Python, 2019. Each `write_*` takes a directory
that exists and images (n, height, width, 3) uint8 with labels (n,) int64; each `read_*` returns all of both. What it
does that a backend wouldn't is kept (a pickled object per image, a map sized from the images, fresh arrays, labels as
one byte in HDF5), and so is its durability: LMDB syncs its data when it commits, the others sync nothing.

For one image the article keeps each by itself, in HDF5 a file of its own, and opens it when it's asked for: `singles_*`
writes such, and `single_*` reads the one of that number.
"""

import csv
import pickle
from pathlib import Path

import h5py
import lmdb
import numpy as np
from PIL import Image

MAP_BYTES_PER_IMAGE_BYTE = 10


class StoredImage:
    """One image as the bytes of its pixels, with its size and its label."""

    def __init__(self, image: np.ndarray, label: int) -> None:
        self.size = image.shape[:2]
        self.channels = image.shape[2]
        self.pixels = image.tobytes()
        self.label = label

    def array(self) -> np.ndarray:
        """The image, (height, width, channels) uint8."""
        return np.frombuffer(self.pixels, np.uint8).reshape(*self.size, self.channels)


def write_png(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A PNG file per image and a CSV file of labels."""
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number}.png")
    with open(path / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([label] for label in labels)


def read_png(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Open every file by its number."""
    with open(path / "labels.csv", newline="") as file:
        labels = [int(row[0]) for row in csv.reader(file)]
    return [np.array(Image.open(path / f"{number}.png")) for number in range(len(labels))], labels


def write_lmdb(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A pickled object per image under a key of decimal digits, all in one transaction."""
    environment = lmdb.open(str(path), map_size=images.nbytes * MAP_BYTES_PER_IMAGE_BYTE)
    with environment.begin(write=True) as transaction:
        for number, image in enumerate(images):
            transaction.put(f"{number:08}".encode("ascii"), pickle.dumps(StoredImage(image, labels[number])))
    environment.close()


def read_lmdb(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Get and unpickle one key after the other."""
    images, labels = [], []
    environment = lmdb.open(str(path), readonly=True)
    with environment.begin() as transaction:
        for number in range(transaction.stat()["entries"]):
            stored = pickle.loads(transaction.get(f"{number:08}".encode("ascii")))
            images.append(stored.array())
            labels.append(stored.label)
    environment.close()
    return images, labels


def write_hdf5(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Two arrays, each written when it is made."""
    with h5py.File(path / "many.h5", "w") as file:
        file.create_dataset("images", images.shape, h5py.h5t.STD_U8BE, data=images)
        file.create_dataset("meta", labels.shape, h5py.h5t.STD_U8BE, data=labels)


def read_hdf5(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays, converted once more."""
    with h5py.File(path / "many.h5", "r") as file:
        return np.array(file["/images"]).astype("uint8"), np.array(file["/meta"]).astype("uint8")


def singles_png(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """For each image a PNG file, and a CSV file of its label."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(path / f"{number}.png")
        with open(path / f"{number}.csv", "w", newline="") as file:
            csv.writer(file).writerow([label])


def single_png(path: Path, number: int) -> tuple[np.ndarray, int]:
    """Open both files of an image."""
    with open(path / f"{number}.csv", newline="") as file:
        return np.array(Image.open(path / f"{number}.png")), int(next(csv.reader(file))[0])


singles_lmdb = write_lmdb


def single_lmdb(path: Path, number: int) -> tuple[np.ndarray, int]:
    """Open the environment, get one key and unpickle."""
    environment = lmdb.open(str(path), readonly=True)
    with environment.begin() as transaction:
        stored = pickle.loads(transaction.get(f"{number:08}".encode("ascii")))
    environment.close()
    return stored.array(), stored.label


def singles_hdf5(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """For each image an HDF5 file with an image and a label."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        with h5py.File(path / f"{number}.h5", "w") as file:
            file.create_dataset("image", image.shape, h5py.h5t.STD_U8BE, data=image)
            file.create_dataset("meta", np.shape(label), h5py.h5t.STD_U8BE, data=label)


def single_hdf5(path: Path, number: int) -> tuple[np.ndarray, int]:
    """Open the file of an image, and convert it once more."""
    with h5py.File(path / f"{number}.h5", "r") as file:
        return np.array(file["/image"]).astype("uint8"), int(np.array(file["/meta"]).astype("uint8"))
