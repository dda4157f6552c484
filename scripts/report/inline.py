"""Figures for the page: an SVG file as an element that can stand in HTML beside others."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from scripts.errors import UserError
from scripts.report.appearance import TITLE_INCHES

POINTS_PER_INCH = 72
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


@dataclass(frozen=True)
class Inlined:
    """A figure in the page: its name, title and caption (from the file's own metadata), and the element."""

    name: str
    title: str
    caption: str
    svg: str


def read(path: Path) -> Inlined:
    """Read an SVG that `scripts.report.style.save` wrote; UserError where it's another file.

    Ids get the figure's name in front, as several figures share a page; fonts are the page's. The band at the top that
    holds the title is cut off, for the page has its own headings.
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
    element = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{path.stem}-", element)
    width, height = (float(value) for value in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', element).groups())
    cut = TITLE_INCHES * POINTS_PER_INCH
    described = f"{path.stem}-title {path.stem}-caption"
    box = f"0 {cut:g} {width:g} {height - cut:g}"
    opening = f'<svg viewBox="{box}" role="img" aria-labelledby="{described}">'
    return Inlined(path.stem, title, caption, opening + element[element.index(">") + 1 :].rstrip())


def _smaller(svg: str) -> str:
    """The same drawing in fewer letters: no metadata, fonts, ids of groups; a style once for all markers of a line."""
    svg = re.sub(r"\s*<(title|metadata)>.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r" font-family: [^;\"]*;| transform=\"rotate\(-?0 [^)]*\)\"", "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg).replace("xlink:href", "href")
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", svg)
    svg = re.sub(r'<g clip-path="[^"]*">\s*(?:<use [^>]*>\s*)+', _style_once, svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _style_once(group: re.Match) -> str:
    """Move the style that all markers of a group share to the group itself."""
    styles = set(re.findall(r' style="[^"]*"', group[0]))
    if len(styles) != 1:
        return group[0]
    style = styles.pop()
    return group[0].replace(style, "").replace(">", f"{style}>", 1)
