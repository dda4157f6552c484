"""The config: mistakes are one line that helps, and what `--config` hands over is understood."""

import html
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.common.errors import UserError
from scripts.dataset import gathered
from scripts.measure.operations import catalogue
from scripts.plan.chosen import QUICK_LARGEST_CUTOFF
from scripts.plan.config import configuration
from scripts.plan.images import PIXELS
from scripts.plan.read import read_plan
from scripts.plan.session import closing
from tests.support.checkout import CHECKOUT
from tests.support.host import as_who_obeys_permissions
from tests.support.workflow import SMALL, Workflow

SCHEMA = yaml.safe_load((CHECKOUT / "scripts/schemas/config.schema.yaml").read_text())


def last_line(workflow: Workflow, *config: str, prefix: Sequence[str] = ()) -> str:
    done = workflow.run(*(["--config", *config] if config else []), prefix=prefix)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert len(errors) == 1, done.stdout
    return errors[0]


@pytest.mark.parametrize(
    ("config", "help_in_it"),
    [
        ("backends=[lmbd]", "did you mean lmdb?"),
        ("backend=[lmdb]", "did you mean backends?"),
        ("images=nowhere.tar.gz", "nowhere.tar.gz isn't there"),
    ],
)
def test_a_mistake_is_one_line_through_snakemake(workflow: Workflow, config: str, help_in_it: str) -> None:
    assert help_in_it in last_line(workflow, config)
    assert not (workflow.directory / "results").exists()


@pytest.mark.parametrize(
    ("config", "help_in_it"),
    [
        ({"cutofs": [1]}, "did you mean cutoffs?"),
        ({"cutoffs": [0]}, "0 won't do; give null, or a list of different whole numbers from 1"),
        ({"cutoffs": "ten"}, "cutoffs: ten won't do"),
        ({"cutoffs": []}, "cutoffs"),
        ({"cutoffs": [1, 1]}, "1 is there twice"),
        ({"operations": ["read"]}, "did you mean read-"),
        ({"quick": "maybe"}, "maybe won't do; give true or false"),
        ({"cutoffs": 10}, "write it as cutoffs=[10]"),
        ({"minimum_samples": 3}, "3 won't do; give a whole number from 6 to 10"),
        ({"machine": "a/b"}, "machine"),
        ({"variants": {"x y": {"backend": "lmdb"}}}, "variants"),
        ({"variants": {"x": {"codec": "raw"}}}, "x names no backend"),
        ({"addresses": ["ftp://host/file"]}, "ftp://host/file won't do"),
    ],
)
def test_a_mistake_in_a_value_names_key_and_remedy(config: dict[str, Any], help_in_it: str) -> None:
    with pytest.raises(UserError) as error:
        configuration.complete(config)
    assert help_in_it in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variant", "help_in_it"),
    [
        ({"backend": "lmbd"}, "did you mean lmdb?"),
        ({"backend": "lmdb", "codek": "png"}, "did you mean codec?"),
        ({"backend": "lmdb", "codec": "pgn"}, "did you mean png?"),
        ({"backend": "hdf5", "compression": "gzip"}, "set images_per_chunk"),
    ],
)
def test_a_mistake_in_a_variant_is_one_line(capsys: pytest.CaptureFixture, variant: dict, help_in_it: str) -> None:
    with pytest.raises(SystemExit) as stop:
        read_plan({"variants": {"mine": variant}, "backends": ["mine"]}, with_conda=False, on_cluster=False)
    assert help_in_it in str(stop.value)
    assert "\n" not in str(stop.value)


def test_a_variant_may_not_take_a_backends_name() -> None:
    with pytest.raises(SystemExit, match="a name of its own"):
        read_plan({"variants": {"lmdb": {"backend": "hdf5"}}}, with_conda=False, on_cluster=False)


@pytest.mark.parametrize(
    ("place", "remedy"), [(".", "run in a copy"), ("results", "run in a copy"), ("elsewhere", "set store_dir")]
)
def test_a_place_without_permission_is_one_line(workflow: Workflow, place: str, remedy: str) -> None:
    directory = workflow.directory / place
    directory.mkdir(exist_ok=True)
    if place == "elsewhere":
        workflow.configure(store_dir="elsewhere")
    directory.chmod(0o555)
    before = sorted(workflow.directory.rglob("*"))
    gathered_before = ["dataset", "logs"] if place == "elsewhere" else []
    line = last_line(workflow, prefix=as_who_obeys_permissions())
    assert "no permission to write to" in line
    assert remedy in line
    assert not [
        path
        for path in set(workflow.directory.rglob("*")) - set(before)
        # How many stores there will be is only known once the images are gathered.
        if not {".snakemake", "__pycache__", "lock", "lock.gate", *gathered_before} & set(path.parts)
        and not (gathered_before and path.name == "results")
    ]


PLACES = ("results/logs/x.log", ".snakemake/metadata", "results/logs/build", "results/records", "results/figures")


@pytest.mark.parametrize(
    "place", [*PLACES[:2], *(pytest.param(place, marks=pytest.mark.nightly) for place in PLACES[2:])]
)
def test_a_place_that_another_user_has_made_is_one_line_before_any_work(workflow: Workflow, place: str) -> None:
    path = workflow.directory / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.touch(0o444)
    else:
        path.mkdir(mode=0o555)
    line = last_line(workflow, prefix=as_who_obeys_permissions())
    assert line.startswith("error: no permission to write to ")
    assert place in line
    assert not (workflow.directory / "results/dataset").exists()


def test_an_archive_that_may_not_be_read_is_one_line(workflow: Workflow) -> None:
    (workflow.directory / "archive.tar.gz").chmod(0)
    line = last_line(workflow, prefix=as_who_obeys_permissions())
    assert "archive.tar.gz is there, but there is no permission to read it; make it readable" in line


def test_a_shared_archive_may_be_read_only(workflow: Workflow) -> None:
    shared = workflow.directory / "shared"
    shared.mkdir(mode=0o555)
    workflow.configure(download_dir="shared")
    done = workflow.run(f"{workflow.dataset}/32x32/provenance.json", prefix=as_who_obeys_permissions())
    assert done.returncode == 0, done.stdout
    assert "how many images there are, and how large they are, is looked at first" in done.stdout


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({}, {}),
        ({"backends": ["png", "lmdb", "hdf5", "memmap"], "random_images": 2000}, {}),
        (
            {"codecs": ["raw", "png"]},
            {
                "codecs": ["raw", "png"],
                "backends": ["png", "lmdb", "lmdb-png", "hdf5", "hdf5-png", "memmap", "memmap-png"],
            },
        ),
        ({"quick": True, "store_dir": "/somewhere"}, {"quick": True}),
        (
            {"images": "here/archive.tar.gz", "backends": ["a"], "variants": {"a": {"backend": "hdf5"}, "b": {}}},
            {"images": "path/to/archive.tar.gz", "backends": ["a"], "variants": {"a": {"backend": "hdf5"}}},
        ),
    ],
)
def test_the_settings_that_a_page_shows(config: dict[str, Any], settings: dict[str, Any]) -> None:
    complete = configuration.for_source(configuration.defaults() | config, PIXELS)
    assert configuration.not_default(complete, list(configuration.choices(complete)), PIXELS) == settings


def test_the_command_that_measures_the_same_again_is_understood(finished: Workflow) -> None:
    """All that differs from the defaults is on the page's command line; with it, nothing is left to do."""
    page = html.unescape((finished.directory / "results/report.html").read_text())
    command = re.search(r"<pre><code>snakemake --cores 4 (--config .*)</code></pre>", page)[1]
    finished.configure(**dict.fromkeys(SMALL))
    arguments = [argument.replace("path/to/", "") for argument in shlex.split(command)]
    assert finished.planned(*arguments) == set()


def test_a_new_backend_is_one_file(workflow: Workflow) -> None:
    shutil.copy(
        workflow.directory / "scripts/backends/hdf5.py", workflow.directory / "scripts/backends/another_array.py"
    )
    workflow.configure(backends=["another_array"], cutoffs=[3])
    workflow.finish()
    assert "another_array" in (workflow.directory / "results/summary.csv").read_text()
    assert "another_array" in (workflow.directory / "results/report.html").read_text()


def test_numbers_and_truth_values_of_the_command_line_are_understood() -> None:
    """Snakemake hands over what is within brackets, and `true`, as text."""
    given = {"cutoffs": ["10", "100"], "quick": "true", "variants": {"v": {"backend": "hdf5", "images_per_chunk": "8"}}}
    completed = configuration.complete(given)
    assert completed["cutoffs"] == [10, 100]
    assert completed["quick"] is True
    assert completed["variants"]["v"]["images_per_chunk"] == 8
    assert configuration.complete({"cutoffs": [10.0], "variants": None}) == configuration.complete({"cutoffs": [10]})


def test_every_key_is_described_and_commented_and_has_its_default() -> None:
    text = (CHECKOUT / "config.yaml").read_text()
    config = yaml.safe_load(text)
    assert list(config) == [key for key in config if key in SCHEMA["properties"]]
    assert set(config) == set(SCHEMA["properties"])
    for key, described in SCHEMA["properties"].items():
        assert described["description"], key
        if key != "variants":
            assert config[key] == described["default"], key
        above = text[: text.index(f"\n{key}:")].rsplit("\n", 1)[1]
        assert above.startswith("#"), f"{key} has no comment"


def test_the_operations_that_the_config_takes_are_those_that_there_are() -> None:
    every = list(catalogue.entries())
    assert configuration.complete({"operations": every})["operations"] == every
    for operations in (suits["operations"] for suits in configuration.BY_SOURCE.values()):
        assert set(operations) < set(every)
    with pytest.raises(UserError, match="config key operations: read-wram is unknown; did you mean read-warm"):
        configuration.complete({"operations": ["read-wram"]})


def test_quick_leaves_out_what_takes_long() -> None:
    quick, usual = (
        read_plan({"images": "synthetic", "quick": quick}, with_conda=False, on_cluster=False)
        for quick in (True, False)
    )
    assert max(quick.cutoffs) == QUICK_LARGEST_CUTOFF < max(usual.cutoffs)
    assert quick.results != usual.results


def test_quick_without_a_small_cutoff_is_one_line() -> None:
    with pytest.raises(
        SystemExit, match="nothing is left to measure: 5,000 images: quick leaves out what is above 100; give"
    ):
        read_plan({"quick": True, "cutoffs": [5000], "images": "synthetic"}, with_conda=False, on_cluster=False)


def test_stores_may_live_elsewhere(workflow: Workflow, disk: Path) -> None:
    workflow.configure(backends=["hdf5"], cutoffs=[3], store_dir=str(disk / "stores"), download_dir=str(disk / "kept"))
    workflow.finish("results/summary.csv")
    assert (disk / "stores/hdf5/32x32/3/manifest.json").is_file()
    assert not (workflow.directory / "results/stores").exists()


@pytest.mark.parametrize(("images", "says_so"), [("cifar10", True), ("synthetic", False)])
def test_the_end_of_a_run_says_that_synthetic_images_took_the_place_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, says_so: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = read_plan({"images": images}, with_conda=False, on_cluster=False)
    directory = tmp_path / planned.dataset
    directory.mkdir(parents=True)
    (tmp_path / "results/report.html").touch()
    facts = {"synthetic": True, "label": "synthetic images", "note": "for the real images, save them by hand"}
    gathered.write(directory, facts)
    said = closing(planned)
    assert said.startswith(f"The page is {tmp_path}/results/report.html")
    assert ("It was measured with synthetic images: for the real images, save them by hand" in said) is says_so
