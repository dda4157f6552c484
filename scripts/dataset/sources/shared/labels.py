"""Labels as others write them, numbers or names, in values or in tables of paths and labels."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources.shared import image_names
from scripts.dataset.sources.shared.libraries import need_pyarrow

PATHS = ("path", "file_path", "filepath", "file_name", "filename", "file", "image", "image_path", "image_name", "img")
"""Columns that name an image, in lower case, the likeliest first."""
LABELS = ("label", "labels", "fine_label", "class", "class_name", "category", "cls", "target", "class_id", "label_name")
"""Columns, keys and members that hold a label, in lower case, the likeliest first."""
NO_LABEL = -1
"""The label of an image without one, where others have numbers; so has it Hugging Face."""
MOST_TABLES = 20
"""Tables beside images that are read; where there are more, they aren't of labels."""
MOST_TABLE_BYTES = 1 << 28
"""Bytes of the largest table that is read: a path and a label for each of four million images."""
_LIMITS = np.iinfo(np.int64)
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")


def numbered(values: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    """Return labels (n,) int64 and the names of the classes, from numbers, texts or None, of Python or NumPy.

    Numbers, also written as texts, stay what they are and have no names; names are numbered in their sorted order.
    """
    texts = [None if value is None else _text(value) for value in values]
    known = {text for text in texts if text is not None}
    names: list[str] = []
    if all(_NUMBER.fullmatch(text) and _LIMITS.min <= int(text) <= _LIMITS.max for text in known):
        number = {text: int(text) for text in known}
        of_none = NO_LABEL if known else 0
    else:
        names = sorted(known)
        number = {name: label for label, name in enumerate(names)}
        of_none = len(names)
        names += [image_names.UNLABELLED] * (None in texts)
    labels = (of_none if text is None else number[text] for text in texts)
    return np.fromiter(labels, np.int64, len(texts)), names


def from_tables(names: Sequence[str], tables: Iterable[tuple[str, bytes]]) -> tuple[np.ndarray, list[str]] | None:
    """Return labels (n,) int64 and the names of the classes from tables (relative path, content), None without any.

    A path in a table is relative to the table's folder, or the mere name of a file below it. Raises UserError for a
    table that can't be read.
    """
    by_path: dict[str, Any] = {}
    by_name: dict[str, Any] = {}
    for place, content in tables:
        folder = PurePosixPath(place).parent
        for path, label in _rows(place, content):
            by_path[str(folder / path)] = label
            by_name[path] = label
    values = [by_path.get(name) for name in names]
    if not any(value is not None for value in values):
        values = [by_name.get(name.rpartition("/")[2]) for name in names]
    return numbered(values) if any(value is not None for value in values) else None


def _rows(place: str, content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield path and label from a table; nothing where it has no such columns."""
    if len(content) >= MOST_TABLE_BYTES:
        raise UserError(f"{shown(place)} is larger than a table of labels needs: remove it")
    if place.lower().endswith(".parquet"):
        need_pyarrow(place)
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import ParquetFile

        try:
            file = ParquetFile(BufferReader(content))
            if columns := _columns(file.schema_arrow.names):
                table = file.read(list(dict.fromkeys(columns)))
                yield from zip(*(map(_text, table[columns[0]].to_pylist()), table[columns[1]].to_pylist()), strict=True)
        except (ArrowException, OSError) as error:
            raise UserError(f"{shown(place)} is no Parquet file of paths and labels ({error}): remove it") from None
        return
    text = content.decode("utf-8-sig", "surrogateescape")
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=first.count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = next(lines, [])
        columns = _columns(header)
        if columns:
            path, label = (header.index(name) for name in columns)
            yield from ((line[path], line[label] or None) for line in lines if len(line) > max(path, label))
    except csv.Error as error:
        raise UserError(f"{shown(place)} is no table of paths and labels ({error}): mend it or remove it") from None


def _columns(header: Sequence[str]) -> tuple[str, str] | None:
    """The columns of path and label, or None."""
    path, label = first_of(header, PATHS), first_of(header, LABELS)
    return (path, label) if path is not None and label is not None else None


def first_of(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """Return the name that comes first in a list of wanted ones, whatever its case; None where none is wanted."""
    known = {name.strip().lower(): name for name in names}
    return next((known[name] for name in wanted if name in known), None)


def _text(value: Any) -> str:
    """A label as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, bool) else str(value).strip()
