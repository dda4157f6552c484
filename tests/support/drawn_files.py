"""Drawn JPEG files, and a source of them."""

import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from scripts.dataset.sources import Sample

RECORD = {
    **{"name": "drawn", "label": "drawn", "synthetic": False, "note": None, "kind": "drawn", "path": "/drawn"},
    "origin": None,
}
"""What `source.json` would say of a source of them."""


def drawn(number: int, width: int = 48, height: int = 32) -> bytes:
    """A JPEG file of smooth colours, another one for each number."""
    colours = np.random.default_rng(number).integers(0, 256, (4, 6, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


class Files:
    """A source of files (`scripts.dataset.sources.Source`) that remembers which ones it was asked for."""

    has_originals, has_order = True, False
    label_names = ("even", "odd")

    def __init__(self, contents: Sequence[bytes], before_each: Callable[[int], object] = lambda _: None) -> None:
        """`before_each` is called with the place of a file in what is read at a time, before it is read."""
        self.count = len(contents)
        self.asked: list[list[int]] = []
        self._contents, self._before_each = contents, before_each

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield these files."""
        self.asked.append(np.asarray(numbers).tolist())
        for place, number in enumerate(self.asked[-1]):
            self._before_each(place)
            yield Sample(number, name_of(number), number % 2, self._contents[number])


def name_of(number: int) -> str:
    """The name of a file of the source."""
    return f"{Files.label_names[number % 2]}/{number}.jpg"
