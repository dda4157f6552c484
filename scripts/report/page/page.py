"""The page: a run, and the modules that say things of it, given to the templates beside this file.

No record of the page's own machine is read: what the page says of records is in the table `selection` and in the
conditions, which `summarise` wrote. Records of other machines in the same results are read here.
"""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scripts.common.atomic import replacing
from scripts.common.errors import shown
from scripts.report import wording
from scripts.report.compare import answers, claims, containers, image_sizes, own_images, purposes, trends
from scripts.report.draw import captions, links
from scripts.report.page import facts, inline, machines
from scripts.report.page.run import Run
from scripts.report.records import nodes

TEMPLATES = Path(__file__).parent
DATA_FILES = ("page.css", "*.html.j2")
CODE = re.compile("`([^`]+)`")
COMBINED = "container_codec"
"""The figure of containers and codecs; below it stands what both cost."""
SIZES = "image_size"
"""The figure of image sizes; below it stands from which size on decoding dominates."""


def write_page(run: Run, figures: list[Path], output: Path) -> None:
    """Write the page of a run, with its figures in this order; the same inputs give the same bytes.

    Raises UserError for a file that isn't a figure of this workflow.
    """
    places = facts.places(run.tables)
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            run=run,
            tables=run.tables,
            many=run.many,
            figures=list(filter(None, (inline.read(path, places) for path in figures))),
            others=machines.beside(run),
        )
    )
    with replacing(output) as file:
        # Names of files may hold bytes that are no text.
        file.write(text.encode(errors="backslashreplace"))


@cache
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
        "answers": answers,
        "captions": captions,
        "claims": claims,
        "containers": containers,
        "facts": facts,
        "image_sizes": image_sizes,
        "links": links,
        "own_images": own_images,
        "purposes": purposes,
        "say": wording,
        "trends": trends,
        "COMBINED": COMBINED,
        "SIZES": SIZES,
        "FEWEST_CELLS": nodes.FEWEST,
        "css": Markup((TEMPLATES / "page.css").read_text()),
    }
    environment.filters |= {
        "code": _code,
        "gaps_of_size": facts.gaps,
        "operation": wording.operation,
        "pixels": wording.pixels,
        "shown": shown,
        "thousands": "{:,}".format,
        "to": "to {}".format,
    }
    return environment


def _code(text: str) -> Markup:
    """Text in which what stands between backquotes is code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
