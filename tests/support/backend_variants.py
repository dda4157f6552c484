"""Every backend with every meaningful set of options, and images to try them with; for the tests of backends."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL.PngImagePlugin import PngInfo

from scripts import backends, codecs
from scripts.backends import base
from scripts.backends.go import library
from scripts.codecs import png
from scripts.common.errors import UserError
from scripts.plan import available
from scripts.stores.choice import Choice

RUNNABLE = [name for name in backends.names() if not available.why_not(Choice(name, backends.resolve(name, {})))]
"""Names of the backends that can run here."""
EACH_RUNNABLE = [pytest.param(name, marks=[] if name in ("lmdb", "png") else [pytest.mark.slow]) for name in RUNNABLE]
"""The same as parameters of tests that take long; all but two are slow."""
NATIVE = [name for name in backends.names() if backends.load(name).go_modules]
"""Names of the backends that need a library built, wherever they can run."""
COUNT = 40
ROWS_PER_BLOCK = 6
SMALL_BLOCK_BYTES = ROWS_PER_BLOCK * 32 * 32 * 3
"""Makes forty small images take several blocks and a rest."""


class Variant(NamedTuple):
    """A backend with complete options."""

    name: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return "-".join([self.name, *map(str, self.options.values())])

    @property
    def backend(self) -> base.Backend:
        """The backend itself."""
        return backends.load(self.name)

    @property
    def keeps_originals(self) -> bool:
        """Whether the codec keeps originals."""
        return "codec" in self.options and codecs.load(self.options["codec"]).keeps_originals

    def write(self, path: Path, images: base.Source, labels: base.Source, durable: bool = False) -> None:
        """Write with these options; where the codec keeps originals, images that have none get some."""
        if self.keeps_originals and not hasattr(images, "originals"):
            images = WithFiles(images)
        self.backend.write(path, images, labels, durable=durable, options=self.options)

    def open(self, path: Path) -> base.Reader:
        """Open with these options."""
        return self.backend.open(path, self.options)


class WithFiles:
    """Images with a PNG file each, made when it is asked for, in nested folders; those in `large` have so many bytes
    more, which aren't pixels."""

    def __init__(self, images: base.Source, large: dict[int, int] | None = None) -> None:
        self.images: Any = images
        self.large = large or {}
        self.root = None
        self.shape = images.shape
        self.dtype = images.dtype

    @functools.cached_property
    def original_bytes(self) -> int:
        """The bytes of all files, which aren't counted as read from the source."""
        unwatched = WithFiles(getattr(self.images, "array", self.images), self.large)
        return sum(map(len, unwatched.originals(slice(None))))

    def __getitem__(self, rows: slice) -> np.ndarray:
        raise AssertionError("where originals are kept, pixels aren't read")

    def originals(self, rows: slice) -> list[memoryview]:
        """Encode the images of these rows."""
        numbers = range(*rows.indices(self.shape[0]))
        found = zip(numbers, self.images[rows], strict=False)
        return [self._file(np.ascontiguousarray(image), self.large.get(number, 0)) for number, image in found]

    def _file(self, image: np.ndarray, more: int) -> memoryview:
        text = PngInfo()
        text.add_text("", "x" * more)
        return png.encode_by_pillow(image, "PNG", compress_level=1, pnginfo=text if more else None)

    def names(self, rows: slice) -> list[bytes]:
        """Name each file by its number."""
        return [b"%d/%d.png" % divmod(number, 7) for number in range(*rows.indices(self.shape[0]))]


def values_to_try(name: str, option: base.Option) -> set[Any]:
    """Every value of a short list of choices, both ends of a range of numbers, and an odd number where any will do.

    Of codecs one that is the pixels themselves, one that isn't, and one that keeps originals: the others take the same
    ways (`shared/values.py`).
    """
    if name == "codec":
        return {option.default, "png", "original"}
    if name == base.IN_PLACE:
        return {option.default}  # test_files.py reads files where they lie
    if option.choices:
        ends = (option.choices[0], option.choices[-1])
        return {option.default, *(ends if isinstance(option.default, int) else option.choices)}
    if isinstance(option.default, bool):
        return {False, True}
    return {option.default, 7} if isinstance(option.default, int) else {option.default}


def variants() -> Iterator[Variant]:
    """Every backend with its defaults, with each other value of one option, and with each pair of such values that the
    backend doesn't accept one without the other."""
    for name in backends.names():
        options = backends.load(name).options
        others = [
            {key: value}
            for key, option in options.items()
            for value in sorted(values_to_try(key, option) - {option.default}, key=str)
        ]
        yield Variant(name, backends.resolve(name, {}))
        alone, together = [], []
        for one in others:
            (alone if _accepted(name, one) else together).append(one)
        for changes in [*alone, *(one | other for one in together for other in alone if one.keys() != other.keys())]:
            if _accepted(name, changes):
                yield Variant(name, backends.resolve(name, changes))


def parameters(others: pytest.MarkDecorator = pytest.mark.slow) -> list[Any]:
    """Every variant as a parameter of tests; all but the defaults of each backend have a mark: there are many."""
    found = []
    seen: set[str] = set()
    for variant in variants():
        marks = [others] if variant.name in seen else []
        found.append(pytest.param(variant, marks=marks, id=str(variant)))
        seen.add(variant.name)
    return found


def _accepted(name: str, changes: dict[str, Any]) -> bool:
    with contextlib.suppress(UserError):
        backends.resolve(name, changes)
        return True
    return False


def installed(variant: Variant) -> Variant:
    """The variant, or a skipped test where a library that it needs is missing."""
    packages = dict(variant.backend.packages)
    if "codec" in variant.options:
        packages |= codecs.load(variant.options["codec"]).packages
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    if variant.backend.go_modules:
        if reason := library.missing():
            pytest.skip(reason)
        library.built()
    return variant


def make(count: int = COUNT, height: int = 32, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images and labels; some labels need all 64 bits."""
    generator = np.random.default_rng(count * height * width)
    images = generator.integers(0, 256, (count, height, width, 3), np.uint8)
    labels = generator.integers(-(2**63), 2**63, count, np.int64, endpoint=False)
    edges = [-(2**63), 2**63 - 1, -1, 0]
    labels[: len(edges)] = edges[:count]
    return images, labels


def load_all(reader: base.Reader) -> tuple[np.ndarray, np.ndarray]:
    images, labels = np.empty((len(reader), *reader.image_shape), np.uint8), np.empty(len(reader), np.int64)
    reader.read_all(images, labels)
    return images, labels


def assert_same(
    found: tuple[np.ndarray, np.ndarray], images: np.ndarray, labels: np.ndarray, message: str = ""
) -> None:
    np.testing.assert_array_equal(found[0], images, message)
    np.testing.assert_array_equal(found[1], labels, message)
