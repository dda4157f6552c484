"""What is used of Snakemake beyond its documentation is still there, in the version in which it was seen."""

import ast
import inspect
import re
import textwrap
from importlib.metadata import version

import pytest
from snakemake.api import Workflow  # first: the modules of Snakemake import each other
from snakemake.jobs import GroupJob, Job
from snakemake.persistence import PersistenceBase
from snakemake.settings.types import DeploymentSettings
from snakemake.workflow import DAG, JobScheduler
from snakemake_executor_plugin_slurm import ExecutorSettings

from scripts.plan import snakemake_internals as internals
from tests.support.checkout import CHECKOUT

OBJECTS = {
    "_workflow": Workflow,
    "dag": DAG,
    "persistence": PersistenceBase,
    "scheduler": JobScheduler,
    "deployment_settings": DeploymentSettings,
    "executor_settings": ExecutorSettings,
}
"""Objects of Snakemake and of its plugin for Slurm, as the code names them."""


def used() -> set[tuple[str, str]]:
    """Return each attribute that is used of one of the objects: the name of the object and of the attribute."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(internals.SnakemakeRun))):
        if isinstance(node, ast.Attribute):
            found.add((ast.unparse(node.value).split(".")[-1], node.attr))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            found.add((ast.unparse(node.args[0]).split(".")[-1], ast.literal_eval(node.args[1])))
    return {(name, attribute) for name, attribute in found if name in OBJECTS}


def attributes(of: type) -> set[str]:
    """Return the names of a class's members, and of what its methods assign to `self`."""
    assigned = {
        node.attr
        for base in of.__mro__[:-1]
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return {*dir(of), *getattr(of, "__dataclass_fields__", ()), *assigned}


def test_the_versions_are_those_in_which_it_was_seen() -> None:
    assert version("snakemake") == internals.SNAKEMAKE_VERSION, "see whether all that snakemake_internals uses works"
    assert version("snakemake-executor-plugin-slurm") == internals.SLURM_PLUGIN_VERSION


@pytest.mark.parametrize("name", OBJECTS)
def test_every_attribute_is_still_there(name: str) -> None:
    of_object = {attribute for owner, attribute in used() if owner == name}
    assert of_object
    assert of_object <= attributes(OBJECTS[name])


def test_jobs_and_groups_have_what_is_used_of_them() -> None:
    assert {*internals.Job.__annotations__, *internals.Asking.__annotations__} <= attributes(Job)
    assert set(internals.Asking.__annotations__) <= attributes(GroupJob)


def test_no_other_module_uses_snakemake_itself() -> None:
    """So that there is one place to look at when Snakemake changes."""
    others = [file for file in (CHECKOUT / "scripts").rglob("*.py") if file.name != "snakemake_internals.py"]
    assert not [
        file for file in others if re.search(r"(?m)^\s*(from|import) snakemake\b|workflow\.dag", file.read_text())
    ]
    of_snakefile = set(re.findall(r"\bworkflow\.(\w+)", (CHECKOUT / "Snakefile").read_text()))
    assert of_snakefile == {"basedir"}
