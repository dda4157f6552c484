"""What is damaged between two runs: the next run names it, and doing what its line says makes all good again."""

import re
import shutil
from pathlib import Path

import pytest

from scripts.plan.read import read_plan
from scripts.plan.session import closing
from scripts.report.records.reading import read
from scripts.report.records.record import Record
from tests.support.workflow import Workflow

SUMMARY = "results/summary.csv"
MOST_RUNS = 5


def follow_the_advice(workflow: Workflow, *arguments: str) -> list[str]:
    """Run and do what each error says, until a run succeeds; return what was to be deleted."""
    deleted = []
    for _ in range(MOST_RUNS):
        done = workflow.run(SUMMARY, *arguments)
        assert "Traceback" not in done.stdout
        errors = {line for line in done.stdout.splitlines() if line.startswith("error")}
        if done.returncode == 0:
            assert not errors
            return deleted
        (error,) = errors
        deleted.append(re.search(r"; delete (\S+) and run again$", error)[1])
        place = workflow.directory / deleted[-1]
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    raise AssertionError(f"no end after {deleted}")


def records(workflow: Workflow) -> list[Record]:
    return [read(path) for path in (workflow.directory / "results/records").rglob("*.json")]


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_image_set_is_named_and_no_store_is_blamed(finished: Workflow) -> None:
    results = finished.directory / "results"
    images = finished.directory / finished.dataset / "32x32/images.npy"
    whole = images.read_bytes()
    before = {path: path.read_bytes() for path in results.glob("stores/lmdb/32x32/1/*") if path.is_file()}
    flip_a_bit(images)
    shutil.rmtree(results / "records")
    (results / "summary.csv").unlink()
    deleted = follow_the_advice(finished, "--config", "backends=[lmdb]", "operations=[write]")
    assert deleted == [finished.dataset]
    assert images.read_bytes() == whole
    assert {path: path.read_bytes() for path in before} == before
    assert [record.status for record in records(finished)] == ["measured"] * 2


def test_damaged_stores_manifests_and_records_are_named_and_made_again(finished: Workflow) -> None:
    results = finished.directory / "results"
    [record] = results.glob("records/*/hdf5/32x32/30/write.json")
    record.write_text(re.sub(r'"seconds": [^,]*', '"seconds": 1e400', record.read_text(), count=1))
    (results / "stores/hdf5/32x32/1/manifest.json").write_text("[]")
    flip_a_bit(results / "stores/lmdb/32x32/30/data/data.mdb")
    for path in [*results.glob("records/*/lmdb/32x32/30/*.json"), results / "summary.csv"]:
        path.unlink()
    expected = [
        "results/stores/hdf5/32x32/1",
        "results/stores/lmdb/32x32/30",
        str(record.relative_to(finished.directory)),
    ]
    assert follow_the_advice(finished) == expected
    assert [record.status for record in records(finished)] == ["measured"] * 8
    assert finished.planned(SUMMARY) == set()


def test_a_damaged_record_that_snakemake_has_forgotten_is_timed_again(finished: Workflow) -> None:
    [record] = (finished.directory / "results").glob("records/*/lmdb/32x32/1/write.json")
    record.write_text("[]")
    shutil.rmtree(finished.directory / ".snakemake/metadata")
    done = finished.run()
    assert done.returncode != 0
    assert "1 record of other images, code or settings" in done.stdout
    assert finished.planned(SUMMARY) == {("time_operation", "lmdb", "1", "write"), ("summarise",)}


@pytest.mark.parametrize("content", ["[]", "{}", "\0"])
def test_the_closing_line_does_without_what_was_gathered_where_that_is_damaged(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = read_plan({}, with_conda=False, on_cluster=False)
    (tmp_path / plan.dataset).mkdir(parents=True)
    (tmp_path / plan.dataset / "gathered.json").write_text(content)
    assert closing(plan).startswith("Done; the page ")
