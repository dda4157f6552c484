"""The conda environment of each rule; without conda, no rule has one."""

from typing import Any

from scripts.plan import available
from scripts.plan.plan import Plan, StoreNames

CORE, ALL = "envs/core.yaml", "envs/all.yaml"
"""Environments for building and timing stores: with the packages of a plain run, and with those of all backends."""


class Environments:
    """The conda environment of each rule, as functions of the wildcards.

    Without conda a function returns None. Snakemake would look for the file of an environment even then.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def dataset(self, wildcards: Any) -> str | None:
        """Return the environment for making the image set."""
        return self._with_conda("envs/dataset.yaml")

    def compile(self, wildcards: Any) -> str | None:
        """Return the environment for building a library."""
        return self._with_conda("envs/compile.yaml")

    def store(self, store: StoreNames) -> str | None:
        """Return the environment for building a store and for timing its cells."""
        needs_only_core = available.needs_only_core(self._plan.choices[store.backend])
        return self._with_conda(CORE if needs_only_core else ALL)

    def report(self, wildcards: Any) -> str | None:
        """Return the environment for making tables, figures and page."""
        return self._with_conda("envs/report.yaml")

    def _with_conda(self, file: str) -> str | None:
        return file if self._plan.with_conda else None
