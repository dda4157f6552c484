"""Records of other machines in the same results: side by side with this machine's, never merged or in the way."""

import json
import math
import re
import shutil
from dataclasses import asdict, replace
from itertools import product

import pytest

from scripts.common.cells import Cell
from scripts.report.page import machines
from scripts.report.records.record import Records
from tests.support.page import Strict, shown
from tests.support.report_run import NFS, REAL, Run

pytestmark = pytest.mark.slow

SMALL = {"cutoffs": (1, 10, 100), "operations": ("write", "read-warm", "read-cold")}
CLUSTER = "epyc-64cores-nfs4"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small run of one machine; take `run` to change it."""
    return Run(tmp_path_factory.mktemp("made"), **SMALL).write().summarise().draw("single_image")


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made.directory, tmp_path, dirs_exist_ok=True)
    return replace(made, directory=tmp_path)


def cluster(run: Run, **more) -> Run:
    """Records of another machine in the same results: two nodes on an NFS, on which everything takes thrice as long."""
    more = {"nodes": {"c1": (3.0, 1.0), "c2": (3.0, 1.0)}, "file_system": NFS, "machine": CLUSTER, **SMALL, **more}
    return Run(run.directory, **more).write()


def section(text: str) -> str:
    """The text of the section on other machines."""
    return shown(re.search(r'<section id="machines".*?</section>', text, re.DOTALL)[0])


def without_it(text: str) -> str:
    """The page without the section and the link to it."""
    text = re.sub(r'<section id="machines".*?</section>\n', "", text, flags=re.DOTALL)
    return text.replace('<a href="#machines">Other machines</a>', "")


def medians(text: str, backend: str) -> list[str]:
    """What the first row of a backend says, by machine."""
    row = re.search(
        rf"<th scope=\"row\">{backend}</th>(.*?)</tr>", text[text.index('<section id="machines"') :], re.DOTALL
    )[1]
    return [shown(cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def test_without_other_machines_there_is_no_section(run):
    text = run.page("single_image")
    assert 'id="machines"' not in text
    assert 'href="#machines"' not in text


def test_machines_stand_side_by_side_at_the_largest_cutoff_that_both_have(run):
    alone = run.page("single_image")
    cluster(run, cutoffs=(1, 10, 1000))
    text = run.page("single_image")
    parser = Strict()
    parser.feed(text)
    assert len(parser.ids) == len(set(parser.ids))
    assert "#machines" in parser.targets
    said = section(text)
    assert f"{run.machine} ext4, 1 node {CLUSTER} nfs4, 2 nodes" in said
    for operation in ("Write", "Read, warm", "Read, cold"):
        assert f"{operation}, 10 images" in said
    assert "1,000 images" not in said
    assert ", 1 image" not in said
    here, there = medians(text, "png")
    assert re.match(r"2\.\d\d ms 2\.\d\d to 2\.\d\d ms \d+(\.\d+)? . reference file$", here)
    assert re.match(r"7\.\d\d ms .* reference file$", there)
    assert here.split(" ms ")[-1] == there.split(" ms ")[-1]
    assert without_it(text) == alone


def test_what_differs_besides_the_machine_is_said(run):
    other = cluster(run)
    assert "differs in" not in section(run.page("single_image"))
    for where in ((b, n, o) for b in other.backends for n in other.cutoffs for o in other.operations):
        other.change(where, measuring_digest="other", eviction="drop_caches" if where[2] == "read-cold" else None)
    assert (
        f"{CLUSTER} also differs in: measuring code; way of emptying the page cache, images drawn or size of a batch."
    ) in section(run.page("single_image"))


def test_several_machines_and_cutoffs(run):
    cluster(run, cutoffs=(1, 10))
    cluster(run, machine="laptop", backends=("png",), file_system=run.file_system)
    text = section(run.page("single_image"))
    assert f"{run.machine} ext4, 1 node {CLUSTER} nfs4, 2 nodes laptop ext4, 2 nodes" in text
    assert text.index("Write, 100 images") < text.index("Write, 10 images")
    cluster(run, machine="strange", cutoffs=(7,))
    assert "strange has no cell in common with this machine." in section(run.page("single_image"))


def test_records_of_other_images_or_apart_are_left_out_and_named(run):
    other = cluster(run, nodes={"c1": (3.0, 1.0)})
    images = {**REAL, "digest": "other", "image_shape": [32, 32, 3], "distinct_images": 10, "repeated_images": 0}
    for backend in other.backends:
        other.change((backend, 100, "write"), image_set=images)
    other.change(("hdf5", 100, "read-warm"), measuring_digest="other")
    text = section(run.page("single_image"))
    place = f"records/{CLUSTER}"
    assert f"3 records of {CLUSTER}, made from other images (the first: {place}/hdf5/32x32/100/write.json)." in text
    apart = (
        f"1 record of {CLUSTER}, not measured like the others of that machine ({place}/hdf5/32x32/100/read-warm.json)."
    )
    assert apart in text
    assert "Write, 10 images" in text
    assert "Write, 100 images" not in text
    assert re.search(
        r"Read, warm, 100 images png [^a-z]*ms .* hdf5 561 µs [^a-z]* to [^a-z]* µs .* no value Read, cold", text
    )


def test_a_node_that_differs_on_another_machine_is_not_merged_with_its_others(run):
    cluster(run, nodes={"c1": (1.0, 1.0), "c2": (2.0, 1.0)})
    text = section(run.page("single_image"))
    assert f"13 records of {CLUSTER}, not measured like the others of that machine" in text
    assert f"{CLUSTER} nfs4, 1 node" in text


def test_overlapping_records_are_left_out(run):
    other = cluster(run)
    started = json.loads(other.record_path("png", 1, "write").read_text())["clock"]["started_seconds"]
    other.change_clock(("png", 1, "write"), ended_seconds=started + 14)
    text = section(run.page("single_image"))
    assert f"2 records of {CLUSTER}, timed at the same moment as another one on their node" in text


def test_records_that_cannot_be_read_never_stop_the_page(run):
    alone = run.page("single_image")
    other = cluster(run)
    other.change(("png", 1, "write"), record_version=3)
    other.record_path("png", 10, "write").write_text('{"record_version": 7, "cell"')
    other.record_path("png", 100, "write").write_bytes(b"\xff\xfe\x00")
    other.record_path("lmdb", 1, "write").unlink()
    other.record_path("lmdb", 1, "write").mkdir()
    other.record_path("lmdb", 10, "write").write_text("[]")
    other.change(("hdf5", 1, "write"), cell=asdict(Cell(CLUSTER, "png", "32x32", 1, "write")))
    text = run.page("single_image")
    assert without_it(text) == alone
    assert (
        f"5 records of {CLUSTER}, unreadable or of another version (the first: records/{CLUSTER}/lmdb/32x32/1"
        in section(text)
    )
    assert (
        f"1 record of {CLUSTER}, in the place of another cell (records/{CLUSTER}/hdf5/32x32/1/write.json)"
        in section(text)
    )
    assert "Write, 100 images" in section(text)


def test_records_of_an_odd_shape_are_left_out_alone(run):
    other = cluster(run)
    cells = list(product(other.backends, other.cutoffs, other.operations))
    record = json.loads(other.record_path(*cells[0]).read_text())
    odd = [
        *({"started": moment} for moment in ("yesterday", "2025-03-01T12:00:00", "2025-03-01T12:00:00+01:00")),
        {"latencies": {"probabilities": [0.5], "backend": [1.0], "baseline": []}},
        {"clock": {**record["clock"], "started_seconds": 9.0, "ended_seconds": 8.0}},
        {"overwrite_seconds": math.nan},
        {"settings": {"budget_seconds": 0}},
        {"samples": record["samples"][:3]},
        {"machine": {**record["machine"], "memory_bytes": "24 GiB"}},
        {"machine": {**record["machine"], "node_cores": "many"}},
        {"machine": {**record["machine"], "node": ["c1"]}},
    ]
    for cell, changes in zip(cells[: len(odd)], odd, strict=True):
        other.change(cell, **changes)
    text = section(run.page("single_image"))
    assert f"{len(odd)} records of {CLUSTER}, unreadable or of another version (the first: records/{CLUSTER}/" in text
    assert text.count("Left out") == 1


def test_a_defect_of_the_report_itself_is_not_taken_for_unreadable_records(run, monkeypatch):
    def broken(records: Records) -> None:
        raise KeyError("a defect")

    cluster(run)
    monkeypatch.setattr(machines.order, "overlapping", broken)
    with pytest.raises(KeyError, match="a defect"):
        run.page("single_image")


def test_records_of_other_backends_and_operations_are_not_read(run):
    """What this run doesn't have compares with nothing, so it isn't even said to be left out."""
    alone = run.page("single_image")
    other = cluster(run, backends=("npy",))
    for path in (other.record_path("png", 1, "batch-warm"), other.record_path("npy", 1, "write")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no record")
    assert run.page("single_image") == alone
