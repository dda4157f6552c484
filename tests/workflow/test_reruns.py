"""What is redone after a change: the promised table, read from Snakemake's plan after a real run."""

import json
import os
import re
import shutil
import time
from itertools import product
from pathlib import Path

import pytest

from tests.support.archives import write_small_archive
from tests.support.checkout import FEW_FIGURES
from tests.support.workflow import SMALL, Workflow

BACKENDS, CUTOFFS, OPERATIONS = SMALL["backends"], [str(cutoff) for cutoff in SMALL["cutoffs"]], SMALL["operations"]
FIGURES = {("figure", name) for name in FEW_FIGURES}
PAGE = {("page",)}
SUMMARY = {("summarise",), *FIGURES, *PAGE}


def builds(backends: list[str] = BACKENDS, cutoffs: list[str] = CUTOFFS) -> set[tuple[str, ...]]:
    return {("build", *cell) for cell in product(backends, cutoffs)}


def timings(backends: list[str] = BACKENDS, cutoffs: list[str] = CUTOFFS) -> set[tuple[str, ...]]:
    return {("time_operation", *cell) for cell in product(backends, cutoffs, OPERATIONS)}


IMAGES = {("download",), ("gather",), *SUMMARY}
"""What is planned where the source is another: what depends on its images is planned once they are gathered."""


def test_nothing_changed(finished: Workflow) -> None:
    assert finished.planned() == set()


def test_every_tracked_file_touched(finished: Workflow) -> None:
    for folder, _, names in os.walk(finished.directory):
        if "results" not in Path(folder).parts[len(finished.directory.parts) :] and ".snakemake" not in folder:
            for name in names:
                os.utime(Path(folder, name))
    assert finished.planned() == set()


def make_large(workflow: Workflow) -> None:
    """Give a finished run tables and a record of the size that many samples give, more than a million bytes each."""
    results = workflow.directory / "results"
    for number, path in enumerate(results.glob("records/*/*/*/*/*.json")):
        record = json.loads(path.read_text())
        samples = record["samples"]
        count = 1600 if number == 0 else 400
        more = [samples[place % len(samples)] | {"order": place} for place in range(len(samples), 2 * count)]
        path.write_text(json.dumps(record | {"samples": [*samples, *more]}, indent=1))
    workflow.finish()
    assert (results / "timings.csv").stat().st_size > 1_000_000
    assert max(path.stat().st_size for path in results.glob("records/*/*/*/*/*.json")) > 1_000_000


def touch_in_reverse(results: Path) -> None:
    """Give every result a new time, the earlier in the workflow the later."""
    order = (
        "report.html",
        "figures/*",
        "*.csv",
        "tables.json",
        "records/**/*.json",
        "stores/**/*.json",
        "dataset/*/*/*",
        "dataset/*/*.json",
    )
    now = time.time()
    for seconds, pattern in enumerate(order):
        for path in results.glob(pattern):
            os.utime(path, (now + seconds, now + seconds))


def test_results_as_large_as_a_default_runs_touched(finished: Workflow) -> None:
    make_large(finished)
    assert finished.planned() == set()
    touch_in_reverse(finished.directory / "results")
    assert "Nothing to be done" in finished.finish("--dry-run")


def test_a_damaged_table_is_made_again(finished: Workflow) -> None:
    before = finished.results()
    summary = finished.directory / "results/summary.csv"
    text = summary.read_text()
    summary.write_text(text.replace(",measured,", ",gap,", 1))
    assert finished.planned() == SUMMARY
    assert finished.planned(f"{finished.dataset}/32x32/provenance.json") == set()
    assert "not as the workflow wrote it: results/summary.csv" in finished.finish()
    assert finished.results() == before
    assert finished.planned() == set()


def test_a_fresh_clone_over_the_same_results(finished: Workflow, disk: Path) -> None:
    clone = disk / "clone"
    shutil.copytree(finished.directory, clone, ignore=shutil.ignore_patterns(".snakemake", "results"))
    os.rename(finished.directory / "results", clone / "results")
    assert Workflow(clone).planned() == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_backends_file(finished: Workflow, backend: str) -> None:
    finished.edit(f"scripts/backends/{backend}.py")
    assert finished.planned() == builds([backend]) | timings([backend]) | SUMMARY


def test_one_codecs_file(finished: Workflow) -> None:
    """Each store here keeps raw pixels."""
    finished.edit("scripts/codecs/raw.py")
    assert finished.planned() == builds() | timings() | SUMMARY


def test_a_codec_that_no_store_uses(finished: Workflow) -> None:
    finished.edit("scripts/codecs/pickle.py")
    assert finished.planned() == set()


def test_a_variants_options(finished: Workflow) -> None:
    variants = {"smaller": {"backend": "hdf5", "images_per_chunk": 10}}
    finished.configure(backends=["smaller"], variants=variants, cutoffs=[30])
    made = builds(["smaller"], ["30"]) | timings(["smaller"], ["30"]) | SUMMARY
    assert finished.planned() == made
    finished.finish("results/summary.csv")
    variants["smaller"]["images_per_chunk"] = 20
    finished.configure(variants=variants)
    assert finished.planned() == made


def test_another_version_of_a_library(finished: Workflow) -> None:
    """The version that is installed is read from its metadata, so a changed copy of that is another version."""
    import h5py

    site = Path(h5py.__file__).parent.parent
    metadata = next(site.glob("h5py-*.dist-info"))
    copy = finished.directory / "site" / metadata.name
    shutil.copytree(metadata, copy)
    text = (copy / "METADATA").read_text()
    (copy / "METADATA").write_text(re.sub(r"(?m)^Version: .*", "Version: 99.0", text, count=1))
    planned = finished.planned(variables={"PYTHONPATH": str(copy.parent)})
    assert planned == builds(["hdf5"]) | timings(["hdf5"]) | SUMMARY


def test_a_new_cutoff(finished: Workflow) -> None:
    finished.configure(cutoffs=[1, 5, 30])
    assert finished.planned() == builds(cutoffs=["5"]) | timings(cutoffs=["5"]) | SUMMARY


def test_a_new_backend(finished: Workflow) -> None:
    finished.configure(backends=[*BACKENDS, "png"])
    assert finished.planned() == builds(["png"]) | timings(["png"]) | SUMMARY


def test_the_order_of_backends(finished: Workflow) -> None:
    finished.configure(backends=BACKENDS[::-1])
    assert finished.planned() == SUMMARY


@pytest.mark.parametrize("setting", [{"budget_seconds": 0.06}, {"minimum_samples": 7}, {"threads": 2}])
def test_a_timing_setting(finished: Workflow, setting: dict) -> None:
    finished.configure(**setting)
    assert finished.planned() == timings() | SUMMARY


def test_a_setting_of_some_operations(finished: Workflow) -> None:
    finished.configure(operations=[*OPERATIONS, "batch-warm", "random-cold"], cutoffs=[30], backends=["lmdb"])
    finished.finish("results/summary.csv")
    for setting, depends in (
        ({"batch_size": 10}, {"batch-warm"}),
        ({"random_images": 20}, {"batch-warm", "random-cold"}),
        ({"drop_caches": True}, {"random-cold"}),
    ):
        finished.configure(**setting)
        expected = {("time_operation", "lmdb", "30", operation) for operation in depends}
        assert finished.planned("results/summary.csv") - {("summarise",)} == expected, setting
        finished.configure(**dict.fromkeys(setting))


def test_a_run_says_at_its_start_what_it_will_redo(finished: Workflow) -> None:
    finished.configure(minimum_samples=7, backends=["lmdb"])
    said = finished.finish("results/summary.csv")
    assert re.search(r"4 cells on .*; 0 stores to build and 4 cells to time: about \d+ s ", said)
    finished.edit("scripts/report/write_tables.py")
    assert "nothing to build and nothing to time" in finished.finish("results/summary.csv")


def test_the_measuring_code(finished: Workflow) -> None:
    finished.edit("scripts/measure/operations/base.py")
    assert finished.planned() == timings() | SUMMARY


@pytest.mark.parametrize("figure", FEW_FIGURES)
def test_one_figures_code(finished: Workflow, figure: str) -> None:
    finished.edit(f"scripts/report/figures/{figure}.py")
    assert finished.planned() == {("figure", figure)} | PAGE


def test_the_figures_style(finished: Workflow) -> None:
    finished.edit("scripts/report/draw/style.py")
    assert finished.planned() == FIGURES | PAGE


def test_the_pages_template(finished: Workflow) -> None:
    finished.edit("scripts/report/page/page.html.j2", "\n")
    assert finished.planned() == PAGE


def test_the_image_set(finished: Workflow) -> None:
    write_small_archive(finished.directory / "archive.tar.gz", seed=1)
    assert finished.planned() == IMAGES
    before = {path: path.read_bytes() for path in made(finished)}
    said = finished.finish("results/summary.csv")
    assert re.search(r"8 cells on .*; 4 stores to build and 8 cells to time: about \d+ s ", said)
    assert {path for path in made(finished) if path.read_bytes() == before.get(path)} == set()
    assert len(before) == 4 + 8 + 1


def made(workflow: Workflow) -> list[Path]:
    """What is made of images: manifests, records and the provenance of the image set."""
    results = workflow.directory / "results"
    patterns = ("stores/*/*/*/manifest.json", "records/*/*/*/*/*.json", "dataset/*/*/provenance.json")
    return [path for pattern in patterns for path in results.glob(pattern)]


def test_images_in_another_place(finished: Workflow) -> None:
    os.rename(finished.directory / "archive.tar.gz", finished.directory / "moved.tar.gz")
    finished.configure(images="moved.tar.gz")
    assert finished.planned() == IMAGES


def test_the_way_images_are_read(finished: Workflow) -> None:
    """With the same result nothing that is made of them changes."""
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made(finished)}
    finished.edit("scripts/dataset/gather.py")
    assert ("gather",) in finished.planned()
    finished.finish()
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made(finished)}
    assert {path.name for path in before if after[path] != before[path]} <= {"provenance.json"}
    assert {path: content for path, (content, _) in after.items()} == {
        path: content for path, (content, _) in before.items()
    }
    assert finished.planned() == set()


def test_more_images_than_before(finished: Workflow) -> None:
    finished.configure(cutoffs=[1, 30, 35])
    assert finished.planned() == IMAGES


@pytest.mark.parametrize(
    "asked",
    [
        {"cutoffs": [1]},
        {"images": "$PWD/archive.tar.gz"},
        {"bad_images_limit": 0.5},
        {"largest_store_gb": 3},
        {"largest_store_gb": 50e-6},
    ],
)
def test_the_same_images(finished: Workflow, asked: dict) -> None:
    """Fewer of them, under another name of the place, with limits that they don't reach, and one that they exceed."""
    finished.configure(**asked)
    planned = finished.planned("results/summary.csv", variables={"PWD": str(finished.directory)})
    assert planned <= {("summarise",)}


def test_a_new_image_size(finished: Workflow) -> None:
    finished.configure(image_sizes=["own", 16], cutoffs=[30], backends=["lmdb"])
    cells = {("time_operation", "lmdb", "30", operation) for operation in OPERATIONS}
    assert finished.planned() == {("unpack",), ("build", "lmdb", "30"), *cells, *SUMMARY}
    finished.finish("results/summary.csv")
    made = sorted(path.parts[-3] for path in finished.directory.glob("results/records/*/lmdb/*/30/*.json"))
    assert made == ["16x16"] * 2 + ["32x32"] * 2
    assert finished.planned("results/summary.csv") == set()


def test_prose_and_addresses(finished: Workflow) -> None:
    finished.edit("config.yaml", "\n# A remark.\n")
    (finished.directory / "README.md").write_text("Another README.")
    finished.configure(addresses=["http://127.0.0.1:9/elsewhere"], offline_fallback=False)
    assert finished.planned() == set()


def test_a_redone_step_gives_the_same_bytes(finished: Workflow) -> None:
    before = finished.results()
    finished.finish("--forcerun", "summarise")
    assert finished.results() == before


def test_records_of_another_machine_are_not_this_ones_to_redo(finished: Workflow) -> None:
    """The page shows them, but here they could only be timed on this machine."""
    (name,) = (path.name for path in finished.directory.glob("results/records/*"))
    finished.configure(machine="another", minimum_samples=7)
    output = finished.finish("--dry-run")
    assert "machine=another," in output
    assert f"machine={name}," not in output


def forget(workflow: Workflow) -> None:
    """Take Snakemake's memory, and the tables, so that it has something to do."""
    shutil.rmtree(workflow.directory / ".snakemake/metadata")
    for table in (workflow.directory / "results").glob("*.csv"):
        table.unlink()


def test_records_that_snakemake_has_forgotten_are_known_again(finished: Workflow) -> None:
    forget(finished)
    finished.finish("results/summary.csv")
    finished.configure(minimum_samples=7)
    assert finished.planned("results/summary.csv") == {*timings(), ("summarise",)}


def test_forgotten_records_of_other_settings_are_not_taken_for_this_runs(finished: Workflow) -> None:
    before = {path.parts[-4:]: path.read_bytes() for path in finished.directory.glob("results/records/*/*/*/*/*.json")}
    forget(finished)
    finished.configure(minimum_samples=7)
    done = finished.run("results/summary.csv")
    assert done.returncode != 0
    assert "8 records of other images, code or settings that Snakemake had no memory of" in done.stdout
    assert "Traceback" not in done.stdout
    aside = list(finished.directory.glob("results/outdated/*/*/*/*/*/*.json"))
    assert {path.parts[-4:]: path.read_bytes() for path in aside} == before
    assert finished.planned("results/summary.csv") == {*timings(), ("summarise",)}


def test_stores_that_snakemake_has_forgotten_are_known_again(finished: Workflow) -> None:
    forget(finished)
    finished.finish("results/summary.csv")
    finished.edit("scripts/backends/lmdb.py")
    assert finished.planned("results/summary.csv") == {*builds(["lmdb"]), *timings(["lmdb"]), ("summarise",)}


def test_words(finished: Workflow) -> None:
    """A remark and a docstring that is mended in what every step imports, and in a backend, redo nothing but the page,
    which shows what a backend says of itself."""
    errors = finished.directory / "scripts/common/errors.py"
    errors.write_text("# A remark.\n" + errors.read_text().replace('"""', '"""Mended. ', 1))
    assert finished.planned() == set()
    backend = finished.directory / "scripts/backends/lmdb.py"
    backend.write_text(backend.read_text().replace("Backend lmdb: ", "Backend lmdb: mended; ", 1))
    assert finished.planned() == PAGE


def test_the_notes_on_a_backend(finished: Workflow) -> None:
    finished.edit("scripts/backends/notes/sqlite.yaml", "# Of a store that isn't in this run.\n")
    assert finished.planned() == set()
    finished.edit("scripts/backends/notes/lmdb.yaml", "# A remark.\n")
    assert finished.planned() == PAGE
