"""Figures for the page: an SVG file as an element that can stand in HTML beside others."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from markupsafe import Markup

from scripts.common.errors import UserError
from scripts.report.draw.appearance import EMPTY, TITLE_INCHES
from scripts.report.draw.links import PAGE

POINTS_PER_INCH = 72
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
LEFT_OUT = ("font-family", "stroke-dashoffset")
"""The page has fonts of its own, and matplotlib writes no offset of dashes but 0."""
NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
MORE_DIGITS = re.compile(r"(\d\.\d\d)\d+")
"""A hundredth of a point is less than a pixel."""


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
    empty = any(keyword.text == EMPTY for keyword in root.iterfind(f".//{DUBLIN_CORE}subject//{RDF}li"))
    for child in [*root.findall(f"{SVG}metadata"), *root.findall(f"{SVG}title")]:
        root.remove(child)
    for element in root.iter():
        _inline(element, path.stem, places)
    *_, width, height = (float(number) for number in root.attrib["viewBox"].split())
    cut = TITLE_INCHES * POINTS_PER_INCH
    root.attrib = {
        "viewBox": f"0 {cut:g} {width:g} {height - cut:g}",
        "role": "img",
        "aria-labelledby": f"{path.stem}-title {path.stem}-caption",
    }
    return Inlined(path.stem, title, caption, Markup(ElementTree.tostring(root, encoding="unicode")), empty)


def _inline(element: Element, figure: str, places: Mapping[str, str]) -> None:
    """Make an element part of the page: its ids, links and looks. What shows nothing is left out."""
    element.tag = element.tag.removeprefix(SVG)
    target = element.attrib.pop(LINK, "")
    attributes = {name: _smaller(name, value) for name, value in element.attrib.items()}
    if element.tag == "a":
        place = target.removeprefix(f"{PAGE}#")
        # The keyboard skips the mark, for the tables have the same links in their order.
        attributes = {"href": f"#{place}", "tabindex": "-1"}
        if place in places:
            said = Element("title")
            said.text = places[place]
            element.insert(0, said)
    elif target:
        attributes["href"] = target.replace("#", f"#{figure}-")
    if element.tag == "g":
        # No other element refers to a group.
        attributes.pop("id", None)
    for name, value in attributes.items():
        attributes[name] = f"{figure}-{value}" if name == "id" else value.replace("url(#", f"url(#{figure}-")
    element.attrib = {name: value for name, value in attributes.items() if value}
    if not (element.text or "").strip():
        element.text = None
    if not (element.tail or "").strip():
        element.tail = None


def _smaller(name: str, value: str) -> str:
    """The value of an attribute that shows the same in fewer letters; empty where it shows nothing."""
    if name == "style":
        looks = (look.split(": ") for look in value.split("; "))
        return MORE_DIGITS.sub(r"\1", ";".join(f"{name}:{value}" for name, value in looks if name not in LEFT_OUT))
    if name in ("id", "clip-path"):
        return value
    return MORE_DIGITS.sub(r"\1", " ".join(NO_ROTATION.sub("", value).split()))
