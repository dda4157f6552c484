"""The rooms of `scripts/`: which may import from which, and that every file that a module reads is declared."""

import ast
from functools import cache

from scripts.common import digests
from tests.support.checkout import CHECKOUT

SCRIPTS = CHECKOUT / "scripts"
FLOORS = (
    {"steps"},
    {"project"},
    {"plan"},
    {"report"},
    {"measure"},
    {"stores"},
    {"backends"},
    {"codecs"},
    {"dataset"},
    {"system"},
    {"common"},
)
"""From the top to the ground. A room imports from itself and from the floors below it."""
REPORT = (
    {"page", "write_tables"},
    {"figures"},
    {"draw"},
    {"compare"},
    {"make_rows"},
    {"corrections"},
    {"records"},
    {"tables"},
    {"intact", "rows", "wording"},
    {"estimates"},
    {"ties"},
)
"""The same of the rooms and modules of the report: numbers at the ground, then which records count, what follows from
them, how it is drawn, and the page."""
MOST_FILES = 14
"""Python files of one kind in a folder; plug-ins, which are found by their place, may be more."""
PLUG_INS = {"backends", "report/figures", "steps"}


@cache
def imports() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return each module with each that it imports, or imports from: both as names below `scripts`."""
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for file in sorted(SCRIPTS.rglob("*.py")):
        own = file.relative_to(SCRIPTS).with_suffix("").parts
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(own, tuple(name.split(".")[1:])) for name in names if name.startswith("scripts.")]
    return found


def back_up(floors: tuple[set[str], ...], inside: tuple[str, ...] = ()) -> list[str]:
    """The imports from above among the rooms of a folder."""
    floor = {room: number for number, rooms in enumerate(floors) for room in rooms}
    depth = len(inside)
    between = [
        (own, other)
        for own, other in imports()
        if own[:depth] == other[:depth] == inside and len(own) > 1 and own[depth] != other[depth]
    ]
    return [
        f"{'/'.join(own)} imports {'/'.join(other)}"
        for own, other in between
        if floor[other[depth]] <= floor[own[depth]]
    ]


def test_nothing_imports_from_above() -> None:
    assert not back_up(FLOORS)


def test_nothing_in_the_report_imports_from_above() -> None:
    assert not back_up(REPORT, ("report",))


def test_every_part_of_the_report_has_a_floor() -> None:
    parts = {path.stem for path in (SCRIPTS / "report").iterdir() if path.name != "__pycache__"}
    assert parts == set().union(*REPORT)


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in SCRIPTS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set().union(*FLOORS) | {"schemas"}


def test_no_folder_holds_more_than_a_dozen_files_of_a_kind() -> None:
    for folder in [path for path in SCRIPTS.rglob("*") if path.is_dir()]:
        name = str(folder.relative_to(SCRIPTS))
        assert name in PLUG_INS or len(list(folder.glob("*.py"))) <= MOST_FILES, name


def test_every_file_that_is_no_code_is_declared_by_a_module() -> None:
    declared = digests.code_files(SCRIPTS.rglob("*.py"))
    # The page's digest has the notes of the stores that it shows (`plan.rule_digests`); no other digest has any.
    data = [
        path for path in SCRIPTS.rglob("*") if path.suffix in (".css", ".j2", ".yaml") and path.parent.name != "notes"
    ]
    assert data
    assert not [str(path) for path in data if path not in declared]
    assert not [str(path) for path in declared if not path.exists()]
