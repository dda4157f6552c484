"""Which stores a config asks for: backends, codecs in their names, variants, and what needs a library first."""

import pytest

from scripts.common.errors import UserError
from scripts.plan.config import configuration
from scripts.plan.read import read_plan
from tests.support.backend_variants import NATIVE


@pytest.mark.parametrize(
    ("name", "options"),
    [("lmdb-png", {"codec": "png"}), ("files-zstd", {"codec": "zstd"}), ("lmdb-raw", {"codec": "raw"})],
)
def test_a_codec_in_the_name_of_a_backend_needs_no_variant(name: str, options: dict[str, str]) -> None:
    choice = configuration.choices(configuration.complete({"backends": [name]}))[name]
    assert choice.module == name.partition("-")[0]
    assert options.items() <= choice.options.items()


@pytest.mark.parametrize(
    ("config", "help_in_it"),
    [
        ({"backends": ["tiledb-png"]}, "tiledb-png is unknown"),
        ({"backends": ["lmdb-pgn"]}, "lmdb-pgn is unknown"),
        ({"codecs": ["pgn"]}, "codecs: pgn is unknown; did you mean png?"),
        ({"backends": "every"}, "write it as backends=[every]"),
        ({"variants": {"lmdb-png": {"backend": "hdf5"}}}, "lmdb-png means"),
    ],
)
def test_a_mistake_is_one_line(config: dict[str, object], help_in_it: str) -> None:
    with pytest.raises((SystemExit, UserError)) as stop:
        read_plan(config, with_conda=False, on_cluster=False)
    assert help_in_it in str(stop.value)
    assert "\n" not in str(stop.value)


def test_with_conda_a_library_is_built_before_the_stores_whose_steps_lack_the_tools() -> None:
    config = {"images": "synthetic", "backends": ["hdf5", *NATIVE]}
    with_conda, without = (read_plan(config, with_conda=conda, on_cluster=False) for conda in (True, False))
    assert {store.backend: bool(with_conda.libraries_to_build(store)) for store in with_conda.all_stores()} == {
        "hdf5": False,
        **dict.fromkeys(NATIVE, True),
    }
    assert not any(without.libraries_to_build(store) for store in without.all_stores())
