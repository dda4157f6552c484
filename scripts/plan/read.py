"""Reading the config into a plan, with every mistake as one line on standard error."""

import sys
from collections.abc import Iterable
from pathlib import Path

from scripts.common import digests
from scripts.common.errors import UserError
from scripts.plan import available, images
from scripts.plan.checks import existing, permission
from scripts.plan.config import configuration, yaml_syntax
from scripts.plan.plan import Plan


def check_config_files(paths: Iterable[str | Path]) -> None:
    """End the process with one line where one of these files is no config."""
    try:
        for path in paths:
            yaml_syntax.check(Path(path))
    except UserError as error:
        sys.exit(f"error: {error}")


def read_plan(
    config: configuration.Config, *, with_conda: bool, on_cluster: bool, is_job_on_node: bool = False
) -> Plan:
    """Return the plan of a config, or end the process with one line that says what is wrong with it and the remedy.

    A job on a node takes what the start of its run has found, and checks nothing again.
    """
    try:
        complete = configuration.complete(config)
        if not is_job_on_node:
            configuration.check(complete, on_cluster=on_cluster)
            complete = configuration.for_source(complete, images.has(complete["images"]))
        plan = Plan(complete, with_conda, on_cluster)
        if is_job_on_node:
            plan.take_from_start()
        else:
            _check(plan)
    except PermissionError as error:
        sys.exit(f"error: no permission to read {error.filename}; ask its owner, or set store_dir to one of your own")
    except UserError as error:
        sys.exit(f"error: {error}")
    return plan


def _check(plan: Plan) -> None:
    if plan.with_conda and set("{}") & set(str(digests.CHECKOUT)):
        raise UserError(f"conda can't be used in {digests.CHECKOUT}, whose name has a brace in it; rename the folder")
    permission.check_snakemakes()
    if plan.config["backends"] != configuration.ALL and not plan.with_conda:
        for name, choice in plan.asked.items():
            if reason := available.lacks_package(choice):
                raise UserError(f"backend {name} can't run in {sys.prefix}: {reason}, or leave it out of the config")
    if not plan.choices:
        raise UserError(f"none of the backends asked for can run here: {'; '.join(plan.missing.values())}")
    existing.check_what_may_only_be_read(plan)
    # These ask the system, and what goes wrong with that is said here.
    _ = plan.machine, plan.dataset, plan.writes, plan.identity, plan.sets
