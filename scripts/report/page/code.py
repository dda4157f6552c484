"""The section with the backends: what each one stores, as its own code describes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import Described
from scripts.report.page.run import Run


@dataclass(frozen=True)
class Measured:
    """A backend, the names that it was measured as, and the versions of its libraries."""

    backend: Described
    names: list[str]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class BackendsSection:
    """What the section with the backends shows."""

    backends: list[Measured]
    codecs: list[Described]


def section(run: Run) -> BackendsSection:
    """Make the section of a run."""
    used = run.conditions.backends
    found = []
    for backend in descriptions.backends_of(code.module for code in used.values()):
        own = {name: code for name, code in used.items() if code.module == backend.name}
        versions = {library: version for code in own.values() for library, version in code.versions.items()}
        found.append(Measured(backend, list(own), versions))
    codecs = descriptions.codecs_of(kind.codec for kind in run.tables.kinds.values() if kind.codec)
    return BackendsSection(found, codecs)
