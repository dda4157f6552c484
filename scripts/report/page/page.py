"""The page: a few sections, each made by the module that knows it, and the template that shows them.

No record of the page's own machine is read: what the page says of records is in the table `selection` and in the
conditions, which `summarise` wrote. Records of other machines in the same results are read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scripts.common.atomic import replacing
from scripts.report import printed, wording
from scripts.report.compare import answers, claims, container_costs
from scripts.report.compare.claims import Claim
from scripts.report.compare.container_costs import Costs
from scripts.report.draw import links
from scripts.report.page import answer, code, doubts, facts, inline, listing, machines, method
from scripts.report.page.answer import AnswerSection
from scripts.report.page.code import BackendsSection
from scripts.report.page.doubts import DoubtsSection
from scripts.report.page.facts import MachineSection
from scripts.report.page.inline import Inlined
from scripts.report.page.listing import TablesSection
from scripts.report.page.machines import SideBySide
from scripts.report.page.method import COMBINED, MethodSection, ReproduceSection
from scripts.report.page.run import Run
from scripts.report.records import nodes
from scripts.report.tables import Tables

TEMPLATES = Path(__file__).parent
DATA_FILES = (
    "page.answer.html.j2",
    "page.backends.html.j2",
    "page.css",
    "page.html.j2",
    "page.machines.html.j2",
    "page.macros.html.j2",
    "page.nodes.html.j2",
    "page.tables.html.j2",
)
CODE = re.compile("`([^`]+)`")


@dataclass(frozen=True)
class Head:
    """What the top of the page says of the run: its span in UTC, its images, and how to get the real ones."""

    span: tuple[str, str]
    provenance: Mapping[str, Any]
    note: str | None
    quick: bool


@dataclass(frozen=True)
class FiguresSection:
    """The figures that show something, and what containers and codecs cost, in sentences below the figure of both."""

    figures: list[Inlined]
    costs: Costs | None
    costs_below: str = COMBINED


@dataclass(frozen=True)
class Page:
    """The sections of the page, by the names that the templates give them.

    `tables` and `many` belong to no section: the run's cells, and whether there are too many stores to show them all.
    `missing` are the backends that can't run here, with reason and remedy.
    """

    tables: Tables
    many: bool
    head: Head
    answer: AnswerSection
    drawn: FiguresSection
    listing: TablesSection
    code: BackendsSection
    claims: list[Claim]
    doubts: DoubtsSection
    missing: Mapping[str, str]
    machine: MachineSection
    others: SideBySide | None
    method: MethodSection
    reproduce: ReproduceSection

    @classmethod
    def of(cls, run: Run, figures: list[Inlined], others: list[Path]) -> "Page":
        """Make all sections of a run, given its figures and the record files of other machines."""
        return cls(
            run.tables,
            run.many,
            Head(facts.span(run.conditions), run.provenance, run.conditions.note, run.quick),
            answer.section(run),
            FiguresSection([figure for figure in figures if not figure.empty], container_costs.costs(run.results)),
            listing.section(run),
            code.section(run),
            claims.judge(run.results),
            doubts.section(run),
            run.missing,
            facts.section(run.conditions, len(run.main)),
            machines.beside(run.tables, run.main, others),
            method.section(run, [figure.name for figure in figures]),
            method.reproduce(run),
        )


def write_page(
    directory: Path,
    provenance: Path,
    records: Path,
    figures: list[Path],
    settings: dict[str, Any],
    output: Path,
    missing: dict[str, str] | None = None,
) -> None:
    """Write the page; the same inputs give the same bytes. Raises UserError for inputs that don't fit together.

    `directory` is that of the tables and the conditions. `records` is that of the machine's records, of which only the
    name is used: records of other machines are beside it, and never stop the page. `settings` are those keys of the
    config, with their values, that don't have their defaults. `missing` are backends that were asked for but can't run
    here, with reason and remedy.
    """
    run = Run.load(directory, provenance, records, settings, missing or {})
    places = listing.places(run.tables)
    page = Page.of(run, [inline.read(path, places) for path in figures], machines.record_files(records, run.tables))
    text = _environment().get_template("page.html.j2").render(vars(page))
    with replacing(output) as file:
        file.write(text.encode())


def _environment() -> Environment:
    """The templates, with the modules that say numbers and names in words."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "say": wording,
        "links": links,
        "printed": printed,
        "WINNING": answers.WINNING,
        "FEWEST_CELLS": nodes.FEWEST,
        "css": Markup((TEMPLATES / "page.css").read_text()),
    }
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> Markup:
    """Text in which what stands between backquotes is code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
