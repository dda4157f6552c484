"""Digests of code: exactly the files that a step or a backend depends on, and the versions of the libraries they use.

Rules carry them as parameters, since Snakemake doesn't see edits in imported modules. A digest covers code, not words:
of a Python file the syntax tree without docstrings and comments, of any other file all bytes. A module names the files
that it reads, or imports by name, in `DATA_FILES`: by paths from its own folder, in which `*` stands for any name.
"""

import ast
import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "scripts"
DECLARATION = "DATA_FILES"
"""The constant in which a module names the files that it reads."""


class _File(NamedTuple):
    """What a file's content says: its digest, and for a Python file the files of this project that it imports or reads,
    and the libraries that it imports (their top-level names)."""

    digest: str
    needs: tuple[Path, ...] = ()
    libraries: tuple[str, ...] = ()


def code_digest(files: Iterable[Path]) -> str:
    """Return the digest of files, of all they import from this project, and of the versions of libraries and Python."""
    closure = code_files(files)
    return digest(
        {
            "files": {str(file.relative_to(CHECKOUT)): _read(file).digest for file in closure},
            "versions": library_versions(closure),
            "python": platform.python_version_tuple()[:2],
        }
    )


def digest(value: object) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def step_file(step: str) -> Path:
    """Return the file of a step by its name."""
    return CHECKOUT / PACKAGE / "steps" / f"{step}.py"


def code_files(files: Iterable[Path]) -> list[Path]:
    """Return the files and everything they import from this project, directly or not, with the data files of each,
    sorted."""
    found: set[Path] = set()
    pending = list(files)
    while pending:
        file = pending.pop()
        if file not in found:
            found.add(file)
            pending += _read(file).needs
    return sorted(found)


def docstrings(files: Iterable[Path]) -> dict[str, str]:
    """Return the docstring of each Python file among these, by its name, for a step that shows it at run time."""
    return {
        str(file.relative_to(CHECKOUT)): ast.get_docstring(ast.parse(file.read_bytes())) or ""
        for file in sorted(files)
        if file.suffix == ".py"
    }


def library_versions(files: Iterable[Path]) -> dict[str, str]:
    """Return the version of every library that the files import, by distribution, or `not installed`."""
    modules = {module for file in files for module in _read(file).libraries}
    return dict(sorted(_distribution(module) for module in modules))


@cache
def _read(file: Path) -> _File:
    """Read a file, and parse it once."""
    content = file.read_bytes()
    if file.suffix != ".py":
        return _File(hashlib.sha256(content).hexdigest())
    tree = ast.parse(content)
    files, libraries = _imports(tree)
    needs = tuple(sorted(files)) + tuple(_data_files(tree, file.parent))
    return _File(hashlib.sha256(_code(tree)).hexdigest(), needs, tuple(sorted(libraries)))


def _code(tree: ast.Module) -> bytes:
    """The code of a module without docstrings, notes under constants and comments. Takes them from the tree."""
    for node in [tree, *_statements(tree)]:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_prose(statement)]
    return ast.dump(tree).encode()


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node, at any depth; expressions, most of a tree, hold none."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def _is_prose(statement: ast.stmt) -> bool:
    """Say whether a statement is nothing but a string."""
    match statement:
        case ast.Expr(ast.Constant(str())):
            return True
    return False


def _imports(tree: ast.Module) -> tuple[set[Path], set[str]]:
    """Return what a module imports, anywhere in it: files of this project, and top-level names of libraries."""
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    local: set[Path] = set()
    libraries: set[str] = set()
    for name in names:
        first, *rest = name.split(".")
        if first == PACKAGE:
            local.update(_module_files(rest))
        elif first not in sys.stdlib_module_names:
            libraries.add(first)
    return local, libraries


def _data_files(tree: ast.Module, folder: Path) -> list[Path]:
    """Return the files that a module in a folder names in `DATA_FILES`, absolute."""
    files: list[Path] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == DECLARATION:
            for name in ast.literal_eval(node.value):
                files += folder.glob(name) if "*" in name else [folder / name]
    return [path.resolve() for path in files]


def _module_files(parts: list[str]) -> list[Path]:
    """Return the files that importing `scripts.<parts>` runs: packages on the way, and the module itself."""
    files = []
    place = CHECKOUT / PACKAGE
    for part in parts:
        place = place / part
        files += [file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()]
    return files


@cache
def _distribution(module: str) -> tuple[str, str]:
    """Return the distribution that provides a module, and its version."""
    try:
        return module, metadata.version(module)
    except metadata.PackageNotFoundError:
        pass
    # Nearly all distributions list their files so; `packages_distributions` knows all, and takes ten times as long.
    for distribution in metadata.distributions():
        if f"\n{module}/__init__.py," in f"\n{distribution.read_text('RECORD')}":
            return distribution.name, distribution.version
    for name in metadata.packages_distributions().get(module, []):
        return name, metadata.version(name)
    return module, "not installed"
