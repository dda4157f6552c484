"""Which source a run works with: the published archive, one that is given, or a generated one; and the record of it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common import sealed
from scripts.common.errors import UserError
from scripts.dataset import obtain as obtaining
from scripts.dataset.download import Published
from scripts.dataset.image_set import PHOTOGRAPHS_LABEL, SYNTHETIC_LABEL
from scripts.dataset.obtain import obtain
from tests.support.archives import members, rows, tar_gz
from tests.support.checkout import CHECKOUT
from tests.support.server import BRISK, names


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small archive in the part of the published one."""
    return tar_gz(tmp_path_factory.mktemp("published") / "archive.tar.gz", members()).read_bytes()


@pytest.fixture
def published(content: bytes) -> Published:
    """Where it is published, and what is known of it."""
    address, digest = "http://published.invalid/archive.tar.gz", hashlib.sha256(content).hexdigest()
    return Published(address, "archive.tar.gz", len(content), digest, content[:2])


def get(images: str, place: Path, **options) -> dict:
    """Obtain a source, with brief pauses; returns the record."""
    obtain(images, place / "source.json", **{"directory": place / "kept", "patience": BRISK, **options})
    record = sealed.read(place / "source.json")
    assert record.pop(sealed.SEAL)
    return record


def test_the_record_of_a_downloaded_archive(serve, tmp_path, content, published):
    server = serve(content=content)
    record = get("cifar10", tmp_path, addresses=[server.address], published=published)
    assert len(record["origin"].pop("identity")) == 64
    assert record == {
        "source_version": 4,
        "name": "cifar10",
        "label": "CIFAR-10",
        "synthetic": False,
        "note": None,
        "kind": "cifar",
        "most": 0,
        "path": str(tmp_path / "kept/archive.tar.gz"),
        "origin": {"kind": "cifar", "address": server.address, "bytes": len(content)},
    }


@pytest.mark.parametrize(
    ("images", "label"), [("synthetic", SYNTHETIC_LABEL), ("synthetic-photographs", PHOTOGRAPHS_LABEL)]
)
def test_the_record_of_a_generated_source(tmp_path, images, label):
    record = get(images, tmp_path)
    assert (record["name"], record["label"], record["kind"]) == (images, label, images)
    assert (record["synthetic"], record["path"], record["origin"]) == (True, None, None)
    assert "set `images:" in record["note"]
    assert names(tmp_path) == ["source.json"]


def test_without_an_answer_synthetic_images_stand_in_and_say_so(closed_address, tmp_path, published):
    record = get("cifar10", tmp_path, addresses=[closed_address], published=published)
    assert names(tmp_path / "kept") == []
    assert (record["name"], record["kind"], record["label"]) == ("synthetic", "synthetic", SYNTHETIC_LABEL)
    assert record["synthetic"] is True
    assert published.address in record["note"]
    assert str(tmp_path / "kept") in record["note"]
    assert record["origin"] is None


def test_without_an_answer_and_fallback_the_error_names_both_remedies(closed_address, tmp_path, published):
    with pytest.raises(UserError) as caught:
        get("cifar10", tmp_path, addresses=[closed_address] * 2, offline_fallback=False, published=published)
    message = str(caught.value)
    assert "\n" not in message
    assert f"save {published.address} in {tmp_path / 'kept'}" in message
    assert "`offline_fallback: true` or `images: synthetic`" in message
    assert "Connection refused" in message
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == []


def test_an_archive_that_is_there_is_used_without_the_network(closed_address, tmp_path, content, published):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(content)
    record = get("cifar10", tmp_path, addresses=[closed_address], published=published)
    assert (record["label"], record["synthetic"]) == ("CIFAR-10", False)
    assert record["origin"]["address"] == published.address
    assert names(tmp_path / "kept") == ["archive.tar.gz"]


def test_synthetic_images_never_replace_an_archive(tmp_path, content, published):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(content)
    get("synthetic", tmp_path, published=published)
    assert (tmp_path / "kept/archive.tar.gz").read_bytes() == content


def test_a_source_that_changed_or_went_is_refused(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members())
    record = get(str(path), tmp_path)
    with obtaining.opened(record) as source:
        assert source.count == 7
    tar_gz(path, members(data_batch_3=rows(1)))
    with pytest.raises(UserError, match=r"a\.tar\.gz has changed since the run began: run the workflow again"):
        obtaining.opened(record).__enter__()
    path.unlink()
    with pytest.raises(UserError, match=r"a\.tar\.gz is gone: put it back"):
        obtaining.opened(record).__enter__()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", None])
def test_a_damaged_record_of_a_source_is_refused(content, tmp_path):
    record = tmp_path / "source.json"
    record.mkdir() if content is None else record.write_bytes(content)
    with pytest.raises(UserError, match=rf"{record} .*: delete it and run the workflow again") as caught:
        obtaining.read(record)
    assert "\n" not in str(caught.value)


def test_an_edited_or_missing_record_of_a_source_is_refused(tmp_path):
    get("synthetic", tmp_path)
    record = tmp_path / "source.json"
    record.write_text(record.read_text().replace('"label": "s', '"label": "S'))
    with pytest.raises(UserError, match=r"source\.json has changed since it was written: delete it"):
        obtaining.read(record)
    record.unlink()
    with pytest.raises(UserError, match=r"source\.json is missing: run the workflow again"):
        obtaining.read(record)


def run_step(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(CHECKOUT / "scripts"), "download", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_step_records_where_a_path_lies(tmp_path):
    tar_gz(tmp_path / "mine.tar.gz", members())
    options = ["--directory", "kept", "--offline-fallback", "--most", "5", "--output", "out/source.json"]
    assert run_step("--images", "mine.tar.gz", *options, cwd=tmp_path).returncode == 0
    record = json.loads((tmp_path / "out/source.json").read_text())
    assert (record["path"], record["label"]) == (str(tmp_path / "mine.tar.gz"), "mine.tar.gz")
    assert (record["most"], record["origin"]["address"], record["synthetic"]) == (5, None, False)
    assert not (tmp_path / "kept").exists()

    failed = run_step("--images", "cifar01", *options, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "images: cifar01 is not there; looked for: " in failed.stderr
