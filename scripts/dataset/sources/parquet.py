"""Parquet files with a column of encoded images, as Hugging Face's data sets have them, and one of labels.

The layout (https://huggingface.co/docs/datasets/image_dataset): images are a struct of `bytes` and `path`, or plain
bytes. The schema's metadata `huggingface` says which columns are images and labels, and has the names of the classes.
Without it, columns are known by their types and names (`IMAGES`, `labels.LABELS`).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import image_names, labels, places
from scripts.dataset.sources.shared.libraries import need_pyarrow

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

has_originals = True
packages = {"pyarrow": "pyarrow==26.0.1"}
looks_for = "Parquet files with a column of images: one, a folder of them or a pattern"

IMAGES = ("image", "img", "images", "image_bytes", "bytes", "content", "data", "jpg", "jpeg", "png")
"""Columns of images, in lower case, the likeliest first."""
IMAGES_AT_A_TIME = 16
"""Images of a row group that are in memory together."""
_MAGIC = b"PAR1"
_BUFFER_BYTES = 1 << 20
_REMEDY = "get it again, or name another path with `images:` in config.yaml"


def fits(path: Path) -> bool:
    """Say whether a path is one or several Parquet files; their columns are looked at when they're opened."""
    return bool(files := _files(path)) and places.head(files[0]).startswith(_MAGIC)


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when one of the files does."""
    return places.identity(_files(path))


@contextmanager
def open_source(path: Path) -> Iterator["Tables"]:
    """Open Parquet files, their labels read. Raises UserError where they're damaged or hold no images."""
    need_pyarrow(path)
    yield Tables(path, _files(path))


class Tables:
    """The images of all files, in the order of their rows."""

    has_originals, has_order = True, False

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self._files = files
        self._starts = [0]
        """The number of the first image of each row group, and at last of all."""
        self._groups: list[tuple[Path, int, int]] = []
        """Of each row group the file, its number there, and the number of the file's first image."""
        values: list[Any] = []
        names: list[str] = []
        self._column = ""
        for file in files:
            first_of_file = self._starts[-1]
            with _opened(file) as table:
                column, of_labels, names = _columns(file, table.schema_arrow)
                if column != (self._column or column):
                    raise UserError(f"{shown(file)} has its images in column {column}, not in {self._column} as others")
                self._column = column
                for group in range(table.num_row_groups):
                    self._groups.append((file, group, first_of_file))
                    self._starts.append(self._starts[-1] + table.metadata.row_group(group).num_rows)
                if of_labels:
                    values += table.read([of_labels])[of_labels].to_pylist()
                else:
                    values += [None] * table.metadata.num_rows
        self.count = self._starts[-1]
        if not self.count:
            raise UserError(f"images: {shown(path)} has no rows; give Parquet files with images")
        self._labels, self.label_names = labels.numbered(values)
        if names and not self.label_names:
            self.label_names = names
            unnamed = (self._labels < 0) | (self._labels >= len(names))
            if unnamed.any():
                self._labels[unnamed] = len(names)
                self.label_names = [*names, image_names.UNLABELLED]

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, row group by row group. Raises UserError where one is damaged."""
        ordered = np.sort(np.asarray(numbers, np.int64))
        bounds = np.searchsorted(ordered, self._starts)
        for place, (file, group, first_of_file) in enumerate(self._groups):
            if bounds[place] < bounds[place + 1]:
                of_group = ordered[bounds[place] : bounds[place + 1]]
                yield from self._read(file, group, self._starts[place], first_of_file, of_group)

    def _read(self, file: Path, group: int, start: int, first_of_file: int, numbers: np.ndarray) -> Iterator[Sample]:
        """Yield images of a row group, the first of which has the number `start`."""
        with _opened(file) as table:
            for batch in table.iter_batches(
                IMAGES_AT_A_TIME, row_groups=[group], columns=[self._column], use_threads=False
            ):
                first, last = np.searchsorted(numbers, [start, start + batch.num_rows])
                column = batch.column(0)
                for number in numbers[first:last].tolist():
                    content = column[number - start].as_py()
                    if isinstance(content, dict):
                        if content["bytes"] is None and content.get("path"):
                            raise UserError(
                                f"{shown(file)} names its images instead of holding them, such as "
                                f"{shown(content['path'])}: give the folder of these images"
                            )
                        content = content["bytes"]
                    name = f"{file.name}/{number - first_of_file}"
                    yield Sample(number, name, int(self._labels[number]), content or b"")
                start += batch.num_rows


@contextmanager
def _opened(path: Path) -> Iterator["ParquetFile"]:
    """Open a Parquet file, which is read a piece at a time, and turn what pyarrow raises into one line."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{shown(path)} is damaged, cut short or no Parquet file ({reason[:200]}): {_REMEDY}") from None


def _columns(file: Path, schema: "pa.Schema") -> tuple[str, str | None, list[str]]:
    """The column of images, the one of labels if there is one, and the names of the classes if it has them."""
    features = _features(schema)
    binary = [field.name for field in schema if _may_be_images(field.type)]
    of_images = next((name for name in binary if features.get(name, {}).get("_type") == "Image"), None)
    of_images = of_images or labels.first_of(binary, IMAGES) or (binary[0] if len(binary) == 1 else None)
    if of_images is None:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise UserError(f"{shown(file)} has no column of images, but {shown(columns)}: name files with one")
    classes = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    of_labels = classes[0] if classes else labels.first_of(schema.names, labels.LABELS)
    if of_labels is None or not _may_be_labels(schema.field(of_labels).type):
        return of_images, None, []
    names = features.get(of_labels, {}).get("names") or []
    return of_images, of_labels, [str(name) for name in (names.values() if isinstance(names, dict) else names)]


def _features(schema: "pa.Schema") -> dict[str, Any]:
    """What Hugging Face's metadata says of the columns; {} where they say nothing that can be read."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}


def _may_be_images(data_type: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_struct(data_type):
        index = data_type.get_field_index("bytes")
        return index >= 0 and _may_be_images(data_type.field(index).type)
    return bool(pa.types.is_binary(data_type) or pa.types.is_large_binary(data_type) or data_type == pa.binary_view())


def _may_be_labels(data_type: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(data_type):
        data_type = data_type.value_type
    is_text = pa.types.is_string(data_type) or pa.types.is_large_string(data_type)
    return bool(pa.types.is_integer(data_type) or is_text or pa.types.is_boolean(data_type))


def _files(path: Path) -> list[Path]:
    """The Parquet files that a path stands for."""
    if path.is_dir():
        return places.files_that_begin(places.inner(path), _MAGIC)
    return [each for each in places.expand(path) if each.is_file()]
