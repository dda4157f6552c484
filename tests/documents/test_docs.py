"""What is published in the repository leads somewhere: no dead link in a document, page or figure of it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.checkout import CHECKOUT

PUBLISHED = sorted(
    path
    for place in (CHECKOUT, CHECKOUT / "docs", CHECKOUT / "results")
    for path in (place.rglob("*") if place.name == "docs" else place.glob("*"))
    if path.suffix in (".md", ".html", ".svg") and (place.name != "results" or path.name == "README.md")
)
TARGETS = re.compile(r"""\]\(([^)\s]+)\)|\b(?:xlink:)?(?:href|src)=["']([^"']+)["']""")


def targets(text: str) -> list[str]:
    """The files that a document links to: no addresses, no places within the document itself."""
    found = (markdown or attribute for markdown, attribute in TARGETS.findall(text))
    split = (urlsplit(target) for target in found)
    return sorted({unquote(target.path) for target in split if target.path and not target.scheme})


@pytest.mark.parametrize("document", PUBLISHED, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_link_is_dead(document: Path) -> None:
    dead = [target for target in targets(document.read_text()) if not (document.parent / target).exists()]
    assert not dead, f"{len(dead)} dead links, such as {dead[:3]}"


def test_links_of_every_way_of_writing_are_looked_at() -> None:
    text = '[a](b/c.md#d) <a href=\'e.json\'> <a xlink:href="../f.html#g"> <img src="h.svg"> [i](https://j/k) [l](#m)'
    assert targets(text) == ["../f.html", "b/c.md", "e.json", "h.svg"]
