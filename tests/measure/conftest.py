"""An image set on a real disk, beside which stores are built as tests ask for them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import shared
from tests.support.image_sets import write_image_set
from tests.support.timings import DISTINCT


@pytest.fixture(scope="session")
def timed_stores(libraries: None) -> Iterator[Path]:
    """An image set in `dataset`, of this worker alone, and the stores of it that were built; not to be changed."""
    with tempfile.TemporaryDirectory(prefix=".test-", dir=shared.directory()) as directory:
        write_image_set(Path(directory) / "dataset", DISTINCT)
        yield Path(directory)


@pytest.fixture
def own_stores(libraries: None, disk: Path) -> Path:
    """The same, free to be changed."""
    write_image_set(disk / "dataset", DISTINCT)
    return disk
