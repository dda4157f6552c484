"""The digest of the code and the libraries that each rule depends on (`scripts.common.digests`).

Each rule of the Snakefile has its digest as a parameter. If the digest changes, Snakemake runs the rule's jobs again.
It does so for every parameter that isn't `untracked`.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.backends.shared import descriptions
from scripts.common import digests
from scripts.dataset import sources
from scripts.measure.operations import catalogue
from scripts.plan import images
from scripts.plan.plan import Names, Plan
from scripts.report.draw import captions


class RuleDigests:
    """The digest of each rule's code, under the rule's name."""

    def __init__(self, plan: Plan) -> None:
        # What tables, figures and page read of the operations; it is no code of theirs.
        self._catalogue = [asdict(entry) for entry in catalogue.entries().values()]
        source = [sources.file(images.module(plan.config["images"]))]
        self.download, self.gather, self.unpack = (
            _digest("download", source),
            _digest("gather", source),
            _digest("unpack"),
        )
        self.summarise = digests.digest([_digest("summarise"), self._catalogue])
        # The page depends on the backends' code, and on the words in code that it shows.
        backends = {file for choice in plan.choices.values() for file in choice.files()}
        code = digests.code_digest([digests.step_file("page"), *backends, *descriptions.notes_files(backends)])
        shown = [*backends, *map(_figure_file, captions.names())]
        self.page = digests.digest([code, digests.docstrings(shown), self._catalogue])
        self._builds, self._timings = (
            {name: _digest(step, one.files(), one.backend.versions()) for name, one in plan.choices.items()}
            for step in ("build", "time_operation")
        )

    def build(self, store: Names) -> str:
        """Return the digest of the step `build` and of a store's backend."""
        return self._builds[store.backend]

    def time_operation(self, cell: Names) -> str:
        """Return the digest of the step `time_operation` and of a cell's backend."""
        return self._timings[cell.backend]

    def figure(self, wildcards: Any) -> str:
        """Return the digest of one figure's code and caption, and of the catalogue of operations."""
        code = digests.code_digest([digests.step_file("figure"), _figure_file(wildcards.figure)])
        return digests.digest([code, captions.caption(wildcards.figure), self._catalogue])


def _digest(step: str, files: Iterable[Path] = (), versions: dict[str, str] | None = None) -> str:
    return digests.digest([digests.code_digest([digests.step_file(step), *files]), versions or {}])


def _figure_file(figure: str) -> Path:
    return digests.CHECKOUT / digests.PACKAGE / "report/figures" / f"{figure}.py"
