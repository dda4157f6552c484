"""Digests of code: exactly the files that a step or a backend depends on, and the versions of the libraries they use.

Rules carry them as parameters, since Snakemake doesn't see edits in imported modules. A digest covers code, not words:
of a Python file the syntax tree without docstrings and comments, of any other file all bytes. A module names the files
that it reads, or imports by name, in `DATA_FILES`: by paths from its own folder, in which `*` stands for any name.

The module keeps what it has parsed in the file `KEPT`. Otherwise each plan would parse all code again.
"""

import ast
import hashlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from scripts.common import atomic

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "scripts"
DECLARATION = "DATA_FILES"
"""The constant in which a module names the files that it reads."""
KEPT = Path(importlib.util.cache_from_source(__file__)).with_suffix(".json")
"""The file that keeps what was read of each file: {"module": `OWN_SHA256`, "files": {path: fields of a `_File`}}."""
OWN_SHA256 = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
"""The SHA-256 of this module as it was loaded. What another version of the module has kept is parsed again."""


class _File(NamedTuple):
    """What a file's content says: the SHA-256 of the content, and the digest of the code in it.

    For a Python file also the docstring, what it imports of this project (dotted names), the files that it reads, and
    the libraries that it imports (their top-level names).
    """

    sha256: str
    digest: str
    docstring: str = ""
    imports: Sequence[str] = ()
    data_files: Sequence[str] = ()
    libraries: Sequence[str] = ()


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
            pending += _needs(file)
    _readings().keep()
    return sorted(found)


def docstrings(files: Iterable[Path]) -> dict[str, str]:
    """Return the docstring of each Python file among these, by its name, for a step that shows it at run time."""
    return {str(file.relative_to(CHECKOUT)): _read(file).docstring for file in sorted(files) if file.suffix == ".py"}


def library_versions(files: Iterable[Path]) -> dict[str, str]:
    """Return the version of every library that the files import, by distribution, or `not installed`."""
    modules = {module for file in files for module in _read(file).libraries}
    return dict(sorted(_distribution(module) for module in modules))


class _Readings:
    """What files say, by their paths from the checkout, kept for the next process."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._all_kept = True
        # If the file is missing or damaged, all code is parsed again.
        with suppress(Exception):
            content = json.loads(KEPT.read_bytes())
            if content["module"] == OWN_SHA256:
                self._files = {name: _File(*fields) for name, fields in content["files"].items()}

    def read(self, file: Path) -> _File:
        """Read a file, and parse it where that wasn't done before."""
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        name = os.path.relpath(file, CHECKOUT)
        found = self._files.get(name)
        if found is None or found.sha256 != sha256:
            found = self._files[name] = _parsed(content, sha256) if file.suffix == ".py" else _File(sha256, sha256)
            self._all_kept = False
        return found

    def keep(self) -> None:
        """Write what is known of all files that are still there, if something is new."""
        if self._all_kept or sys.dont_write_bytecode:
            return
        self._all_kept = True
        files = {name: read for name, read in self._files.items() if (CHECKOUT / name).exists()}
        # If the file can't be written, the next process parses again. Two jobs that write at a time may hinder each
        # other.
        with suppress(OSError):
            atomic.write_json(KEPT, {"module": OWN_SHA256, "files": files})


_readings = cache(_Readings)


@cache
def _read(file: Path) -> _File:
    return _readings().read(file)


def _parsed(content: bytes, sha256: str) -> _File:
    tree = ast.parse(content)
    docstring, data_files = ast.get_docstring(tree) or "", list(_data_files(tree))
    imports, libraries = _imports(tree)
    digest = hashlib.sha256(_code(tree)).hexdigest()  # comes last, as it takes the words from the tree
    return _File(sha256, digest, docstring, imports, data_files, libraries)


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


def _imports(tree: ast.Module) -> tuple[list[str], list[str]]:
    """Return what a module imports, anywhere in it, sorted: names in this project, and top-level names of libraries."""
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    local = {name for name in names if name.startswith(f"{PACKAGE}.")}
    libraries = {name.partition(".")[0] for name in names} - {PACKAGE} - sys.stdlib_module_names
    return sorted(local), sorted(libraries)


def _data_files(tree: ast.Module) -> Iterator[str]:
    """Yield what a module names in `DATA_FILES`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == DECLARATION:
            yield from ast.literal_eval(node.value)


@cache
def _needs(file: Path) -> list[Path]:
    """Return the files of this project that a file imports or reads."""
    read = _read(file)
    files = [module for name in read.imports for module in _module_files(name)]
    for name in read.data_files:
        found = file.parent.glob(name) if "*" in name else [file.parent / name]
        files += [Path(os.path.normpath(place)) for place in found]
    return files


@cache
def _module_files(name: str) -> list[Path]:
    """Return the files that importing a name of this project runs: packages on the way, and the module itself."""
    files = []
    place = CHECKOUT
    for part in name.split("."):
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
