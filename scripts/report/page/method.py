"""The sections with the method, and with what it takes to reproduce and cite the run."""

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.measure.operations import catalogue
from scripts.report.compare import containers
from scripts.report.draw import captions
from scripts.report.page import facts
from scripts.report.page.run import Run
from scripts.report.records.record import BackendCode

COMBINED = "container_codec"
"""The figure of containers and codecs."""


@dataclass(frozen=True)
class Unmeasured:
    """Operations of one kind that a run left out: what they add, how many timing jobs, and what each one takes."""

    operations: list[str]
    adds: str
    jobs: int
    takes: str


@dataclass(frozen=True)
class MethodSection:
    """What the section with the method shows.

    `threads` and `settings` are in words. `uncombined` says under `combined_title` why containers and codecs can't be
    compared; it is empty where they can.
    """

    threads: str
    evictions: set[str]
    settings: Mapping[str, str]
    unmeasured: list[Unmeasured]
    uncombined: str
    combined_title: str


@dataclass(frozen=True)
class ReproduceSection:
    """What the section on reproducing and citing shows: the command, the code behind each name, and digests."""

    command: str
    backends: Mapping[str, BackendCode]
    digests: Mapping[str, str]
    image_set_digest: str


def section(run: Run, figures: list[str]) -> MethodSection:
    """Make the section of a run whose page has these figures."""
    found = containers.missing(containers.combinations_of(run.tables)) if COMBINED in figures else ""
    return MethodSection(
        facts.distinct(row.threads for row in run.main),
        {row.eviction for row in run.tables.main if row.eviction},
        facts.settings(run.conditions.settings),
        _unmeasured(run),
        found,
        captions.title(COMBINED) if found else "",
    )


def reproduce(run: Run) -> ReproduceSection:
    """Make the section on reproducing and citing a run."""
    digests = {
        "Image set": facts.distinct(row.image_set_digest for row in run.main),
        "Measuring code": facts.distinct(row.measuring_digest for row in run.main),
    }
    return ReproduceSection(run.command, run.conditions.backends, digests, run.provenance["digest"])


def _unmeasured(run: Run) -> list[Unmeasured]:
    """The operations that a run left out. Those of a kind that differ only in their state stand together."""
    missing: dict[tuple[str, bool], list[str]] = {}
    for entry in catalogue.entries().values():
        if entry.name not in run.tables.operations:
            missing.setdefault((entry.kind, entry.durable), []).append(entry.name)
    stores = len({row.full_cell.store for row in run.main})
    return [
        Unmeasured(
            names,
            catalogue.adds(kind, durable=durable),
            stores * len(names),
            catalogue.entry(names[0]).takes or f"{run.budget_seconds:g} s or more for each",
        )
        for (kind, durable), names in missing.items()
    ]
