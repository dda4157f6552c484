"""Figures by name: their order on the page, titles and captions. This imports the standard library only.

A figure is one file in `figures/`, found by its place. The file holds:

- A docstring. Its first line is the title: the question that the figure answers. The paragraph below is the caption.
- `POSITION`, the figure's place on the page, counted from 1.
- `draw(tables)`, which returns the figure; of several figures alike, it is a `partial` of what draws them.
"""

import ast
from pathlib import Path

FIGURES = Path(__file__).parent.parent / "figures"


def names() -> list[str]:
    """The names of all figures, in their order on the page."""
    return sorted((path.stem for path in FIGURES.glob("*.py")), key=position)


def title(name: str) -> str:
    """The question that a figure answers."""
    return _docstring(name)[0]


def caption(name: str) -> str:
    """What a figure shows and how to read it."""
    return " ".join(_docstring(name)[1].split())


def position(name: str) -> int:
    """A figure's place on the page. Raises ValueError for a figure without one."""
    for node in _tree(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POSITION":
            return int(ast.literal_eval(node.value))
    raise ValueError(f"the figure {name} has no POSITION")


def _docstring(name: str) -> list[str]:
    """The paragraphs of a figure's docstring: title and caption."""
    return (ast.get_docstring(_tree(name)) or "").split("\n\n")


def _tree(name: str) -> ast.Module:
    return ast.parse((FIGURES / f"{name}.py").read_text())
