"""The published example: made by one command, and complete for figures, the page and comparing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.report_run import Run

FIGURE = "latency"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, CHECKOUT / "scripts", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("run"), backends=("png", "hdf5"), cutoffs=(1, 10), operations=("read-warm",))
    made.write().summarise().draw(FIGURE).page(FIGURE)
    return made


def test_an_example_gives_the_same_figure_page_and_comparison(finished: Run, tmp_path: Path) -> None:
    example = tmp_path / "example"
    (example / "figures").mkdir(parents=True)
    (example / "README.md").write_text("About the run.\n")
    config = {"images": "/home/me/images.tar.gz", "quick": False}
    (finished.directory / "run.json").write_text(
        json.dumps({"config": config, "dataset": f"{finished.directory}/dataset"})
    )
    (example / "figures/gone.svg").write_text("of an earlier run")
    done = run("example", finished.directory, "--output", example)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f", in {example}\n")
    assert (example / "README.md").read_text() == "About the run.\n"
    assert [path.name for path in (example / "figures").iterdir()] == [f"{FIGURE}.svg"]
    assert not (example / "report.html").exists()
    assert not (example / "run.json").exists()
    drawn = tmp_path / "drawn.svg"
    tables = ("--tables", example)
    assert run("figure", FIGURE, *tables, "--svg", drawn, "--png", tmp_path / "drawn.png").returncode == 0
    assert drawn.read_bytes() == (finished.directory / f"figures/{FIGURE}.svg").read_bytes()
    compared = run("compare", finished.directory, example)
    assert compared.returncode == 0, compared.stderr
    page = tmp_path / "report.html"
    done = run(
        *(
            "page",
            *tables,
            "--provenance",
            example / "32x32/provenance.json",
            "--figures",
            example / f"figures/{FIGURE}.svg",
        ),
        *("--records", example / "records" / finished.machine, "--settings", "{}", "--output", page),
    )
    assert done.returncode == 0, done.stderr
    assert page.read_text().startswith("<!")


def test_what_is_no_finished_run_is_one_line_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "example").mkdir()
    (tmp_path / "example/summary.csv").write_text("earlier")
    done = run("example", tmp_path, "--output", tmp_path / "example")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error in example: {tmp_path} has no tables.json, so it holds no finished run; run the")
    assert (tmp_path / "example/summary.csv").read_text() == "earlier"


def test_tables_that_were_changed_are_no_example(tmp_path: Path) -> None:
    made = Run(tmp_path / "run", backends=("png",), cutoffs=(1,), operations=("read-warm",)).write().summarise()
    with (made.directory / "summary.csv").open("a") as file:
        file.write("\n")
    done = run("example", made.directory, "--output", tmp_path / "example")
    assert done.returncode == 1
    assert "summary.csv isn't as the workflow wrote it" in done.stderr
    assert not (tmp_path / "example").exists()
