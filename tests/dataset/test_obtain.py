"""Which archive a run works with: the published one, one that is given, or a synthetic one; and the record of it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common import sealed
from scripts.common.errors import UserError
from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.dataset.obtain import obtain
from tests.support.archives import write_small_archive
from tests.support.checkout import CHECKOUT
from tests.support.server import BRISK, CONTENT, PUBLISHED, is_fetched, names


def get(images: str, place: Path, **options) -> dict:
    """Obtain with the small file in the part of the published archive; returns the record."""
    settings = {"directory": place / "kept", "published": PUBLISHED, "patience": BRISK, **options}
    obtain(images, place / "archive.json", **settings)
    record = sealed.read(place / "archive.json")
    assert record.pop(sealed.SEAL)
    return record


def test_the_record_of_a_downloaded_archive(serve, tmp_path):
    server = serve()
    assert get("cifar10", tmp_path, addresses=[server.address]) == {
        "archive_version": 3,
        "archive": {
            "path": str(tmp_path / "kept/archive.tar.gz"),
            "file_name": "archive.tar.gz",
            "bytes": len(CONTENT),
            "sha256": PUBLISHED.sha256,
            "source": server.address,
        },
        "name": "cifar10",
        "label": "CIFAR-10",
        "synthetic": False,
        "note": None,
    }


def test_without_an_answer_synthetic_images_stand_in_and_say_so(closed_address, tmp_path):
    record = get("cifar10", tmp_path, addresses=[closed_address])
    assert names(tmp_path / "kept") == []
    assert (record["name"], record["label"]) == ("synthetic", SYNTHETIC_LABEL)
    assert record["synthetic"] is True
    assert PUBLISHED.address in record["note"]
    assert str(tmp_path / "kept") in record["note"]
    assert record["archive"] is None


def test_without_an_answer_and_fallback_the_error_names_both_remedies(closed_address, tmp_path):
    with pytest.raises(UserError) as caught:
        get("cifar10", tmp_path, addresses=[closed_address, closed_address], offline_fallback=False)
    message = str(caught.value)
    assert "\n" not in message
    assert f"save {PUBLISHED.address} in {tmp_path / 'kept'}" in message
    assert "`offline_fallback: true` or `images: synthetic`" in message
    assert "Connection refused" in message
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == []


def test_an_archive_that_is_there_is_used_without_the_network(closed_address, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(CONTENT)
    record = get("cifar10", tmp_path, addresses=[closed_address])
    assert (record["label"], record["synthetic"]) == ("CIFAR-10", False)
    assert is_fetched(tmp_path / "kept")


def test_synthetic_images_never_replace_an_archive(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(CONTENT)
    record = get("synthetic", tmp_path)
    assert "images: cifar10" in record["note"]
    assert (tmp_path / "kept/archive.tar.gz").read_bytes() == CONTENT


def run_step(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(CHECKOUT / "scripts"), "download", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_step_records_the_path_of_an_archive_as_given(tmp_path):
    write_small_archive(tmp_path / "mine.tar.gz")
    content = (tmp_path / "mine.tar.gz").read_bytes()
    options = ["--directory", "kept", "--offline-fallback", "--output", "out/archive.json"]
    assert run_step("--images", "mine.tar.gz", *options, cwd=tmp_path).returncode == 0
    record = json.loads((tmp_path / "out/archive.json").read_text())
    assert (record["archive"]["path"], record["label"]) == ("mine.tar.gz", "mine.tar.gz")
    assert (record["archive"]["sha256"], record["synthetic"]) == (hashlib.sha256(content).hexdigest(), False)
    assert not (tmp_path / "kept").exists()

    (tmp_path / "mine.tar.gz").write_bytes(content[: len(content) // 2])
    assert "mine.tar.gz is damaged" in run_step("--images", "mine.tar.gz", *options, cwd=tmp_path).stderr

    failed = run_step("--images", "cifar01", *options, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "'cifar01' is no archive: give the path of one, cifar10 or synthetic" in failed.stderr
