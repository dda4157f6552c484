"""The verdicts on the article's claims, from planted data."""

import json

import pytest

from scripts.report.compare import claims
from scripts.report.compare.results import Results
from tests.support.planted import OPERATIONS, load, planted, results
from tests.support.report_run import SIZES, Run, images_of

CROSS = {"png": {1: 0.1, 1000: 1.0}, "lmdb": {1: 0.01, 1000: 0.3}, "hdf5": {1: 0.02, 1000: 0.1}}


def verdict(found: Results, part: str) -> claims.Verdict:
    return next(verdict for says, verdict in claims.judge(found).items() if part in says)


@pytest.mark.parametrize(
    ("hdf5", "expected"),
    [({1: 0.02, 1000: 0.1}, "confirmed"), ({1: 0.001, 1000: 0.1}, "refuted"), ({1: 0.01, 1000: 0.1}, "depends")],
)
def test_the_overtaking_claim(tmp_path, hdf5, expected):
    claim = verdict(planted(tmp_path, {**CROSS, "hdf5": hdf5}), "overtakes")
    assert claim.verdict == expected
    assert "at 1,000 images" in claim.evidence


def test_the_overtaking_claim_can_depend_on_the_operation(tmp_path):
    def seconds(name, cutoff, operation):
        return 0.001 if (name, operation) == ("hdf5", "write") else CROSS.get(name, {}).get(cutoff, 1e-3)

    run = Run(tmp_path, tuple(CROSS), (1, 1000), OPERATIONS, seconds=seconds)
    claim = verdict(results(run), "overtakes")
    assert claim.verdict == "depends"
    assert "depends on whether one writes or reads" in claim.evidence


@pytest.mark.parametrize(
    ("lmdb", "expected"),
    [((20480, 4120, 4120), "confirmed"), ((100, 100, 100), "refuted"), ((4000, 100, 9000), "depends")],
)
def test_disk_for_a_single_image(tmp_path, monkeypatch, lmdb, expected):
    monkeypatch.setitem(SIZES, "lmdb", lmdb)
    assert verdict(planted(tmp_path, CROSS), "most disk for a single image").verdict == expected


@pytest.mark.parametrize(
    ("png", "expected"), [((0, 2264, 4097), "depends"), ((0, 500, 500), "confirmed"), ((0, 9000, 9000), "refuted")]
)
def test_disk_of_many_images(tmp_path, monkeypatch, png, expected):
    monkeypatch.setitem(SIZES, "png", png)
    claim = verdict(planted(tmp_path, CROSS), "more disk than PNG")
    assert claim.verdict == expected
    assert ("depends on" in claim.evidence) is (expected == "depends")


def test_the_gap_between_reading_and_writing(tmp_path):
    def seconds(name, cutoff, operation):
        write, read = {"png": (3.0, 1.0), "lmdb": (0.5, 0.1), "hdf5": (0.2, 0.1)}.get(name, (0.1, 0.1))
        return write if operation == "write" else read

    claim = verdict(results(Run(tmp_path, ("png", "lmdb", "hdf5"), (10,), OPERATIONS, seconds=seconds)), "largest gap")
    assert claim.verdict == "depends"
    assert "png 2" in claim.evidence
    assert "seconds or factors" in claim.evidence


@pytest.mark.parametrize(
    ("slowest", "expected", "says"),
    [(1.0, "depends", "about ten times"), (0.3, "depends", "not ten times"), (0.11, "refuted", "hardly")],
)
def test_the_epoch_claim(tmp_path, slowest, expected, says):
    claim = verdict(planted(tmp_path, {"png": {10: slowest}, "hdf5": {10: 0.1}}), "forty minutes")
    assert claim.verdict == expected
    assert says in claim.evidence


@pytest.mark.parametrize(
    ("png", "lmdb", "expected"),
    [((9.0, 1.0), (0.5, 0.1), "confirmed"), ((0.2, 0.1), (5.0, 0.1), "refuted"), ((0.5, 0.1), (0.51, 0.1), "depends")],
)
def test_the_largest_gap_is_not_a_matter_of_noise(tmp_path, png, lmdb, expected):
    times = {"png": png, "lmdb": lmdb, "hdf5": (0.2, 0.1)}

    def seconds(name, cutoff, operation):
        return times.get(name, (0.1, 0.1))[operation != "write"]

    run = Run(tmp_path, ("png", "lmdb", "hdf5"), (10,), OPERATIONS, seconds=seconds)
    claim = verdict(results(run), "largest gap")
    assert claim.verdict == expected
    assert ("leaves it open" in claim.evidence) is (expected == "depends")


def shared(tmp_path, backend: str, speed_ups: dict[str, float]) -> Results:
    """A run in which two processes read so many times as fast as one, by the way they are started."""
    run = Run(tmp_path, (backend,), (100,), ("workers-warm",), samples=30).write()
    samples = json.loads(run.record_path(backend, 100, "workers-warm").read_text())["samples"]
    for sample in samples:
        faster = speed_ups[sample["start_method"]] / 2**0.9
        sample["seconds"] /= faster if sample["processes"] == 2 else 1
    run.change((backend, 100, "workers-warm"), samples=samples)
    return load(run)


@pytest.mark.parametrize(
    ("spawn", "fork", "expected", "says"),
    [
        (1.9, 1.9, "confirmed", "2 processes (spawn) read 1.9"),
        (1.2, 1.1, "refuted", "2 processes (fork) read 1.1"),
        (1.9, 1.1, "depends", "how the processes are started"),
        (1.6, 1.6, "depends", "leaves it open"),
    ],
)
def test_whether_processes_share_an_lmdb(tmp_path, spawn, fork, expected, says):
    claim = verdict(shared(tmp_path, "lmdb", {"spawn": spawn, "fork": fork}), "Ten processes")
    assert claim.verdict == expected
    assert says in claim.evidence
    assert "beside a writer were not measured" in claim.evidence


def test_one_process_alone_shows_nothing_of_sharing(tmp_path):
    run = Run(tmp_path, ("lmdb",), (100,), ("workers-warm",)).write()
    samples = json.loads(run.record_path("lmdb", 100, "workers-warm").read_text())["samples"]
    run.change(("lmdb", 100, "workers-warm"), samples=[sample for sample in samples if sample["processes"] == 1])
    claim = verdict(load(run), "Ten processes")
    assert (claim.verdict, claim.evidence) == ("not measured", "This run has no numbers for it.")


@pytest.mark.parametrize(("spawn", "expected"), [(1.0, "confirmed"), (1.8, "refuted"), (1.2, "depends")])
def test_whether_access_to_hdf5_is_serialised(tmp_path, spawn, expected):
    claim = verdict(shared(tmp_path, "hdf5", {"spawn": spawn}), "serialised")
    assert claim.verdict == expected
    assert "The stores are on ext4." in claim.evidence


def test_a_parallel_file_system_is_no_test_of_that_claim(tmp_path):
    run = Run(tmp_path, ("hdf5",), (100,), ("workers-warm",)).write()
    run.change_manifest("hdf5", 100, file_system={**run.file_system, "type": "lustre"})
    claim = verdict(load(run), "serialised")
    assert (claim.verdict, claim.evidence) == ("not measured", "The stores are on lustre, a parallel file system.")


@pytest.mark.parametrize(
    ("lmdb", "hdf5", "expected"),
    [(3.0, 20.0, "confirmed"), (1.0, 0.5, "depends"), (0.5, 0.5, "refuted"), (1.0, 5.0, "depends")],
)
def test_sequential_and_range_reads(tmp_path, lmdb, hdf5, expected):
    """How many times as long an image takes at random, of 10,000 of which 2,000 are drawn."""
    slower = {"lmdb": lmdb, "hdf5": hdf5}

    def seconds(name, cutoff, operation):
        return 1e-5 * images_of(cutoff, operation) * (slower.get(name, 1) if operation == "random-warm" else 1)

    run = Run(tmp_path, ("lmdb", "hdf5"), (10_000,), ("read-warm", "random-warm"), seconds=seconds)
    claim = verdict(results(run), "Sequential")
    assert claim.verdict == expected
    assert "10,000 images" in claim.evidence


def test_claims_name_the_operations_that_would_measure_them(tmp_path):
    found = planted(tmp_path, CROSS)
    for part, operation in (("Ten processes", "workers-warm"), ("serialised", "workers-warm"), ("Seq", "random-warm")):
        claim = verdict(found, part)
        assert claim.verdict == "not measured"
        assert claim.evidence == f"This run is without {operation}."


def test_small_images_cannot_judge_the_claim_on_large_ones(tmp_path):
    assert verdict(planted(tmp_path, CROSS), "larger images").verdict == "not measured"


def test_what_is_not_measured_says_so_and_why(tmp_path):
    found = claims.judge(planted(tmp_path, {"zarr": {10: 0.1}}))
    assert len(found) == 10
    assert {claim.verdict for claim in found.values()} == {"not measured"}
    assert all(claim.evidence for claim in found.values())
    assert any("without png, lmdb and hdf5" in claim.evidence for claim in found.values())
