"""Odd values of the config's keys: each is one line in the reader's words that names the key, or is understood."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from scripts.common.errors import UserError
from scripts.measure.settings import Settings
from scripts.plan.config import configuration, yaml_syntax
from scripts.plan.images import PIXELS
from scripts.plan.read import read_plan
from tests.support.workflow import Workflow

NAN, INFINITE = float("nan"), float("inf")

ODD = [
    ("images", None, "no value is given"),
    ("images", "", "no value is given"),
    ("images", 5, "write it as images=./5"),
    ("images", True, "give cifar10, synthetic, synthetic-photographs, or the path of images"),
    ("images", ["a"], "such as images=cifar10"),
    ("images", {"a": 1}, "such as images=cifar10"),
    ("images", "https://host/a.tar.gz", "is an address"),
    ("images", "$NOPE/a.tar.gz", "the variable NOPE, which isn't set"),
    ("images", "x" * 300, "isn't there"),
    ("images", "a\nb", "control character"),
    ("images", "a\0b", "control character"),
    ("image_sizes", 224, "write it as image_sizes=[224]"),
    ("image_sizes", [0], "0 won't do; give null, or a list of different whole numbers from 1 to 8192, and own"),
    ("image_sizes", ["224x224"], "224x224 won't do"),
    ("image_sizes", [64, 64], "64 is there twice"),
    ("image_sizes", [], "such as image_sizes=[64,224]"),
    ("upscale", "maybe", "maybe won't do; give true or false"),
    ("bad_images_limit", 2, "2 won't do; give a number from 0 to 1"),
    ("bad_images_limit", "5 %", "5 % won't do"),
    ("thumbnails", None, "no value is given"),
    ("largest_store_gb", 0, "0 won't do; give a number above 0"),
    ("backends", "lmdb", "write it as backends=[lmdb]"),
    ("backends", "lmdb,hdf5", "write it as backends=[lmdb,hdf5]"),
    ("backends", "@'\"", "such as backends="),
    ("backends", [], "such as backends="),
    ("backends", ["lmdb", "lmdb"], "lmdb is there twice"),
    ("backends", ["[x"], "[x is unknown"),
    ("backends", ["a\nb"], "is unknown"),
    ("backends", [NAN], "nan is unknown"),
    ("backends", {"lmdb": None}, "such as backends="),
    ("codecs", "png", "write it as codecs=[png]"),
    ("codecs", ["pgn"], "did you mean png?"),
    ("variants", {"a b": {"backend": "hdf5"}}, "a b won't do; give names of small letters"),
    ("variants", {1: {"backend": "hdf5"}}, "1 won't do"),
    ("variants", {"x" * 61: {"backend": "hdf5"}}, "won't do"),
    ("variants", {"x" * 40: {"backend": "hdf5"}}, "repeats x to its end"),
    ("variants", {"x": "hdf5"}, "hdf5 of x won't do"),
    ("variants", {"x": None}, "None of x won't do"),
    ("variants", {"x": {"backend": None}}, "None of x won't do"),
    ("variants", {"x": {"codec": "raw"}}, "x names no backend"),
    ("variants", [["x"]], "such as variants="),
    ("cutoffs", 10, "write it as cutoffs=[10]"),
    ("cutoffs", "10 100", "write it as cutoffs=[10,100]"),
    ("cutoffs", [1.5], "1.5 won't do"),
    ("cutoffs", [-1], "-1 won't do"),
    ("cutoffs", ["1" * 21], "won't do; give null, or a list of different whole numbers from 1 to 1000000000"),
    ("cutoffs", ["ten"], "ten won't do"),
    ("cutoffs", [True], "True won't do"),
    ("operations", "read-warm", "write it as operations=[read-warm]"),
    ("operations", ["read-worm"], "did you mean read-warm?"),
    ("random_images", 1e300, "won't do"),
    ("batch_size", [128], "such as batch_size=128"),
    ("threads", "two", "two won't do; give a whole number from 1 to 1024"),
    ("drop_caches", 1, "give true or false"),
    ("budget_seconds", NAN, "nan won't do; give a number above 0"),
    ("budget_seconds", INFINITE, "inf won't do"),
    ("budget_seconds", "2 s", "2 s won't do"),
    ("minimum_samples", None, "no value is given"),
    ("time_limit_seconds", "an hour", "an hour won't do; give null, or a number above 0"),
    ("quick", "maybe", "maybe won't do; give true or false"),
    ("addresses", "https://host/a.tar.gz", "write it as addresses=[https://host/a.tar.gz]"),
    ("offline_fallback", "", "no value is given"),
    ("download_dir", "", "no value is given"),
    ("download_dir", "a.file/x", "a.file is a file, not a directory"),
    ("download_dir", "{a}", "has { } in it"),
    ("store_dir", "<a>", "has < > in it"),
    ("store_dir", "a\\b", "has \\ in it"),
    ("scratch_dir", "a\\b", "has \\ in it"),
    ("store_dir", "$NOPE/x", "the variable NOPE, which isn't set"),
    ("store_dir", "${NOPE}x", "the variable NOPE, which isn't set"),
    ("store_dir", "https://x.y/z", "is an address"),
    ("store_dir", "~nobody-of-that-name/x", "a user that isn't there"),
    ("store_dir", "a.file", "is a file, not a directory"),
    ("store_dir", " stores", "starts or ends with a space"),
    ("store_dir", 7, "write it as store_dir=./7"),
    ("store_dir", "x" * 300, "File name too long"),
    ("scratch_dir", "a.file", "is a file, not a directory"),
    ("scratch_dir", "$NOPE", "the variable NOPE, which isn't set"),
    ("timings_at_once", "several", "give one, many or null"),
    ("machine", "a/b", "a/b won't do; give null, or up to 60 letters"),
    ("machine", 5, "5 won't do"),
    ("machine", "a" * 30, "repeats a to its end"),
    ("maschine", "a", "did you mean machine?"),
    (1, "a", "1 is unknown"),
]


@pytest.mark.parametrize(
    ("key", "value", "help_in_it"), ODD, ids=[f"{key}-{place}" for place, (key, *_) in enumerate(ODD)]
)
def test_an_odd_value_is_one_line(
    key: Any, value: Any, help_in_it: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOPE", raising=False)
    (tmp_path / "a.file").touch()
    with pytest.raises(SystemExit) as stop:
        read_plan({"images": "synthetic", key: value}, with_conda=False, on_cluster=False)
    line = str(stop.value)
    assert line.startswith(f"error: config key {key}")
    assert help_in_it in line
    assert "\n" not in line
    assert not re.search(r"[\^$]'|\[a-z|is not of type|does not match|Traceback", line)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.file"]


@pytest.mark.parametrize(
    ("key", "given", "meant"),
    [
        ("store_dir", "null", None),
        ("timings_at_once", "null", None),
        ("backends", "null", None),
        ("image_sizes", ["64", "own"], [64, "own"]),
        ("quick", "True", True),
        ("quick", "on", True),
        ("cutoffs", ["1e3", 10.0], [1000, 10]),
        ("budget_seconds", "0.5", 0.5),
        ("variants", None, {}),
        ("store_dir", "a b'c", "a b'c"),
    ],
)
def test_what_is_plainly_meant_is_taken(key: str, given: Any, meant: Any) -> None:
    assert configuration.complete({key: given})[key] == meant


def test_an_archive_is_found_under_the_name_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the name looks like a variable that is set."""
    monkeypatch.setenv("a", "another")
    archive = tmp_path / "set_$a^^_$b {x}.tar.gz"
    archive.touch()
    config = configuration.complete({"images": str(archive)})
    configuration.check(config)
    assert config["images"] == str(archive)
    assert configuration.complete({"images": f"{tmp_path}/$a"})["images"] == f"{tmp_path}/another"


@pytest.mark.parametrize(
    ("content", "help_in_it"),
    [
        (b"", "holds no keys"),
        (b"cutoffs", "holds no keys"),
        (b"- cutoffs", "holds no keys"),
        (b"\tcutoffs: [1]", "line 1: found character '\\t' that cannot start any token; indent with spaces"),
        (b"cutoffs: [1]\ncutoffs: [2]", "line 2: cutoffs is there twice"),
        (b"variants:\n  a: {backend: hdf5, backend: png}", "line 2: backend is there twice"),
        (b"cutoffs: [1", "write keys as in"),
        (b"a: b: c", "line 1"),
        (b"cutoffs: *x", "line 1"),
        (b"machine: \xff", "not in UTF-8"),
        (b"machine: \0", "is no YAML"),
    ],
)
def test_a_file_that_is_no_config_is_one_line(content: bytes, help_in_it: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        yaml_syntax.check(path)
    assert help_in_it in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def said(workflow: Workflow, *arguments: str) -> list[str]:
    """The lines of a dry run that fails, without what Snakemake says of the files that it reads."""
    done = workflow.run("--dry-run", *arguments)
    assert done.returncode != 0
    usual = ("Using workflow specific profile", "Config file")
    return [line for line in done.stdout.splitlines() if not line.startswith(usual)]


def test_odd_values_through_snakemake(workflow: Workflow) -> None:
    for given, help_in_it in (
        ("images=", "config key images: no value is given"),
        (f"cutoffs=[{'1' * 21}]", "won't do"),
        ("store_dir=$NOPE/x", "the variable NOPE"),
    ):
        (line,) = said(workflow, "--config", given)
        assert help_in_it in line
    (workflow.directory / "config.yaml").write_bytes(b"machine: \xff")
    (line,) = said(workflow)
    assert "not in UTF-8" in line
    assert not (workflow.directory / "results").exists()


def test_a_config_in_json_may_be_indented_by_tabs(tmp_path: Path) -> None:
    """Snakemake reads a file as JSON first; YAML has no tabs there."""
    path = tmp_path / "config.json"
    path.write_text('{\n\t"cutoffs": [1]\n}\n')
    yaml_syntax.check(path)
    path.write_text('{\n\t"cutoffs": [1],\n\t"cutoffs": [2]\n}\n')
    with pytest.raises(UserError, match="cutoffs is there twice"):
        yaml_syntax.check(path)


def test_a_setting_of_a_timing_has_the_default_of_its_key() -> None:
    defaults = configuration.for_source(configuration.defaults(), PIXELS)
    settings = asdict(Settings())
    shared = defaults.keys() & settings.keys()
    assert {"budget_seconds", "minimum_samples", "threads", "batch_size"} < shared
    assert {name: settings[name] for name in shared} == {name: defaults[name] for name in shared}
