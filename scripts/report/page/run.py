"""All that a page is made from, read once: tables, samples, selection, conditions, image set and config of one run."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.dataset.image_set import read_provenance
from scripts.report import tables, wording
from scripts.report.compare import answers, trends
from scripts.report.compare.answers import MEASURES, Answer, Question
from scripts.report.compare.results import LONGER, Results
from scripts.report.compare.trends import Crossover
from scripts.report.page import thumbnails
from scripts.report.page.thumbnails import Thumbnail
from scripts.report.records import conditions, order
from scripts.report.records.conditions import Conditions
from scripts.report.rows import SelectionRow, SummaryRow, TimingRow
from scripts.report.tables import MAIN_GROUP, Tables

MANY_DISTURBED = 0.25
"""Where more than this share of the cells was disturbed, the page says so at its top."""
QUICK_RESULTS = "results/quick"
MOST_UPSCALED = 5
"""The most images that are named of those that were made larger."""
TOP, MOST_LISTED = 5, 7
"""Of more stores than the second, as many as the first are in sight in a list of all. The others stand below a line
that opens."""


@dataclass(frozen=True)
class Listed:
    """How many images the provenance counts, and the first ones that it names."""

    count: int
    first: list[Any]


@dataclass(frozen=True)
class Run:
    """What `summarise` found of one machine, and what was asked for.

    - `records`: the directory of the machine's records; those of other machines are beside it.
    - `settings`: the keys of the config that don't have their defaults, with their values.
    - `missing`: the backends that were asked for but can't run here, with reason and remedy.
    - `thumbnails`: of the first images, where they are to be shown.
    - `left_out`: the image sizes and numbers of images that were asked for and left out, with the reason.
    """

    results: Results
    selected: list[SelectionRow]
    conditions: Conditions
    provenance: Mapping[str, Any]
    records: Path
    settings: Mapping[str, Any]
    missing: Mapping[str, str]
    left_out: Mapping[str, str]
    thumbnails: Sequence[Thumbnail]

    @classmethod
    def load(
        cls,
        directory: Path,
        provenances: Sequence[Path],
        records: Path,
        settings: Mapping[str, Any],
        missing: Mapping[str, str],
        left_out: Mapping[str, str],
        with_thumbnails: bool = False,
    ) -> "Run":
        """Read the run whose tables and conditions are in a directory.

        `provenances` are those of the image sets of all sizes, each in a folder with the name of its size.

        Raises UserError where the tables are of another machine than the records, whose directory is named for theirs.
        """
        read = Tables.load(directory)
        named = {row.machine for row in read.summary}
        if named != {records.name}:
            raise UserError(
                f"the summary in {directory} is of machine {wording.join(sorted(named))}, but the records are in "
                f"{records}"
            )
        provenance = next(path for path in provenances if path.parent.name == read.image_size)
        return cls(
            Results(read, tables.load(TimingRow, directory)),
            tables.load(SelectionRow, directory),
            conditions.read(directory),
            read_provenance(provenance),
            records,
            settings,
            missing,
            left_out,
            thumbnails.of(provenance.parent) if with_thumbnails else [],
        )

    @property
    def tables(self) -> Tables:
        """The tables of the run."""
        return self.results.tables

    @property
    def bad_images(self) -> Listed:
        """The images that were left out, each with name and reason."""
        return Listed(**self.provenance["bad_images"])

    @property
    def upscaled_images(self) -> Listed:
        """The names of the images that were made larger."""
        named = Listed(**self.provenance["upscaled_images"])
        return Listed(named.count, named.first[:MOST_UPSCALED])

    @property
    def shows_images(self) -> bool:
        """Whether there is anything to show of the images themselves."""
        return bool(self.thumbnails or self.bad_images.count or self.upscaled_images.count)

    @cached_property
    def main(self) -> list[SelectionRow]:
        """The records that make the answers."""
        return [row for row in self.selected if row.comparison_group == MAIN_GROUP]

    @cached_property
    def apart(self) -> list[SelectionRow]:
        """The records that are compared with no others."""
        return [row for row in self.selected if row.comparison_group != MAIN_GROUP]

    @property
    def span(self) -> tuple[str, str]:
        """When the first cell started and the last one ended, to the minute, UTC."""
        return order.moment(self.conditions.started), order.moment(self.conditions.ended)

    @cached_property
    def questions(self) -> list[Question]:
        """Everything to be best at, with its answers."""
        return answers.questions(self.results)

    @property
    def undecided(self) -> list[tuple[Question, Answer]]:
        """Every answer with undecided stores, the largest cutoff first."""
        found = [(question, answer) for question in self.questions for answer in question.answers]
        open_still = (each for each in found if each[1].undecided and each[1].noticeable)
        return sorted(open_still, key=lambda each: -each[1].cutoff)

    @property
    def crossovers(self) -> list[Crossover]:
        """Which store overtakes which; of many stores, only those among the leaders of an operation."""
        found = []
        for operation in (question for question in self.questions if question.name not in MEASURES):
            leaders = list(dict.fromkeys(answer.leader for answer in operation.answers))
            for pair in combinations(leaders if self.many else operation.among, 2):
                found += trends.crossovers(self.results, operation.name, *pair, operation.among)
        return found

    @cached_property
    def disturbed(self) -> list[SummaryRow]:
        """The row of each disturbed cell, its own where it has several; also of cells that stand apart, and of all
        image sizes."""
        rows = {row.full_cell: row for tables in self.tables.by_size.values() for row in tables.summary}
        return [row for row in rows.values() if row.disturbances]

    @property
    def many_disturbed(self) -> bool:
        """Whether so many cells were disturbed that the page says so at its top."""
        return len(self.disturbed) > MANY_DISTURBED * len(self.selected)

    @property
    def many(self) -> bool:
        """Whether there are too many stores to have all of them in sight."""
        return len(self.tables.backends) > MOST_LISTED

    @property
    def top(self) -> int | None:
        """How many of the stores are in sight in a list of all; None for all of few."""
        return TOP if self.many else None

    @property
    def quick(self) -> bool:
        """Whether this was a quick run."""
        return bool(self.settings.get("quick", False))

    @property
    def budget_seconds(self) -> float:
        """The most seconds that a cell was given."""
        return max((row.budget_seconds for row in self.main), default=0)

    @property
    def command(self) -> str:
        """The command that measures the same again. It names synthetic images, for machines that have the real ones."""
        images = {"images": "synthetic"} if self.provenance["name"] == "synthetic" else {}
        values = [f"{name}={json.dumps(value)}" for name, value in {**images, **self.settings}.items()]
        return shlex.join(["snakemake", "--cores", "4", *(["--config", *values] if values else [])])

    def again(self, operation: str, answer: Answer) -> str:
        """The command that measures the leader and the undecided stores of an answer again, for `LONGER` times as long
        as the one that was given most."""
        records = {row.cell: row for row in self.main if row.image_size == self.tables.image_size}
        own = [records[name, answer.cutoff, operation] for name in (answer.leader, *answer.undecided)]
        names = [row.full_cell.name for row in own]
        seconds = LONGER * max(row.budget_seconds for row in own)
        place = ["--results", QUICK_RESULTS] if self.quick else []
        return shlex.join(["python", "scripts", "again", *names, "--seconds", f"{seconds:g}", *place])
