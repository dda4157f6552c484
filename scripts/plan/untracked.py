"""Parameters of rules that Snakemake doesn't compare between runs.

When a parameter has another value than in the last run, Snakemake runs the rule's jobs again. Some parameters only say
where something is or how it is shown. A change of these must redo nothing, so they are functions that ask for `output`
(or `input`, `threads`, `resources`): Snakemake takes what such a function returns for derived, and leaves it out of the
comparison. Most of the functions here ignore the output: asking for it is the point.

`tests/workflow/test_reruns.py` shows which changes redo what.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from scripts.backends.go import library
from scripts.common import digests
from scripts.plan.jobs import Jobs
from scripts.plan.plan import Plan, StoreNames

Value = TypeVar("Value")


def untracked(value: Value) -> Callable[[Any, Any], Value]:
    """Return a value as a parameter that Snakemake doesn't compare between runs."""
    return lambda wildcards, output: value


class Untracked:
    """The parameters that Snakemake doesn't compare between runs."""

    def __init__(self, plan: Plan, jobs: Jobs) -> None:
        self._plan, self._jobs = plan, jobs
        config = plan.config
        self.step = untracked(_step(plan))
        self.images = untracked(config["images"])
        self.addresses = untracked(config["addresses"])
        self.downloads = untracked(plan.downloads)
        self.offline_fallback = untracked(str(config["offline_fallback"]).lower())
        self.stores = untracked(plan.stores)
        self.records = untracked(f"{plan.results}/records/{plan.machine}")
        self.places = untracked(shlex.join(plan.working_places()))
        self.settings = untracked(json.dumps(plan.settings_shown()))
        self.missing = untracked(json.dumps(plan.missing))

    def limit_seconds(self, store: StoreNames, resources: Mapping[str, Any]) -> float:
        """Return how long (s) a build or timing may take before it counts as hung."""
        return self._jobs.limit_seconds(store, resources)

    def needs_library(self, wildcards: Any, output: Sequence[str]) -> str:
        """Return a backend, by its module's name, that needs the library that is the output."""
        return next(
            choice.module
            for choice in self._plan.asked.values()
            if choice.backend.native and str(library.path(choice.backend.native)) == output[0]
        )


def _step(plan: Plan) -> str:
    """The start of every step's command, for a shell: the interpreter that runs Snakemake, or that of the rule's conda
    environment, and the package of steps."""
    python = "python" if plan.with_conda else sys.executable
    return shlex.join([python, os.path.relpath(digests.CHECKOUT / digests.PACKAGE)])
