"""What is used of Snakemake beyond its documentation is still there, in the version in which it was seen."""

import ast
import inspect
import re
import textwrap
from importlib.metadata import version
from typing import Any

import pytest
from snakemake.api import Workflow  # first: the modules of Snakemake import each other
from snakemake.jobs import GroupJob, Job
from snakemake.persistence import PersistenceBase
from snakemake.rules import Rule
from snakemake.settings.types import DeploymentSettings
from snakemake.workflow import DAG, JobScheduler
from snakemake_executor_plugin_slurm import ExecutorSettings

from scripts.plan import snakemake_internals as internals
from tests.support.checkout import CHECKOUT

REAL = {
    internals.Rule: Rule,
    internals.Job: Job,
    internals.Resources: GroupJob,
    internals.Graph: DAG,
    internals.Persistence: PersistenceBase,
    internals.Scheduler: JobScheduler,
    internals.Deployment: DeploymentSettings,
    internals.Workflow: Workflow,
    internals.SlurmSettings: ExecutorSettings,
}
"""Each protocol, with the class that it describes a part of."""


def attributes(real: type) -> set[str]:
    """Return the names of a class's members, and of what its methods assign to `self`."""
    assigned = {
        node.attr
        for base in real.__mro__[:-1]
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return {*dir(real), *getattr(real, "__dataclass_fields__", {}), *assigned}


def test_the_versions_are_those_in_which_it_was_seen() -> None:
    assert version("snakemake") == internals.SNAKEMAKE_VERSION, "see whether all that snakemake_internals uses works"
    assert version("snakemake-executor-plugin-slurm") == internals.SLURM_PLUGIN_VERSION


@pytest.mark.parametrize("protocol", REAL, ids=lambda protocol: protocol.__name__)
def test_every_attribute_is_still_there(protocol: Any) -> None:
    used = {name for base in protocol.__mro__ for name in getattr(base, "__annotations__", ())}
    assert used
    assert used <= attributes(REAL[protocol])


def test_every_protocol_is_compared() -> None:
    protocols = {
        each for each in vars(internals).values() if isinstance(each, type) and getattr(each, "_is_protocol", False)
    }
    assert protocols - {internals.Protocol} == set(REAL)


def test_no_other_module_imports_snakemake() -> None:
    """So that there is one place to look at when Snakemake changes."""
    importing = [
        file.name
        for file in (CHECKOUT / "scripts").rglob("*.py")
        if re.search(r"(?m)^\s*(from|import) snakemake", file.read_text())
    ]
    assert importing == ["snakemake_internals.py"]
