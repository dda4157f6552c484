"""WebDataset's shards: tar files whose members belong together where their paths are the same up to the first dot.

The format (https://github.com/webdataset/webdataset): `000.jpg` and `000.cls` are an image and its label. The label is
in the member `cls`, a number or a name, else in the member `json` under a key of `labels.LABELS`, else in `txt`, where
all these texts are numbers or single words: captions are none. Without any, images have the classes of their folders.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import image_names, labels, places
from scripts.dataset.sources.shared.members import Tar, first_members

has_originals = True
packages: dict[str, str] = {}
looks_for = "WebDataset's tar shards: one, a folder of them or a pattern such as 'shard-{000..012}.tar'"

IMAGES = ("jpg", "jpeg", "png", "webp", "ppm", "pgm", "pbm", "bmp", "gif", "tif", "tiff", "jp2", "jxl", "avif", "img")
"""Members that are images for sure; without any, the first that may be one is taken."""
MOST_LABEL_BYTES = 1 << 20
"""Bytes of the largest member that a label is looked for in."""
_MARK, _MARK_PLACE = b"ustar", 257
_KEYED = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")


def fits(path: Path) -> bool:
    """Say whether a path is a tar in which several members belong together, or several tars, also of mere images."""
    shards = _shards(path)
    if not shards or not places.head(shards[0])[_MARK_PLACE:].startswith(_MARK):
        return False
    keys = [match[1] for name, _start in first_members(shards[0]) if (match := _key(name))]
    return len(set(keys)) < len(keys) or (path != shards[0] and bool(keys))


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when one of the shards does."""
    return places.identity(_shards(path))


@contextmanager
def open_source(path: Path) -> Iterator["Shards"]:
    """Open shards, their members listed and the labels read. Raises UserError for a hostile or damaged one."""
    yield Shards(path, _shards(path))


class Shards:
    """The images of all shards, in the order in which they lie."""

    has_originals, has_order = True, False

    def __init__(self, path: Path, shards: Sequence[Path]) -> None:
        common = os.path.commonpath([shard.parent for shard in shards])
        self._names = [shard.relative_to(common).as_posix() for shard in shards]
        self._tars: list[Tar] = []
        found: list[_Label] = []
        for shard in shards:
            tar = Tar(shard)
            images, of_images = _images_with_labels(tar)
            tar.keep(images)
            self._tars.append(tar)
            found += of_images
        self._starts = np.cumsum([0, *(len(tar.names) for tar in self._tars)])
        self.count = len(found)
        if not self.count:
            raise UserError(f"images: {shown(path)} holds no member that may be an image; give shards with images")
        member = next((member for member in _LABELS if any(label[0] == member for label in found)), "")
        values = [value if kind == member else None for kind, value in found]
        if member == "txt" and any(value is not None and re.search(r"\s", value) for value in values):
            values = [None] * self.count
        if any(value is not None for value in values):
            self._labels, self.label_names = labels.numbered(values)
        else:
            folders = [name.rpartition("/")[0] for tar in self._tars for name in tar.names]
            of_folder, self.label_names = image_names.classes(set(folders))
            self._labels = np.array([of_folder[folder] for folder in folders], np.int64)

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, shard by shard. Raises UserError where a shard is damaged."""
        ordered = np.sort(np.asarray(numbers, np.int64))
        bounds = np.searchsorted(ordered, self._starts).tolist()
        for shard, tar in enumerate(self._tars):
            start = int(self._starts[shard])
            for place, content in tar.read((ordered[bounds[shard] : bounds[shard + 1]] - start).tolist()):
                number, name = start + place, f"{self._names[shard]}/{tar.names[place]}"
                yield Sample(number, name, int(self._labels[number]), content)


_Label = tuple[str, Any]
"""Which member the label is in, and what it is there."""
_LABELS = ("cls", "json", "txt")


def _shards(path: Path) -> list[Path]:
    """The tars that a path stands for."""
    if path.is_dir():
        return places.files_that_begin(places.inner(path), _MARK, _MARK_PLACE)
    return [each for each in places.expand(path) if each.is_file()]


def _key(name: str) -> re.Match[str] | None:
    """What belongs together, and the member's own extension, or None for what belongs to nothing."""
    return _KEYED.fullmatch(name) if not any(map(image_names.is_oddity, name.split("/"))) else None


def _images_with_labels(tar: Tar) -> tuple[list[int], list[_Label]]:
    """The number of the image's member of each group, and the label beside it."""
    groups: dict[str, dict[str, int]] = {}
    for place, name in enumerate(tar.names):
        if match := _key(name):
            groups.setdefault(match[1], {}).setdefault(match[2].lower(), place)
    images: list[int] = []
    beside: dict[int, tuple[int, str]] = {}  # by the label's member: the number of its image, and which member it is
    for members in groups.values():
        named = (members[each] for each in IMAGES if each in members)
        others = (each for each in members.values() if image_names.may_be_image(tar.names[each].rpartition("/")[2]))
        chosen = next(itertools.chain(named, others), None)
        if chosen is None:
            continue
        for member in _LABELS:
            if member in members and tar.sizes[members[member]] <= MOST_LABEL_BYTES:
                beside[members[member]] = (len(images), member)
        images.append(chosen)
    found: list[_Label] = [("", None)] * len(images)
    for place, content in tar.read(beside):
        number, member = beside[place]
        value = _label(member, content)
        if value is not None and (found[number][0] == "" or _LABELS.index(member) < _LABELS.index(found[number][0])):
            found[number] = (member, value)
    return images, found


def _label(member: str, content: bytes) -> Any:
    """The label in a member, None where there is none."""
    text = content.decode("utf-8", "replace").strip()
    if member != "json":
        return text or None
    try:
        described = json.loads(text)
    except (ValueError, RecursionError):
        return None
    key = labels.first_of(described, labels.LABELS) if isinstance(described, dict) else None
    value = None if key is None else described[key]
    return value if isinstance(value, int | str) else None
