"""Every backend with every meaningful set of options, and images to try them with; for the tests of backends."""

import contextlib
import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from scripts import backends, codecs
from scripts.backends import base
from scripts.errors import UserError

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

    def write(self, path: Path, images: base.Source, labels: base.Source, durable: bool = False) -> None:
        """Write with these options."""
        self.backend.write(path, images, labels, durable=durable, options=self.options)

    def open(self, path: Path) -> base.Reader:
        """Open with these options."""
        return self.backend.open(path, self.options)


def values_to_try(option: base.Option) -> set[Any]:
    """Every value of a short list of choices, both ends of a range of numbers, and an odd number where any will do."""
    if option.choices:
        ends = (option.choices[0], option.choices[-1])
        return {option.default, *(ends if isinstance(option.default, int) else option.choices)}
    if isinstance(option.default, bool):
        return {False, True}
    return {option.default, 7} if isinstance(option.default, int) else {option.default}


def variants() -> Iterator[Variant]:
    """Every combination of values of every backend's options that the backend accepts."""
    for name in backends.names():
        options = backends.load(name).options
        for values in itertools.product(*(sorted(values_to_try(option), key=str) for option in options.values())):
            with contextlib.suppress(UserError):
                yield Variant(name, backends.resolve(name, dict(zip(options, values, strict=True))))


def installed(variant: Variant) -> Variant:
    """The variant, or a skipped test where a library that it needs is missing."""
    packages = dict(variant.backend.packages)
    if "codec" in variant.options:
        packages |= codecs.load(variant.options["codec"]).packages
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    return variant


def make(count: int = COUNT, height: int = 32, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images and labels; some labels need all 64 bits."""
    generator = np.random.default_rng(count * height * width)
    images = generator.integers(0, 256, (count, height, width, 3), np.uint8)
    labels = generator.integers(-(2**63), 2**63, count, np.int64, endpoint=False)
    edges = [-(2**63), 2**63 - 1, -1, 0]
    labels[: len(edges)] = edges[:count]
    return images, labels


def assert_same(found: tuple[np.ndarray, np.ndarray], images: np.ndarray, labels: np.ndarray) -> None:
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)
