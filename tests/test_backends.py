"""The list of backends, their options, and what single backends promise beyond the contract."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.errors import UserError
from tests.backend_variants import COUNT, Variant, assert_same, make

CHECKOUT = Path(__file__).parent.parent


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
        ("hdf5", {"chunk_images": "64"}, "type int"),
        ("hdf5", {"compression": "gzip"}, "set chunk_images"),
        ("png", {"compress_level": 10}, "option compress_level of backend png can't be 10"),
        ("png", {"compress_level": True}, "option compress_level of backend png can't be True"),
    ],
)
def test_mistakes_in_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        backends.resolve(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lmdb_map_grows_several_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.backends.lmdb.FIRST_MAP_BYTES", 1 << 20)
    images, labels = make(2000, 33, 31)
    variant = Variant("lmdb", backends.resolve("lmdb", {}))
    variant.write(tmp_path / "store", images, labels)
    assert (tmp_path / "store" / "data.mdb").stat().st_size > 7 << 20
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load_all(), images, labels)


def test_lmdb_keys_sort_as_numbers(tmp_path: Path) -> None:
    import lmdb

    Variant("lmdb", backends.resolve("lmdb", {})).write(tmp_path / "store", *make(300, 1, 1))
    environment = lmdb.open(str(tmp_path / "store"), readonly=True, lock=False)
    with environment, environment.begin() as transaction:
        keys = list(transaction.cursor().iternext(values=False))
    assert [int.from_bytes(key, "big") for key in keys[:-1]] == list(range(300))
    assert os.listdir(tmp_path / "store") == ["data.mdb"]


def test_hdf5_settings(tmp_path: Path) -> None:
    import h5py

    for options, expected in [
        ({}, (None, None)),
        ({"chunk_images": 7}, ((7, 32, 32, 3), None)),
        ({"chunk_images": 64, "compression": "gzip"}, ((COUNT, 32, 32, 3), "gzip")),
        ({"chunk_images": 7, "compression": "lzf"}, ((7, 32, 32, 3), "lzf")),
    ]:
        path = tmp_path / str(len(os.listdir(tmp_path)))
        Variant("hdf5", backends.resolve("hdf5", options)).write(path, *make())
        with h5py.File(path / "images.h5") as file:
            assert (file["images"].chunks, file["images"].compression) == expected
            assert (file["labels"].dtype, file["labels"].chunks) == (np.int64, None)
