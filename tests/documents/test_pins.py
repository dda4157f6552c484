"""Pins: the same versions for pip and conda, hashes for all, and environments that hold what their rules import."""

import itertools
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker

from scripts import backends
from scripts.common import digests, requirements
from scripts.plan import available
from scripts.plan.available import CONDA_PYTHON
from scripts.plan.config import configuration
from scripts.plan.read import read_plan
from scripts.stores.choice import Choice
from tests.support.checkout import CHECKOUT

CONDA_NAMES = {"python-lmdb": "lmdb", "matplotlib-base": "matplotlib", "python-fastjsonschema": "fastjsonschema"}
NOT_OF_PIP = ("python", "go-cgo")
ENVIRONMENTS = sorted((CHECKOUT / "envs").glob("*.yaml"))


def pip_pins(name: str) -> dict[str, str]:
    text = (CHECKOUT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def declared_pins(entries: Iterable[str]) -> dict[str, str]:
    """The versions of a list of pyproject.toml or of an environment, without their markers."""
    return dict(re.split("=+", entry.partition(";")[0]) for entry in entries)


def markers(entries: Iterable[str]) -> dict[str, str]:
    """The markers of a list of pins, by name."""
    return {entry.split("==")[0]: entry.partition("; ")[2] for entry in entries if ";" in entry}


def conda_pins(path: Path) -> dict[str, str]:
    """The versions that an environment pins, by the names of pip; those that pip installs in it included."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    pins = dict(re.split("=+", entry) for entry in entries if isinstance(entry, str) and entry != "pip")
    for entry in entries:
        if isinstance(entry, dict):
            pins |= declared_pins(entry["pip"])
    return {CONDA_NAMES.get(name, name): version for name, version in pins.items() if name not in NOT_OF_PIP}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_have_the_versions_of_the_pip_pins(environment: Path) -> None:
    pins = pip_pins("all.txt")
    assert conda_pins(environment) == {name: pins[name] for name in conda_pins(environment)}


def test_the_pins_are_those_of_the_project_and_the_tests_pins_contain_them() -> None:
    run, test = pip_pins("run.txt"), pip_pins("test.txt")
    declared = declared_pins(project()["dependencies"])
    assert declared.items() <= run.items() <= test.items()
    for name, entries in project()["optional-dependencies"].items():
        extra = declared_pins(entries)
        assert (run | extra).items() <= pip_pins(f"{name}.txt").items() <= test.items()
        assert not extra.keys() & run.keys()


def test_what_backends_and_codecs_need_is_pinned_and_a_plain_run_needs_only_the_core() -> None:
    files = [*(CHECKOUT / "scripts/backends").glob("*.py"), *(CHECKOUT / "scripts/codecs").glob("*.py")]
    assert as_pip_names(digests.library_versions(files)) <= pip_pins("all.txt").keys()
    default = read_plan({}, with_conda=False, on_cluster=False)
    assert all(available.needs_only_core(choice) for choice in default.choices.values())
    assert not all(available.needs_only_core(Choice(name, backends.resolve(name, {}))) for name in backends.names())


def test_the_platform_that_is_recommended_has_every_package_of_the_stores() -> None:
    assert available.COMPLETE_PLATFORM == "Linux x86_64 with Python 3.11 or 3.12"
    complete = {"sys_platform": "linux", "platform_machine": "x86_64"}
    extra = project()["optional-dependencies"]["all"]
    assert markers(extra)
    for version in ("3.11", "3.12"):
        here = complete | {"python_version": version, "python_full_version": f"{version}.9"}
        assert all(Marker(marker).evaluate(here) for marker in markers(extra).values())
        for name in declared_pins(extra):
            pinned = requirements.pins(CHECKOUT / "requirements/all.txt")[name]
            assert any(not marker or Marker(marker).evaluate(here) for marker in pinned.values()), name


def test_conda_leaves_out_what_pip_does_with_its_version_of_python() -> None:
    path = CHECKOUT / "envs/all.yaml"
    entries = yaml.safe_load(path.read_text())["dependencies"]
    pins = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    extra = project()["optional-dependencies"]["all"]
    assert markers(pins).keys() == markers(extra).keys()
    of_python = {"python_version": CONDA_PYTHON, "python_full_version": f"{CONDA_PYTHON}.9"}
    for name, marker in markers(pins).items():
        for system, machine in itertools.product(("linux", "darwin"), ("x86_64", "aarch64", "arm64")):
            here = of_python | {"sys_platform": system, "platform_machine": machine}
            assert Marker(marker).evaluate(here) == Marker(markers(extra)[name]).evaluate(here)
    for environment in ENVIRONMENTS:
        assert f"python={CONDA_PYTHON}" in yaml.safe_load(environment.read_text())["dependencies"]


@pytest.mark.parametrize("name", ["run.txt", "all.txt", "slurm.txt", "test.txt"])
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    text = (CHECKOUT / "requirements" / name).read_text()
    assert "http" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry and "==" in entry for entry in entries)


def test_every_rule_names_an_environment_that_holds_what_it_imports() -> None:
    rules = re.split(r"\n(?:rule|checkpoint) ", (CHECKOUT / "Snakefile").read_text())[1:]
    steps = {rule.split(":")[0]: rule for rule in rules if "shell:" in rule}
    assert len(steps) >= 8
    every = read_plan({"backends": configuration.ALL}, with_conda=True, on_cluster=False)
    for step, text in steps.items():
        files = [digests.step_file(step), CHECKOUT / "scripts/__main__.py"]
        if step == "figure":
            files += (CHECKOUT / "scripts/report/figures").glob("*.py")
        if "PLAN.store_environment" in text:
            for built in every.all_stores():
                environment = CHECKOUT / every.store_environment(built)
                check(step, environment, [*files, *every.choices[built.backend].files()])
        elif "PLAN.source_environment" in text:
            check(step, CHECKOUT / every.source_environment(None), files)
        else:
            check(step, CHECKOUT / every.environment(re.search(r'PLAN\.environment\("(\w+)"\)', text)[1])(None), files)


def check(step: str, environment: Path, files: list[Path]) -> None:
    needed = digests.library_versions(digests.code_files(files))
    assert as_pip_names(needed) <= set(conda_pins(environment)), (step, environment.name)


def as_pip_names(names: Iterable[str]) -> set[str]:
    return {name.lower().replace("_", "-") for name in names}
