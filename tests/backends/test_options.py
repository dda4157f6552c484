"""What backends declare, their options, and what a user is told of a mistake in them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.system.disk import disk_usage
from tests.support.backend_variants import RUNNABLE, Variant, make

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_declarations() -> None:
    for name in backends.names():
        backend = backends.load(name)
        assert {type(backend.fork_safe), type(backend.several_readers), type(backend.opens_without_writing)} == {bool}
        assert all(option.meaning for option in backend.options.values())
        assert backends.resolve(name, {}) == {key: option.default for key, option in backend.options.items()}


def test_importing_a_backend_imports_no_library() -> None:
    script = (
        "import sys; from scripts import backends, codecs; "
        "found = [backends.load(name) for name in backends.names()] + [codecs.load(name) for name in codecs.names()]; "
        "print(sorted({package for one in found for package in one.packages} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hdf4", {}, "there is no backend hdf4; did you mean hdf5?"),
        ("base", {}, "there is no backend base"),
        ("lmdb", {"codex": "raw"}, "backend lmdb has no option codex; did you mean codec?"),
        ("lmdb", {"codec": "pikle"}, "did you mean pickle?"),
        ("lmdb", {"codec": "png", "images_per_value": 2}, "leave images_per_value at 1"),
        ("lmdb", {"images_per_value": 0}, "at least 1"),
        ("lmdb", {"images_per_value": True}, "type int"),
        ("hdf5", {"images_per_chunk": "64"}, "type int"),
        ("hdf5", {"compression": "gzip"}, "set images_per_chunk"),
        ("hdf5", {"codec": "png", "images_per_chunk": 7}, "with codec png, leave images_per_chunk at 0"),
        ("hdf5", {"values": "variable length"}, "with codec raw, leave values as it is"),
        ("zarr", {"codec": "png", "compression": "zstd"}, "with codec png, leave compression at none"),
        ("files", {"in_place": True}, "with codec raw, leave in_place out"),
        ("png", {"compress_level": 10}, "option compress_level of backend png can't be 10"),
        ("png", {"compress_level": True}, "option compress_level of backend png can't be True"),
    ],
)
def test_mistakes_in_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        backends.resolve(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in RUNNABLE if name != "png"])
@pytest.mark.usefixtures("libraries")
def test_without_compression_pixels_take_what_they_take_even_where_images_repeat(name: str, tmp_path: Path) -> None:
    """Larger cutoffs repeat the image set: a backend that noticed would be measured on fewer images."""
    images, labels = make(10)
    Variant(name, backends.resolve(name, {})).write(
        tmp_path / "store", np.tile(images, (200, 1, 1, 1)), np.tile(labels, 200)
    )
    assert disk_usage.measure(tmp_path / "store").apparent_bytes > 200 * images.nbytes
