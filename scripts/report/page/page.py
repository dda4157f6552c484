"""The page: gathers what its template shows, from the tables, the conditions, the provenance and the figures.

No record of the page's own machine is read: what the page says of records is in the table `selection` and in the
conditions, which `summarise` wrote. Records of other machines in the same results are read here.
"""

import json
import re
import shlex
from itertools import combinations as pairs_of
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scripts.backends.shared import descriptions
from scripts.common.atomic import replacing
from scripts.common.errors import UserError
from scripts.dataset.image_set import read_provenance
from scripts.measure.operations import catalogue
from scripts.report import printed, tables, wording
from scripts.report.compare import answers, claims, container_costs, containers, purposes, trends
from scripts.report.compare.results import Results
from scripts.report.compare.trends import BreakEven, Crossover
from scripts.report.draw import captions, links
from scripts.report.estimates import UNDECIDED
from scripts.report.page import facts, inline, machines
from scripts.report.records import conditions, order
from scripts.report.records.conditions import Conditions
from scripts.report.rows import GAP, MEASURED, BuiltRow, SelectionRow, SummaryRow, TimingRow
from scripts.report.tables import MAIN_GROUP, Tables

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
MANY_DISTURBED = 0.25
"""Where more than this part of the cells was disturbed, the page says so at its top."""
COMBINED = "container_codec"
"""The figure of containers and codecs."""
QUICK_RESULTS = "results/quick"
MOST_LISTED = 7
"""With more stores than these, tables show the first rows, and the other rows below a line that opens."""
TOP = 5
"""Of many stores, so many are in sight where all are listed, the others below a line that opens."""
CODE = re.compile("`([^`]+)`")


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
    read = Tables.load(directory)
    results = Results(read, tables.load(TimingRow, directory))
    images = read_provenance(provenance)
    named = {row.machine for row in read.summary}
    if named != {records.name}:
        raise UserError(
            f"the summary in {directory} is of machine {wording.join(sorted(named))}, but the records are in {records}"
        )
    selected = tables.load(SelectionRow, directory)
    others = machines.record_files(records, read)
    drawn = [inline.read(path, _places(read)) for path in figures]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"say": wording, "links": links, "printed": printed, "WINNING": answers.WINNING}
    environment.filters["code"] = _code
    shown = context(results, selected, conditions.read(directory), others, images, drawn, settings, missing or {})
    text = environment.get_template("page.html.j2").render(shown)
    with replacing(output) as file:
        file.write(text.encode())


def context(
    results: Results,
    selected: list[SelectionRow],
    found: Conditions,
    others: list[Path],
    provenance: dict,
    figures: list[inline.Inlined],
    settings: dict[str, Any],
    missing: dict[str, str],
) -> dict[str, Any]:
    """Everything that the template names."""
    read = results.tables
    many = len(read.backends) > MOST_LISTED
    main = [row for row in selected if row.comparison_group == MAIN_GROUP]
    questions = answers.questions(results)
    asked = purposes.lines(questions)
    disturbed = [row for row in _own(read) if row.disturbances]
    drawn = [figure.name for figure in figures]
    uncombined = containers.missing(containers.combinations_of(read)) if COMBINED in drawn else ""
    return {
        "tables": read,
        "css": Markup((TEMPLATES / "page.css").read_text()),
        "questions": questions,
        "leads": {question.name: _lead(question) for question in questions if question.answers},
        "purposes": asked,
        "in_short": purposes.in_short(asked),
        "undecided": _undecided(questions, main, QUICK_RESULTS if settings.get("quick") else None),
        "budget": _budget(main),
        "growths": {(growth.operation, growth.backend): growth for growth in trends.growths(results)},
        "break_evens": _break_evens(results, TOP if many else None),
        "crossovers": _crossovers(results, questions, many=many),
        "many": many,
        "rows_of": {
            operation: _in_sight(_ranked(read, operation)) if many else (read.backends, [])
            for operation in read.operations
        },
        "rows_of_disk": _in_sight(_by_disk(read)) if many else (read.backends, []),
        "missing": missing,
        "described": _described(found),
        "codecs": descriptions.codecs_of(kind.codec for kind in read.kinds.values() if kind.codec),
        "COMBINED": COMBINED,
        "costs": container_costs.costs(results),
        "uncombined": uncombined,
        "combined_title": captions.title(COMBINED) if uncombined else "",
        "figures": [(figure, Markup(figure.svg)) for figure in figures if not figure.empty],
        "claims": claims.judge(results),
        "gaps": _gaps(read),
        "apart": [row for row in selected if row.comparison_group != MAIN_GROUP],
        "nodes": found.nodes,
        "differing": [node for node in found.nodes if node.apart],
        "others": machines.beside(read, main, others),
        "limits": found.limits,
        "cells": len(selected),
        "disturbed": disturbed,
        "many_disturbed": len(disturbed) > MANY_DISTURBED * len(selected),
        "doubts": _doubts(results),
        "load": found.load,
        "facts": facts.of_machine(found, len(main)),
        "backends": found.backends,
        "threads": facts.distinct(row.threads for row in main),
        "evictions": {row.eviction for row in read.main} - {None},
        "unmeasured": _unmeasured(read, main),
        "quick": settings.get("quick", False),
        "settings": facts.settings(found.settings),
        "digests": {
            "Image set": facts.distinct(row.image_set_digest for row in main),
            "Measuring code": facts.distinct(row.measuring_digest for row in main),
        },
        "span": (order.moment(found.started), order.moment(found.ended)),
        "clock_notes": facts.clock_notes(found.jumps),
        "provenance": provenance,
        "note": found.note,
        "command": _command(settings, provenance),
    }


def _undecided(
    questions: list[answers.Question], main: list[SelectionRow], results: str | None
) -> list[dict[str, Any]]:
    """For each operation and cutoff, the largest first, of whom this run can't tell whether they are as fast as the
    best, and the command that measures just those cells for longer: four times the time makes an interval half as wide.

    `results` is where those of the run are, if not in their usual place.
    """
    found = [
        {
            "operation": question.name,
            "answer": answer,
            "command": _again([answer.leader, *answer.undecided], answer.cutoff, question.name, main, results),
        }
        for question in questions
        for answer in question.answers
        if answer.undecided and answer.noticeable
    ]
    return sorted(found, key=lambda each: -each["answer"].cutoff)


def _again(backends: list[str], cutoff: int, operation: str, main: list[SelectionRow], results: str | None) -> str:
    """The command that measures these cells again, each for four times as long as the one that was given most."""
    own = [row for row in main if row.backend in backends and (row.cutoff_images, row.operation) == (cutoff, operation)]
    names = [row.full_cell.name for row in sorted(own, key=lambda row: backends.index(row.backend))]
    place = ["--results", results] if results else []
    return shlex.join(["python", "scripts", "again", *names, "--seconds", f"{4 * _budget(own):g}", *place])


def _budget(rows: list[SelectionRow]) -> float:
    """The most seconds that a cell of these records was given."""
    return max((row.budget_seconds for row in rows), default=0)


def _lead(question: answers.Question) -> tuple[str, str]:
    """Who is best where, and how far ahead at the largest cutoff."""
    last = question.answers[-1]
    if not last.noticeable:
        found = f"At {wording.images(last.cutoff)} every store needs {last.slowest}"
        return answers.lead_sentence(question), f"{found}: take whichever is handiest."
    timed = question.name not in answers.MEASURES
    verb, amount = ("takes", "as long") if timed else ("has", "as much")
    found = f"At {wording.images(last.cutoff)} {last.leader} {verb} {last.value}"
    if last.to_baseline:
        found += f", {wording.times(last.to_baseline.value)} as long as one plain file"
    if last.behind:
        found += f"; {last.runner_up} comes next with {wording.factor(last.behind, amount)}"
    return answers.lead_sentence(question), f"{found}."


def _places(read: Tables) -> dict[str, str]:
    """What each place that a mark leads to holds, in a line."""
    found = {}
    for row in read.summary:
        way = wording.way(row.processes, row.start_method)
        what = [row.backend, wording.operation(row.operation), wording.images(row.cutoff_images), way]
        said = row.gap_reason or "no value"
        if row.status == MEASURED:
            said = f"{printed.time(read, row)} ({row.interval_kind} {printed.between(read, row)})"
            if row.outcome == UNDECIDED:
                between = wording.times_between(row.ratio_to_best_low, row.ratio_to_best_high)
                said += f"; undecided, {between} times as long as the best"
        found[links.cell(row)] = f"{'; '.join(filter(None, what))}: {said}"
    for row in read.disk_usage:
        if isinstance(row, BuiltRow):
            known = {"apparent": row.apparent_bytes, "allocated": row.allocated_bytes}
            sizes = (f"{wording.size(size)} {measure}" for measure, size in known.items() if size is not None)
            found[links.store(row)] = f"{row.backend}; {wording.images(row.cutoff_images)}: {', '.join(sizes)}"
    return found


def _own(read: Tables) -> list[SummaryRow]:
    """A row for each cell, its own where it has several; those that stand apart too."""
    return list({row.cell: row for row in read.summary}.values())


def _crossovers(results: Results, questions: list[answers.Question], *, many: bool) -> list[Crossover]:
    """Who overtakes whom; of many, only those among the leaders of an operation."""
    if not many:
        return trends.crossovers(results)
    return [
        crossover
        for question in questions
        if question.name not in answers.MEASURES
        for pair in pairs_of(dict.fromkeys(answer.leader for answer in question.answers), 2)
        for crossover in trends.crossovers_between(results, question.name, *pair)
    ]


def _ranked(read: Tables, operation: str) -> list[str]:
    """All backends by their time at the largest cutoff that they were measured at."""
    found = (name for cutoff in reversed(read.cutoffs) for name in read.by_time(operation, cutoff))
    return list(dict.fromkeys([*found, *read.backends]))


def _by_disk(read: Tables) -> list[str]:
    """All backends by the bytes allocated at the largest cutoff, the apparent ones where the former don't decide."""
    measure = "allocated_bytes" if read.allocated_decides else "apparent_bytes"
    stores = {name: read.store(name, read.cutoffs[-1]) for name in read.backends}
    known = {name: size for name, row in stores.items() if row and (size := row.size(measure))}
    return list(dict.fromkeys([*sorted(known, key=known.__getitem__), *read.backends]))


def _in_sight(ranked: list[str]) -> tuple[list[str], list[str]]:
    """Which of many rows of a table are in sight, and which aren't."""
    return ranked[:TOP], ranked[TOP:]


def _described(measured: Conditions) -> list[dict[str, Any]]:
    """Each backend of the run as its code describes it, with the variants of it and the versions of their libraries."""
    used = measured.backends
    found = []
    for backend in descriptions.backends_of(about.module for about in used.values()):
        own = {name: about for name, about in used.items() if about.module == backend.name}
        versions = {library: version for about in own.values() for library, version in about.versions.items()}
        found.append({"backend": backend, "names": list(own), "versions": versions})
    return found


def _code(text: str) -> Markup:
    """Text in which what stands between backquotes is code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


def _break_evens(results: Results, most_targets: int | None) -> dict[int, dict[tuple[str, str], BreakEven]]:
    """After how many epochs converting pays, by cutoff, the largest first, and by source and target."""
    found: dict[int, dict[tuple[str, str], BreakEven]] = {}
    for pair in trends.break_evens(results, most_targets):
        found.setdefault(pair.cutoff, {})[pair.source, pair.target] = pair
    return dict(sorted(found.items(), reverse=True))


def _unmeasured(read: Tables, main: list[SelectionRow]) -> list[dict[str, Any]]:
    """Operations that this run left out, those that differ only in the state of the page cache together."""
    missing: dict[tuple[str, bool], list[str]] = {}
    for entry in catalogue.entries().values():
        if entry.name not in read.operations:
            missing.setdefault((entry.kind, entry.durable), []).append(entry.name)
    stores = len({row.full_cell.store for row in main})
    budget = _budget(main)
    return [
        {
            "operations": names,
            "adds": catalogue.adds(kind, durable=durable),
            "costs": catalogue.entry(names[0]).takes or f"{budget:g} s or more for each",
            "jobs": stores * len(names),
        }
        for (kind, durable), names in missing.items()
    ]


def _gaps(read: Tables) -> list[dict[str, Any]]:
    """Cells without a number, those with the same reason together."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for row in read.summary:
        if row.status == GAP:
            key = (row.backend, row.operation, row.gap_reason or "no reason recorded")
            found.setdefault(key, []).append(row.cutoff_images)
    for row in read.disk_usage:
        if row.apparent_bytes is None:
            found.setdefault((row.backend, "disk usage", "the store was not built"), []).append(row.cutoff_images)
    return [
        {"backend": backend, "operation": operation, "reason": reason, "cutoffs": cutoffs}
        for (backend, operation, reason), cutoffs in found.items()
    ]


def _doubts(results: Results) -> list[dict[str, Any]]:
    """Cells with samples that are flagged as outliers or whose state couldn't be verified."""
    counts: dict[tuple[str, int, str], list[int]] = {}
    for row in results.timings:
        if row.subject == "backend":
            found = counts.setdefault(row.cell, [0, 0, 0])
            found[0] += 1
            found[1] += row.outlier and row.state_verified
            found[2] += not row.state_verified
    names = ("samples", "outliers", "unverified")
    return [
        {"backend": backend, "cutoff": cutoff, "operation": operation, **dict(zip(names, found, strict=True))}
        for (backend, cutoff, operation), found in counts.items()
        if any(found[1:])
    ]


def _command(settings: dict[str, Any], provenance: dict) -> str:
    """The command that measures the same again; with synthetic images also where the real ones could be downloaded."""
    images = {"images": "synthetic"} if provenance["name"] == "synthetic" else {}
    values = [f"{name}={json.dumps(value)}" for name, value in {**images, **settings}.items()]
    return shlex.join(["snakemake", "--cores", "4", *(["--config", *values] if values else [])])
