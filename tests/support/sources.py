"""Small sources of every kind, of the same seven images, by the ecosystem's own writers where they are pinned."""

import gzip
import io
import json
import pickle
import shutil
import struct
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
"""The images of every example; those that are grey have the first channel."""
NAMES = ["cat", "dog", "emu"]
LABELS = [0, 1, 2, 0, 1, 2, 0]


class Example(NamedTuple):
    """A source that lies at a path, and what must come out of it for each image of `PIXELS`."""

    path: Path
    labels: Sequence[str | int]
    """Names where the source has them, else numbers."""
    is_grey: bool = False


def png(number: int) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    Image.fromarray(PIXELS[number]).save(file, "PNG")
    return file.getvalue()


def write_files(root: Path, contents: dict[str, bytes]) -> Path:
    """Write files by their relative paths."""
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def class_folders(before: Callable[[int], str] = lambda number: "") -> dict[str, bytes]:
    """The images in a folder for each class, as torchvision's ImageFolder has them."""
    return {f"{before(number)}{NAMES[label]}/{number}.png": png(number) for number, label in enumerate(LABELS)}


def named() -> list[str]:
    """The label of each image as a name."""
    return [NAMES[label] for label in LABELS]


def write_tar(path: Path, contents: dict[str, bytes], mode: str = "w") -> Path:
    """Write a tar of files by their relative paths."""
    with tarfile.open(path, mode) as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def shard(numbers: Sequence[int], **members: Callable[[int], bytes]) -> dict[str, bytes]:
    """The members of a WebDataset's shard: images, and others by their extensions."""
    return {
        f"{number:03d}.{extension}": content(number)
        for number in numbers
        for extension, content in ({"png": png} | members).items()
    }


def write_parquet(path: Path, numbers: Sequence[int] = range(7), group_rows: int = 3) -> Path:
    """Write Parquet in the layout of Hugging Face's datasets: ClassLabel and Image, described in the metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": [{"bytes": png(number), "path": f"{number}.png"} for number in numbers],
            "label": pa.array([LABELS[number] for number in numbers], pa.int64()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group_rows)
    return path


def idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes, written out by hand."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def cifar_batches() -> dict[str, bytes]:
    """The members of an archive in the CIFAR python layout."""
    planes = PIXELS.transpose(0, 3, 1, 2).reshape(7, -1)
    batches = {
        f"data_batch_{number}": pickle.dumps({"data": planes[part], "labels": LABELS[part]}, 2)
        for number, part in ((1, slice(0, 4)), (2, slice(4, 7)))
    }
    return {"batches.meta": pickle.dumps({"label_names": NAMES}, 2), **batches}


def _table(columns: str, *, names: bool) -> bytes:
    values = named() if names else LABELS
    lines = [f"{number}.png{columns[4]}{value}" for number, value in enumerate(values)]
    return "\n".join([columns, *lines]).encode()


def _parquet_table() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table({"file_name": [f"{number}.png" for number in range(7)], "label": named()}), file)
    return file.getvalue()


def _flat(place: Path, table: str, content: bytes) -> Example:
    images = {f"images/{number}.png": png(number) for number in range(7)}
    return Example(write_files(place / "flat", images | {f"images/{table}": content}), named())


def _packed(place: Path, form: str) -> Example:
    folder = write_files(place / "packed" / "photos", class_folders())
    return Example(Path(shutil.make_archive(str(place / "archive"), form, folder.parent)), named())


def _arrays(place: Path, save: Callable[..., None], **arrays: np.ndarray) -> Example:
    save(place / "arrays.npz", **arrays)
    return Example(place / "arrays.npz", LABELS)


def _array_folder(place: Path) -> Example:
    (place / "arrays").mkdir()
    np.save(place / "arrays" / "images.npy", PIXELS)
    np.save(place / "arrays" / "labels.npy", np.array(named()))
    return Example(place / "arrays", named())


def _npy(place: Path) -> Example:
    np.save(place / "images.npy", np.asfortranarray(PIXELS))
    return Example(place / "images.npy", [0] * 7)


def _idx(place: Path, *, packed: bool, folder: bool) -> Example:
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    root = write_files(
        place / "idx",
        {
            f"t10k-images-idx3-ubyte{end}": pack(idx(PIXELS[:2, ..., 1])),
            f"t10k-labels-idx1-ubyte{end}": pack(idx(np.array([2, 2]))),
            f"train-images-idx3-ubyte{end}": pack(idx(PIXELS[..., 0])),
            f"train-labels-idx1-ubyte{end}": pack(idx(np.array(LABELS))),
        },
    )
    return Example(root if folder else root / f"train-images-idx3-ubyte{end}", LABELS, is_grey=True)


def _number(number: int) -> bytes:
    return str(LABELS[number]).encode()


def _name(number: int) -> bytes:
    return named()[number].encode()


def _shards(place: Path, path: str) -> Example:
    (place / "shards").mkdir()
    for part, numbers in enumerate((range(0, 3), range(3, 6), range(6, 7))):
        write_tar(place / "shards" / f"shard-{part:03d}.tar", shard(numbers, cls=_number))
    return Example(place / path, LABELS)


EXAMPLES: dict[str, dict[str, Callable[[Path], Example]]] = {
    "cifar": {
        "tar.gz": lambda place: Example(write_tar(place / "a.bin", cifar_batches(), "w:gz"), named()),
        "tar": lambda place: Example(write_tar(place / "a", cifar_batches()), named()),
        "folder": lambda place: Example(write_files(place / "a", cifar_batches()), named()),
    },
    "folder": {
        "classes": lambda place: Example(write_files(place / "a", class_folders()), named()),
        "splits": lambda place: Example(
            write_files(place / "a", class_folders(lambda number: "train/" if number < 5 else "val/")), named()
        ),
        "nested": lambda place: Example(
            write_files(
                place / "a.tar", {f"x/{name[:5]}deep/{name[4:]}": file for name, file in class_folders().items()}
            ),
            named(),
        ),
        "csv": lambda place: _flat(place, "metadata.csv", b"\xef\xbb\xbf" + _table("file,label", names=True)),
        "semicolons": lambda place: _flat(place, "l.CSV", _table("Path;Class", names=True)),
        "parquet": lambda place: _flat(place, "labels.parquet", _parquet_table()),
        "flat": lambda place: Example(
            write_files(place / "a", {f"{number}.png": png(number) for number in range(7)}), [0] * 7
        ),
    },
    "archive": {
        form: (lambda place, form=form: _packed(place, form)) for form in ("zip", "tar", "gztar", "bztar", "xztar")
    },
    "webdataset": {
        "names": lambda place: Example(write_tar(place / "a", shard(range(7), cls=_name)), named()),
        "json": lambda place: Example(
            write_tar(place / "a", shard(range(7), json=lambda number: b'{"label": "%b"}' % _name(number))), named()
        ),
        "texts": lambda place: Example(write_tar(place / "a", shard(range(7), txt=_name)), named()),
        "captions": lambda place: Example(write_tar(place / "a", shard(range(7), txt=lambda _: b"a bee")), [0] * 7),
        "folder": lambda place: _shards(place, "shards"),
        "stars": lambda place: _shards(place, "shards/*.tar"),
        "braces": lambda place: _shards(place, "shards/shard-{000..002}.tar"),
    },
    "parquet": {
        "file": lambda place: Example(write_parquet(place / "a"), named()),
        "folder": lambda place: Example(
            write_parquet(
                write_parquet(place / "a/data/0.parquet", range(4)).with_name("1.parquet"), range(4, 7)
            ).parents[1],
            named(),
        ),
        "stars": lambda place: Example(write_parquet(place / "0.parquet").with_name("*.parquet"), named()),
    },
    "arrays": {
        "npy": _npy,
        "npz": lambda place: _arrays(
            place, np.savez, x_train=PIXELS, y_train=np.array(LABELS, np.uint8)[:, None], x_test=PIXELS
        ),
        "compressed": lambda place: _arrays(place, np.savez_compressed, arr_0=PIXELS, arr_1=np.array(LABELS, ">i4")),
        "folder": _array_folder,
    },
    "idx": {
        "file": lambda place: _idx(place, packed=False, folder=False),
        "compressed": lambda place: _idx(place, packed=True, folder=False),
        "folder": lambda place: _idx(place, packed=False, folder=True),
        "compressed-folder": lambda place: _idx(place, packed=True, folder=True),
    },
}
"""By kind and form, what writes an example into an empty folder."""
