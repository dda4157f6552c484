"""Damaged tables: a step that reads one says so, and the digests beside the tables tell which it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.report import intact
from scripts.steps import compare
from tests.support.report_run import Run


def emptied(text: str) -> str:
    return ""


def cut(text: str) -> str:
    return text[: len(text) // 2]


def without_its_last_row(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 1]


def without_a_column(text: str) -> str:
    return "".join(f"{line.split(',', 1)[1]}\n" for line in text.splitlines())


def with_another_number(text: str) -> str:
    return text[:-2] + ("1" if text[-2] != "1" else "2") + "\n"


DAMAGES = [emptied, cut, without_its_last_row, without_a_column, with_another_number]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("made")
    run = Run(directory, backends=("png", "hdf5"), cutoffs=(1, 10), operations=("write", "read-warm", "batch-warm"))
    return run.write().summarise().draw("latency")


@pytest.mark.parametrize("damage", [emptied, cut, with_another_number])
def test_damaged_conditions_are_not_read(made: Run, damage: Callable[[str], str]) -> None:
    path = made.directory / "conditions.json"
    whole = path.read_text()
    path.write_text(damage(whole))
    try:
        assert intact.damaged(made.directory) == [path]
        with pytest.raises(
            UserError, match=r"conditions\.json isn't as the workflow wrote it.*; run the workflow again"
        ):
            made.page("latency")
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"conditions_version": 1}', '{"conditions_version": 0}'])
def test_conditions_of_another_version_are_refused(made: Run, content: str) -> None:
    path, index = made.directory / "conditions.json", made.directory / intact.INDEX
    whole, digests = path.read_text(), index.read_text()
    index.unlink()
    path.write_text(content)
    try:
        with pytest.raises(
            UserError, match=r"conditions\.json isn't what this version writes .*; run the workflow again"
        ):
            made.page("latency")
    finally:
        path.write_text(whole)
        index.write_text(digests)


@pytest.mark.parametrize("table", ["summary", "timings", "latencies", "disk_usage", "selection"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_table_is_read_by_nobody(made: Run, table: str, damage: Callable[[str], str]) -> None:
    path = made.directory / f"{table}.csv"
    whole = path.read_text()
    assert intact.damaged(made.directory) == []
    path.write_text(damage(whole))
    try:
        assert intact.damaged(made.directory) == [path]
        with pytest.raises(UserError, match=rf"{table}\.csv isn't as the workflow wrote it.*; run the workflow again"):
            made.page("latency")
        if table not in ("timings", "selection"):
            with pytest.raises(UserError, match=rf"{table}\.csv isn't as the workflow wrote it"):
                made.draw("latency")
        if table in ("summary", "timings"):
            with pytest.raises(UserError, match=rf"{table}\.csv isn't as the workflow wrote it"):
                compare.main([str(made.directory), str(made.directory)])
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sha256": 1}', b"\xff", b'{"sha256": {"summary.csv": "0"}}'])
def test_damaged_digests_are_no_proof(made: Run, content: bytes) -> None:
    index = made.directory / intact.INDEX
    whole = index.read_bytes()
    index.write_bytes(content)
    try:
        assert intact.damaged(made.directory)
        with pytest.raises(UserError, match=r"summary\.csv isn't as the workflow wrote it"):
            made.draw("latency")
    finally:
        index.write_bytes(whole)


def test_tables_without_digests_are_read_as_they_are(made: Run, tmp_path: Path) -> None:
    for table in ("summary", "timings"):
        (tmp_path / f"{table}.csv").write_bytes((made.directory / f"{table}.csv").read_bytes())
    assert intact.damaged(tmp_path) == []
    compare.main([str(tmp_path), str(made.directory)])
