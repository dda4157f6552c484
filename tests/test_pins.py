"""Pins: the same versions for pip and conda, hashes for all, and environments that hold what their rules import."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT

from scripts import available, backends, configuration, digests, plan
from scripts.measure import store

CONDA_NAMES = {"python-lmdb": "lmdb", "matplotlib-base": "matplotlib"}
NOT_OF_PIP = ("python", "go-cgo")
ENVIRONMENTS = sorted((CHECKOUT / "envs").glob("*.yaml"))


def pip_pins(name: str) -> dict[str, str]:
    text = (CHECKOUT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def conda_pins(path: Path) -> dict[str, str]:
    """The versions that an environment pins, by the names of pip; those that pip installs in it included."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    pins = dict(re.split("=+", entry) for entry in entries if isinstance(entry, str) and entry != "pip")
    for entry in entries:
        if isinstance(entry, dict):
            pins |= dict(re.split("=+", pin) for pin in entry["pip"])
    return {CONDA_NAMES.get(name, name): version for name, version in pins.items() if name not in NOT_OF_PIP}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_have_the_versions_of_the_pip_pins(environment: Path) -> None:
    pins = pip_pins("stores.txt")
    assert conda_pins(environment) == {name: pins[name] for name in conda_pins(environment)}


def test_the_pins_are_those_of_the_project_and_the_tests_pins_contain_them() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    run, test = pip_pins("run.txt"), pip_pins("test.txt")
    declared = dict(entry.split("==") for entry in project["dependencies"])
    assert declared.items() <= run.items() <= test.items()
    for name, entries in project["optional-dependencies"].items():
        extra = dict(entry.split("==") for entry in entries)
        assert (run | extra).items() <= pip_pins(f"{name}.txt").items() <= test.items()
        assert not extra.keys() & run.keys()


def test_what_backends_and_codecs_need_is_pinned_and_a_plain_run_needs_only_the_core() -> None:
    files = [*(CHECKOUT / "scripts/backends").glob("*.py"), *(CHECKOUT / "scripts/codecs").glob("*.py")]
    assert as_pip_names(digests.library_versions(files)) <= pip_pins("stores.txt").keys()
    default = plan.Plan(configuration.complete({}), with_conda=False, on_cluster=False)
    assert all(available.needs_only_core(choice) for choice in default.choices.values())
    assert not all(
        available.needs_only_core(store.Choice(name, backends.resolve(name, {}))) for name in backends.names()
    )


@pytest.mark.parametrize("name", ["run.txt", "stores.txt", "slurm.txt", "test.txt"])
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    text = (CHECKOUT / "requirements" / name).read_text()
    assert "http" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry and "==" in entry for entry in entries)


def test_every_rule_names_an_environment_that_holds_what_it_imports() -> None:
    rules = re.split(r"\nrule ", (CHECKOUT / "Snakefile").read_text())[1:]
    steps = {rule.split(":")[0]: rule for rule in rules if "shell:" in rule}
    assert len(steps) >= 8
    every = plan.Plan(configuration.complete({"backends": configuration.ALL}), with_conda=True, on_cluster=False)
    for step, text in steps.items():
        files = [digests.step_file(step), CHECKOUT / "scripts/__main__.py"]
        if step == "figure":
            files += (CHECKOUT / "scripts/report/figures").glob("*.py")
        if "stores_environment" in text:
            for name, choice in every.choices.items():
                check(step, CHECKOUT / every.stores_environment(name), [*files, *choice.files()])
        else:
            check(step, CHECKOUT / re.search(r'environment\("(.+)"\)', text)[1], files)


def check(step: str, environment: Path, files: list[Path]) -> None:
    needed = digests.library_versions(digests.code_files(files))
    assert as_pip_names(needed) <= set(conda_pins(environment)), (step, environment.name)


def as_pip_names(names: Iterable[str]) -> set[str]:
    return {name.lower().replace("_", "-") for name in names}
