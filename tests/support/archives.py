"""Archives in the CIFAR-10 python layout for tests, written in a way of their own, and a pickle that runs a program."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

from scripts.dataset.sources import synthetic

META = {b"label_names": [b"cat", b"dog", b"frog"], b"num_cases_per_batch": 10_000, b"num_vis": 3072}


def rows(count: int, seed: int = 0, **changes) -> dict[bytes, object]:
    """The content of a batch as the published ones have it: rows of three planes, a list of labels."""
    values = np.random.default_rng(seed)
    data = values.integers(0, 256, (count, 3072), dtype=np.uint8)
    content = {b"batch_label": b"a batch", b"labels": values.integers(0, 3, count).tolist(), b"data": data}
    return content | {key.encode(): value for key, value in changes.items()}


def python2_pickle(content: dict) -> bytes:
    """Pickle as Python 2 with NumPy 1 did (protocol 2), written out by hand: text is bytes, arrays come in its way."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value

    def value(item: object) -> bytes:
        match item:
            case bytes():
                return text(item)
            case int():
                return b"J" + struct.pack("<i", item)
            case list():
                return b"](" + b"".join(map(value, item)) + b"e"
            case np.ndarray():
                empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
                data_type = (
                    b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
                )
                shape = b"".join(map(value, item.shape)) + b"\x86"
                return empty + b"(K\x01" + shape + data_type + b"\x89" + text(item.tobytes()) + b"tb"
        raise TypeError(item)

    return b"\x80\x02}(" + b"".join(value(key) + value(item) for key, item in content.items()) + b"u."


def members(**changes: object) -> dict[str, object]:
    """The members of a small archive, content or pickled bytes by name; None takes a member away."""
    small = {"batches.meta": META, "data_batch_1": rows(4, 1), "data_batch_2": rows(3, 2), "test_batch": rows(2, 9)}
    return {name: content for name, content in (small | changes).items() if content is not None}


def tar_gz(path: Path, contents: dict[str, object], *, extra: tarfile.TarInfo | None = None) -> Path:
    """Write an archive with those members, and an extra one of any kind in their middle."""
    # Without its name and a moment, so that the same members are the same bytes.
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for number, (name, content) in enumerate(contents.items()):
            if number == 1 and extra:
                tar.addfile(extra, io.BytesIO(bytes(extra.size)))
            pickled = content if isinstance(content, bytes) else python2_pickle(content)
            member = tarfile.TarInfo(name if "/" in name else f"cifar-10-batches-py/{name}")
            member.size = len(pickled)
            tar.addfile(member, io.BytesIO(pickled))
    return path


def as_images(content: dict) -> np.ndarray:
    """Rows of planes as images, pixel by pixel, in a way of its own."""
    planes = content[b"data"]
    return np.stack([planes[:, :1024], planes[:, 1024:2048], planes[:, 2048:]], axis=-1).reshape(-1, 32, 32, 3)


class Evil:
    """Pickles as a call of any function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def evil_pickle(marker: Path) -> bytes:
    """A pickle that makes the file `marker` when it is read by the standard library."""
    return pickle.dumps({b"data": Evil(os.system, f"touch {marker}")}, 2)


def write_small_archive(path: Path, rows: int = 20, seed: int = 0) -> None:
    """Write an archive of two training batches and a test batch of `rows` images each."""
    contents: dict[str, object] = {"batches.meta": {b"label_names": [name.encode() for name in synthetic.LABEL_NAMES]}}
    for number, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        planes = synthetic.generate(rows, seed=seed, first=number * rows).transpose(0, 3, 1, 2).reshape(rows, -1)
        labels = synthetic.generate_labels(rows, seed=seed, first=number * rows)
        contents[name] = {b"labels": labels.tolist(), b"data": planes}
    tar_gz(path, contents)
