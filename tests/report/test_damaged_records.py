"""Records and manifests that aren't what jobs write: one line that names the file and a remedy, and no table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.common.errors import UserError
from tests.support.report_run import Run

CELL = ("png", 10, "read-warm")
BYTES = {
    "empty": b"",
    "cut": b'{"record_version": 7, "cell": {',
    "list": b"[]",
    "null": b"null",
    "no keys": b"{}",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "zeros": bytes(100),
    "nested": b"[" * 100_000,
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, ("png", "lmdb"), (1, 10), ("write", "read-warm")).write()


def refusal(run: Run, path: Path, said: str = "") -> str:
    with pytest.raises(UserError) as caught:
        run.summarise()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert said in message
    assert not list(run.directory.glob("*.csv"))
    return message


def damage(path: Path, content: bytes | None) -> None:
    """Write these bytes in the place of a file; None makes it a directory."""
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [*BYTES.values(), None], ids=[*BYTES, "directory"])
def test_a_file_that_is_no_record_is_refused(run: Run, content: bytes | None) -> None:
    path = run.record_path(*CELL)
    damage(path, content)
    assert refusal(run, path).endswith(f"; delete {path} and run again")


def in_samples(name: str, value: object) -> Callable[[dict], dict]:
    return lambda record: {"samples": [{**record["samples"][0], name: value}, *record["samples"][1:]]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: {"samples": []}, "samples"),
        (lambda record: {"status": "gap"}, "gap_reason"),
        (lambda record: {"status": "gap", "gap_reason": ""}, "gap_reason"),
        (lambda record: {"gap_reason": "none"}, "gap_reason"),
        (in_samples("seconds", -1.0), "samples/0/seconds"),
        (in_samples("seconds", 0), "samples/0/seconds"),
        (in_samples("open_seconds", -1.0), "open_seconds"),
        (in_samples("device_read_bytes", -1), "device_read_bytes"),
        (in_samples("seconds", "1 s"), "seconds"),
        (lambda record: {"store": record["store"] | {"digest": "ef56" * 16}}, "is of another store"),
        (lambda record: {"store": record["store"] | {"key": "fedcba9876543210"}}, "is of another store"),
        (lambda record: {"cell": record["cell"] | {"backend": "lmdb"}}, "is the record of another cell"),
    ],
)
def test_a_record_that_no_job_writes_is_refused(run: Run, change: Callable[[dict], dict], said: str) -> None:
    path = run.record_path(*CELL)
    run.change(CELL, **change(json.loads(path.read_text())))
    assert "run again" in refusal(run, path, said)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "1" * 400])
def test_numbers_that_nobody_can_compute_with_are_refused(run: Run, number: str) -> None:
    path = run.record_path(*CELL)
    seconds = json.loads(path.read_text())["samples"][0]["seconds"]
    path.write_text(path.read_text().replace(f'"seconds": {seconds}', f'"seconds": {number}'))
    assert "is no number" in refusal(run, path)


@pytest.mark.parametrize("content", [*BYTES.values(), None], ids=[*BYTES, "directory"])
def test_a_file_that_is_no_manifest_is_refused(run: Run, content: bytes | None) -> None:
    path = run.manifest_path("png", 10)
    damage(path, content)
    assert refusal(run, path).endswith(f"; delete {path.parent} and run again")


def test_a_manifest_that_was_edited_is_refused(run: Run) -> None:
    path = run.manifest_path("png", 10)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "allocated_bytes": content["allocated_bytes"] // 2}))
    refusal(run, path, "has changed since it was written")


@pytest.mark.parametrize("other", [("lmdb", 10), ("png", 1)])
def test_the_manifest_of_another_store_is_refused(run: Run, other: tuple[str, int]) -> None:
    path = run.manifest_path("png", 10)
    path.write_bytes(run.manifest_path(*other).read_bytes())
    refusal(run, path.parent, f"is that of {other[0]} with {other[1]} images")


def test_stores_of_the_same_images_hold_the_same(run: Run) -> None:
    other: dict[str, Any] = {"key": "0123456789abcdef", "digest": "ef56" * 16, "copied": False}
    path = run.change_manifest("lmdb", 10, digest=other["digest"])
    for operation in run.operations:
        run.change(("lmdb", 10, operation), store=other)
    refusal(run, path.parent, f"{run.manifest_path('png', 10).parent} and {path.parent} hold different images")
