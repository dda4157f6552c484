"""Pins: the same versions for pip and conda, hashes for all, and environments that hold what their rules import."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT

from scripts import backends, digests

CONDA_NAMES = {"python-lmdb": "lmdb", "matplotlib-base": "matplotlib"}
ENVIRONMENTS = sorted((CHECKOUT / "envs").glob("*.yaml"))


def pip_pins(name: str) -> dict[str, str]:
    text = (CHECKOUT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def conda_pins(path: Path) -> dict[str, str]:
    pins = dict(entry.split("=") for entry in yaml.safe_load(path.read_text())["dependencies"])
    return {CONDA_NAMES.get(name, name): version for name, version in pins.items() if name != "python"}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_have_the_versions_of_the_pip_pins(environment: Path) -> None:
    pins = pip_pins("run.txt")
    assert conda_pins(environment) == {name: pins[name] for name in conda_pins(environment)}


def test_the_pins_are_those_of_the_project_and_the_tests_pins_contain_them() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    run, test = pip_pins("run.txt"), pip_pins("test.txt")
    declared = dict(entry.split("==") for entry in project["dependencies"])
    extra = dict(entry.split("==") for entry in project["optional-dependencies"]["test"])
    assert declared.items() <= run.items() <= test.items()
    assert extra.items() <= test.items()


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    text = (CHECKOUT / "requirements" / name).read_text()
    assert "http" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry and "==" in entry for entry in entries)


def test_every_rule_names_an_environment_that_holds_what_it_imports() -> None:
    rules = re.split(r"\nrule ", (CHECKOUT / "Snakefile").read_text())[1:]
    steps = {rule.split(":")[0]: rule for rule in rules if "shell:" in rule}
    assert len(steps) >= 7
    for step, text in steps.items():
        environment = CHECKOUT / re.search(r'conda:\s+"(.+)"', text)[1]
        files = [digests.step_file(step), CHECKOUT / "scripts/__main__.py"]
        if "stores" in environment.stem:
            files += [CHECKOUT / "scripts/backends" / f"{name}.py" for name in backends.names()]
            files += (CHECKOUT / "scripts/codecs").glob("*.py")
        if step == "figure":
            files += (CHECKOUT / "scripts/report/figures").glob("*.py")
        needed = digests.library_versions(digests.code_files(files))
        assert {name.lower() for name in needed} <= set(conda_pins(environment)), step
