"""Figures by name, with title and caption from each module's docstring; imports the standard library only."""

import ast
from pathlib import Path

FIGURES = Path(__file__).parent.parent / "figures"


def names() -> list[str]:
    """The names of all figures, as the page shows them: by their POSITION."""
    found = [path.stem for path in FIGURES.glob("*.py")]
    return sorted(found, key=lambda name: (_position(name), name))


def title(name: str) -> str:
    """The question that a figure answers: the first line of its docstring."""
    return _docstring(name).partition("\n")[0]


def caption(name: str) -> str:
    """What the figure shows and how to read it: the second paragraph of its docstring."""
    return " ".join(_docstring(name).split("\n\n")[1].split())


def _docstring(name: str) -> str:
    return ast.get_docstring(_tree(name)) or ""


def _position(name: str) -> int:
    for node in _tree(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POSITION":
            return ast.literal_eval(node.value)
    raise ValueError(f"the figure {name} has no POSITION")


def _tree(name: str) -> ast.Module:
    return ast.parse((FIGURES / f"{name}.py").read_text())
