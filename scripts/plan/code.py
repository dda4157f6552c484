"""The digest of the code and the libraries that each rule depends on.

Snakemake doesn't see edits in imported modules. So each rule has such a digest as a parameter: an edit redoes what
depends on it, and nothing more.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from scripts.backends.shared import descriptions
from scripts.common import digests
from scripts.measure.operations import catalogue
from scripts.plan.plan import Plan, StoreNames
from scripts.report.draw import captions


class FigureName(Protocol):
    """The wildcards of the rule `figure`."""

    figure: str


class Code:
    """The digest of each rule's code, under the rule's name."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Snakemake asks again for each job.
        self._of_stores: dict[tuple[str, str], str] = {}

    @property
    def download(self) -> str:
        """The digest of the step `download`."""
        return self._of_step("download")

    @property
    def unpack(self) -> str:
        """The digest of the step `unpack`."""
        return self._of_step("unpack")

    def build(self, store: StoreNames) -> str:
        """Return the digest of the step `build` and of a store's backend."""
        return self._with_backend("build", store.backend)

    def time_operation(self, cell: StoreNames) -> str:
        """Return the digest of the step `time_operation` and of a cell's backend."""
        return self._with_backend("time_operation", cell.backend)

    @property
    def summarise(self) -> str:
        """The digest of the step `summarise`, and of the catalogue of operations."""
        return digests.digest([self._of_step("summarise"), _catalogue()])

    def figure(self, wildcards: FigureName) -> str:
        """Return the digest of one figure's code and caption, and of the catalogue of operations."""
        code = digests.code_digest([digests.step_file("figure"), _figure_file(wildcards.figure)])
        return digests.digest([code, captions.caption(wildcards.figure), _catalogue()])

    @property
    def page(self) -> str:
        """The digest of the page's code, of the backends' code, and of the words in both that the page shows."""
        backends = {file for choice in self._plan.choices.values() for file in choice.files()}
        code = digests.code_digest([digests.step_file("page"), *backends, *descriptions.notes_files(backends)])
        shown = [*backends, *map(_figure_file, self._plan.figures)]
        return digests.digest([code, digests.docstrings(shown), _catalogue()])

    def _of_step(self, step: str) -> str:
        return self._digest(step, [], {})

    def _with_backend(self, step: str, name: str) -> str:
        if (step, name) not in self._of_stores:
            choice = self._plan.choices[name]
            self._of_stores[step, name] = self._digest(step, choice.files(), choice.backend.versions())
        return self._of_stores[step, name]

    @staticmethod
    def _digest(step: str, files: list[Path], versions: dict[str, str]) -> str:
        return digests.digest([digests.code_digest([digests.step_file(step), *files]), versions])


def _catalogue() -> list[dict[str, Any]]:
    """What tables, figures and page read of the operations; it is no code of theirs."""
    return [asdict(entry) for entry in catalogue.entries().values()]


def _figure_file(figure: str) -> Path:
    return digests.CHECKOUT / digests.PACKAGE / "report/figures" / f"{figure}.py"
