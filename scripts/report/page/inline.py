"""Figures for the page: an SVG file as an element that can stand in HTML beside others."""

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from scripts.common.errors import UserError
from scripts.report.draw.appearance import EMPTY, TITLE_INCHES
from scripts.report.draw.links import PAGE

POINTS_PER_INCH = 72
LINK = re.compile(rf'<a href="{re.escape(PAGE)}#([^"]*)"[^>]*>\s*')
SHAPES = re.compile(
    r'<g(?: clip-path="[^"]*")?>\s*(?:<defs>.*?</defs>\s*)?'
    r"(?:(?:<a [^>]*>\s*)?<(?:use|path)\b[^>]*/>\s*(?:</a>\s*)?)+</g>",
    re.DOTALL,
)
"""A group of nothing but shapes, of which some are links."""
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


@dataclass(frozen=True)
class Inlined:
    """A figure in the page: its name, title and caption (from the file's own metadata), and the element; `empty` where
    it says only why there is nothing to show."""

    name: str
    title: str
    caption: str
    svg: Markup
    empty: bool = False


def read(path: Path, places: Mapping[str, str]) -> Inlined:
    """Read an SVG that `scripts.report.draw.style.save` wrote; UserError where it's another file.

    Ids get the figure's name in front, as several figures share a page; fonts are the page's. The band at the top that
    holds the title is cut off, for the page has its own headings. Marks lead to places on the same page; `places` says
    of each what to show while the pointer is on such a mark.
    """
    text = path.read_text(encoding="utf-8")
    try:
        metadata = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not an SVG file ({error}); remove it and run the workflow again") from None
    title, caption = (metadata.findtext(f".//{DUBLIN_CORE}{name}") for name in ("title", "description"))
    if not title or not caption:
        raise UserError(f"{path} carries no title and caption; remove it and run the workflow again")
    element = _smaller(text[text.index("<svg") :])
    element = _in_tags(r'\b(id="|href="#|url\(#)', rf"\g<1>{path.stem}-", element)
    element = LINK.sub(lambda found: _link(found[1], places), element)
    width, height = (float(value) for value in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', element).groups())
    cut = TITLE_INCHES * POINTS_PER_INCH
    described = f"{path.stem}-title {path.stem}-caption"
    box = f"0 {cut:g} {width:g} {height - cut:g}"
    opening = f'<svg viewBox="{box}" role="img" aria-labelledby="{described}">'
    empty = any(keyword.text == EMPTY for keyword in metadata.iterfind(f".//{DUBLIN_CORE}subject//{RDF}li"))
    return Inlined(path.stem, title, caption, Markup(opening + element[element.index(">") + 1 :].rstrip()), empty)


def _smaller(svg: str) -> str:
    """The same drawing in fewer letters: no metadata, fonts, ids of groups, what is so by default; a style once for all
    markers of a line."""
    svg = re.sub(r"\s*<(title|metadata)>.*?</\1>", "", svg, flags=re.DOTALL)
    svg = _in_tags(r" font-family: [^;\"]*;| transform=\"rotate\(-?0 [^)]*\)\"", "", svg)
    svg = _in_tags("xlink:href", "href", re.sub(r'<g id="[^"]*">', "<g>", svg))
    svg = _in_tags(r"(\d\.\d\d)\d+", r"\1", svg)
    svg = _in_tags(
        r"stroke-linejoin: miter; |; stroke-linejoin: miter|stroke-dashoffset: 0; |text-anchor: start; ", "", svg
    )
    svg = re.sub(r"<g>\s*(<text\b[^>]*>[^<]*</text>)\s*</g>", r"\1", svg)
    svg = SHAPES.sub(_style_once, svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _in_tags(pattern: str, replacement: str, svg: str) -> str:
    """Replace within tags alone: what is written stays as it is."""
    return re.sub(r"<[^>]+>", lambda tag: re.sub(pattern, replacement, tag[0]), svg)


def _style_once(group: re.Match) -> str:
    """Move the style that all shapes of a group share to the group itself."""
    shapes = re.findall(r"<(?:use|path)\b[^>]*/>", re.sub(r"<defs>.*?</defs>", "", group[0], flags=re.DOTALL))
    styles = {"".join(re.findall(r' style="[^"]*"', shape)) for shape in shapes}
    style = styles.pop()
    if styles or not style or len(shapes) == 1:
        return group[0]
    return group[0].replace(style, "").replace(">", f"{style}>", 1)


def _link(place: str, places: Mapping[str, str]) -> str:
    """The start of a link within the page. The keyboard skips it, for the tables have the same links in their order."""
    said = f"<title>{html.escape(places[place])}</title>" if place in places else ""
    return f'<a href="#{place}" tabindex="-1">{said}'
