"""Figures for the page: an SVG file as an element that can stand in HTML beside others."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from markupsafe import Markup

from scripts.common.errors import UserError
from scripts.report.draw.links import EMPTY, PAGE, TITLE_INCHES

POINTS_PER_INCH = 72
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
SHOWS_NOTHING = re.compile(
    r"(font-family: [^;]*|stroke-dashoffset: 0)(; |$)|rotate\(-?0 [^)]*\)|(?<=\d\.\d\d)\d+|(?<=[:;]) "
)
"""The page has fonts of its own, and a hundredth of a point is less than a pixel."""


@dataclass(frozen=True)
class Inlined:
    """A figure in the page: its name, title and caption (from the file's own metadata), and the element."""

    name: str
    title: str
    caption: str
    svg: Markup


def read(path: Path, places: Mapping[str, str]) -> Inlined | None:
    """Read an SVG that `scripts.report.draw.style.save` wrote, None where it says only why there is nothing to show;
    UserError where it's another file.

    Ids get the figure's name in front, as several figures share a page. The band at the top that holds the title is cut
    off, for the page has its own headings. Marks lead to places on the same page; `places` says of each what to show
    while the pointer is on such a mark.
    """
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not an SVG file ({error}); remove it and run the workflow again") from None
    title, caption = (root.findtext(f".//{DUBLIN_CORE}{name}") for name in ("title", "description"))
    if not title or not caption:
        raise UserError(f"{path} carries no title and caption; remove it and run the workflow again")
    if any(keyword.text == EMPTY for keyword in root.iterfind(f".//{DUBLIN_CORE}subject//{RDF}li")):
        return None
    for child in [*root.findall(f"{SVG}metadata"), *root.findall(f"{SVG}title")]:
        root.remove(child)
    for element in root.iter():
        _inline(element, path.stem, places)
    *_, width, height = map(float, root.attrib["viewBox"].split())
    cut = TITLE_INCHES * POINTS_PER_INCH
    root.attrib = {
        "viewBox": f"0 {cut:g} {width:g} {height - cut:g}",
        "role": "img",
        "aria-labelledby": f"{path.stem}-title {path.stem}-caption",
    }
    return Inlined(path.stem, title, caption, Markup(ElementTree.tostring(root, encoding="unicode")))


def _inline(element: Element, figure: str, places: Mapping[str, str]) -> None:
    """Make an element part of the page: its ids and links. What shows nothing is left out, as it is much of a file."""
    element.tag = element.tag.removeprefix(SVG)
    target = element.attrib.pop(LINK, "").removeprefix(PAGE)
    if element.tag == "g":
        # No other element refers to a group.
        element.attrib.pop("id", None)
    attributes = {name: " ".join(SHOWS_NOTHING.sub("", value).split()) for name, value in element.attrib.items()}
    if element.tag == "a":
        # The keyboard skips the mark, for the tables have the same links in their order.
        attributes = {"href": target, "tabindex": "-1"}
        if said := places.get(target.removeprefix("#")):
            element.insert(0, Element("title"))
            element[0].text = said
    elif target:
        attributes["href"] = target.replace("#", f"#{figure}-")
    if "id" in attributes:
        attributes["id"] = f"{figure}-{attributes['id']}"
    element.attrib = {name: value.replace("url(#", f"url(#{figure}-") for name, value in attributes.items() if value}
    element.text, element.tail = (text if text and text.strip() else None for text in (element.text, element.tail))
