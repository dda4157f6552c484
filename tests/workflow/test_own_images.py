"""A run of a user's own folder of photographs, from the files to the page, and again."""

import csv
from pathlib import Path

import pytest

from scripts.common import sealed
from tests.support.drawn_files import drawn, name_of
from tests.support.workflow import Workflow

COUNT = 12
EACH = "files-original", "lmdb", "lmdb-original"


@pytest.fixture
def photographs(workflow: Workflow) -> Path:
    """A folder of twelve drawn photographs of two sizes, and a bad one, that the workflow measures."""
    folder = workflow.directory / "photographs"
    for number in range(COUNT):
        path = folder / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn(number, *((300, 240) if number % 3 else (250, 330))))
    (folder / "odd/cut.jpg").write_bytes(drawn(0)[:200])
    workflow.configure(images="photographs", backends=["files-original", "lmdb"], cutoffs=[1, COUNT], quick=True)
    workflow.configure(operations=["read-warm"], download_dir="results/dataset")
    return folder


def test_a_folder_is_measured_as_it_is_packed_and_decoded_and_then_there_is_nothing_to_do(
    workflow: Workflow, photographs: Path
) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photographs.rglob("*.jpg")}
    said = workflow.finish()
    assert "how many images there are, and how large they are, is looked at first" in said
    assert "3 backends x 2 cutoffs x 1 operations; 6 stores to build and 6 cells to time" in said
    results = workflow.directory / "results"
    (gathered,) = results.glob("dataset/photographs-*/gathered.json")
    facts = sealed.read(gathered)
    assert (facts["images"], facts["own_size"], facts["label_names"]) == (COUNT, None, ["even", "odd"])
    assert [bad["name"] for bad in facts["bad_images"]["first"]] == ["odd/cut.jpg"]
    with open(results / "quick/summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"measured"}
    assert {row["backend"] for row in rows} == set(EACH)
    assert {row["image_size"] for row in rows} == {"224x224"}
    assert {int(row["cutoff_images"]) for row in rows} == {1, COUNT}
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photographs.rglob("*.jpg")} == before
    assert (results / "quick/report.html").is_file()
    # Whoever gets the results isn't told where the folder lies.
    assert facts["root"] == "photographs"
    published = [
        *results.glob("quick/*.*"),
        *results.glob("quick/records/**/*.json"),
        *results.glob("stores/**/*.json"),
    ]
    assert len(published) > 6 + 6
    assert not [path for path in published if str(photographs).encode() in path.read_bytes()]
    assert "Nothing to be done" in workflow.finish()

    (workflow.directory / "elsewhere").mkdir()
    moved = photographs.rename(workflow.directory / "elsewhere/photographs")
    assert {("download",), ("gather",)} <= workflow.planned("--config", "images=elsewhere/photographs")
    moved.rename(photographs)
    assert workflow.planned() == set()
    (photographs / "even/12.jpg").write_bytes(drawn(12, 300, 300))
    assert {("download",), ("gather",)} < workflow.planned()


def test_what_is_no_image_stops_the_run_with_its_name(workflow: Workflow, photographs: Path) -> None:
    for path in photographs.glob("even/*"):
        path.write_bytes(b"")
    done = workflow.run()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith("error")]
    assert "6 of 12 images of" in line  # the first ones of the order
    assert "are bad, more than bad_images_limit (1%) allows" in line
    assert "even/2.jpg (empty)" in line
    assert not list(workflow.directory.glob("results/stores/*"))


def test_more_images_than_there_are_is_one_line(workflow: Workflow, photographs: Path) -> None:
    workflow.configure(cutoffs=[50])
    done = workflow.run()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "error: nothing is left to measure: 50 images: the source has 12, and its images aren't repeated; give other "
        "cutoffs or image_sizes"
    )
