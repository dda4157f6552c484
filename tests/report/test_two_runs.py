"""The step that compares two runs: what it names, what it leaves alone, and its exit code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.report.compare import two_runs
from scripts.report.compare.results import Results
from scripts.report.rows import CellName
from scripts.steps import compare
from tests.support.checkout import CHECKOUT
from tests.support.noisy_jobs import MOOD, job, measured_drift, results
from tests.support.report_run import REAL, Run, seconds

BACKENDS, CUTOFFS, OPERATIONS = ("a", "b", "c"), (1, 10, 100, 1000, 10_000, 100_000), range(8)
CELLS = [(backend, cutoff, str(operation)) for backend, cutoff, operation in product(BACKENDS, CUTOFFS, OPERATIONS)]
SMALL = {"cutoffs": (1, 100, 10_000), "operations": ("write", "read-warm", "random-warm")}


def simulated(seed: int, slower: Callable[[CellName], float] = lambda cell: 1.0) -> Results:
    """A run of 144 cells with noise within jobs, between them, and a machine that is slower in one job of ten.

    The same cell takes as long, and is as noisy, in every run.
    """
    cells, chance = np.random.default_rng(1), np.random.default_rng(seed)
    jobs = {}
    for cell in CELLS:
        typical, sigma = 10 ** cells.uniform(-3, 0.4), cells.choice([0.03, 0.04, 0.05])
        state = np.exp(0.02 * chance.standard_normal()) * (chance.uniform(1.1, 2) if chance.random() < 0.1 else 1)
        own = np.exp(0.02 * chance.standard_normal()) * slower(cell)
        jobs[cell] = job(chance, typical, sigma, slower=state * own, baseline_slower=state)
    return results(jobs)


@pytest.mark.slow
def test_two_runs_of_the_same_code_differ_in_nothing():
    """Of 28 comparisons at most one names a slower cell, though 95 % intervals alone would name some in all of them."""
    runs = [simulated(seed) for seed in range(8)]
    found = [two_runs.find(before, after) for before, after in combinations(runs, 2)]
    assert {len(differences.ratios) for differences in found} == {144}
    assert sum(differences.slower > 0 for differences in found) <= 1
    assert all(1.02 < differences.noise < 1.1 for differences in found)


@pytest.mark.parametrize("seed", range(3))
def test_a_backend_that_takes_20_per_cent_longer_is_found(seed):
    found = two_runs.find(simulated(seed), simulated(100 + seed, lambda cell: 1.2 if cell[0] == "b" else 1.0))
    assert found.slower >= 10
    assert sum(backend != "b" for backend, *_ in found.listed) <= 1
    faster = two_runs.find(simulated(100 + seed, lambda cell: 1.2 if cell[0] == "b" else 1.0), simulated(seed))
    assert faster.slower <= 1
    assert len(faster.listed) >= 10


def test_a_single_cell_is_found_where_it_is_much_slower():
    slow = ("b", 100, "3")
    found = two_runs.find(simulated(7), simulated(8, lambda cell: 2.0 if cell == slow else 1.0))
    assert slow in [name for name in found.listed if found.ratios[name].value > 1]


def test_with_one_cutoff_the_operations_of_a_backend_show_the_noise():
    def few(run: Results) -> Results:
        return results({cell: job for cell, job in run.jobs.items() if cell[1] == 100})

    slower = simulated(10, lambda cell: 1.5 if cell[0] == "b" else 1.0)
    found = two_runs.find(few(simulated(9)), few(slower))
    assert found.noise > 1.02
    assert {backend for backend, *_ in found.listed} == {"b"}
    assert two_runs.find(few(simulated(9)), few(simulated(11))).slower == 0


def test_where_no_two_cells_show_the_noise_some_is_assumed():
    """One cell of each backend, and the machine as it was measured: at most one comparison in twenty names any."""
    chance = np.random.default_rng(3)

    def run() -> Results:
        drifts = [measured_drift(chance) for _ in BACKENDS]
        return results(
            {
                (backend, 100, "read-warm"): job(chance, 0.05, 0.03, slower=own, baseline_slower=machine, mood=MOOD)
                for backend, (own, machine) in zip(BACKENDS, drifts, strict=True)
            }
        )

    found = [two_runs.find(run(), run(), factor=1) for _ in range(60)]
    assert not any(each.noise_known for each in found)
    assert sum(bool(each.listed) for each in found) <= 3
    assert "assumed" in two_runs.lines(found[0])[-1]


def noisy(seed: int, slower: dict[str, float], machine: float = 1.0) -> Callable[[str, int, str], float]:
    """Times (s) of a made-up run, with noise of its own: some backends slower, or the whole machine."""
    chance = np.random.default_rng(seed)
    return lambda name, cutoff, operation: (
        machine * slower.get(name, 1.0) * seconds(name, cutoff, operation) * chance.lognormal(0, 0.03)
    )


def made(directory, seed=1, slower=None, machine=1.0, machine_name="machine", **more) -> Run:
    times = noisy(seed, slower or {}, machine)
    return Run(directory, seconds=times, machine=machine_name, **{**SMALL, **more}).write().summarise()


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The directory of a run that others are compared with; not to be changed."""
    return made(tmp_path_factory.mktemp("usual")).directory


def compared(*arguments: object) -> int:
    """Run the step; returns its exit code."""
    try:
        compare.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code
    return 0


def test_the_same_run_twice_differs_in_nothing(usual, capsys):
    assert compared(usual, usual) == 0
    said = capsys.readouterr().out.splitlines()
    assert "No cell surely differs." in said
    assert said[-1].startswith("27 cells compared: 0 slower in B, 0 faster, 27 surely alike, 0 undecided ")
    assert "chance makes about 1 differ" in said[-1]


def test_what_is_slower_is_listed_and_nothing_else(usual, tmp_path, capsys):
    made(tmp_path / "b", 2, {"lmdb": 1.2})
    assert compared(usual, tmp_path / "b") == 3
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.startswith(("png", "lmdb", "hdf5"))]
    assert len(rows) >= 7
    assert {row[0] for row in rows} == {"lmdb"}
    counted = re.search(r"27 cells compared: (\d+) slower in B, 0 faster, (\d+) surely alike, (\d+) undecided", said)
    assert int(counted[1]) == len(rows)
    assert sum(map(int, counted.groups())) <= 27
    assert compared(tmp_path / "b", usual) == 0
    assert f"0 slower in B, {len(rows)} faster" in capsys.readouterr().out


def test_what_is_undecided_is_said_as_such(usual, tmp_path, capsys):
    """In some blocks of B it took much longer: nothing is sure."""
    run = made(tmp_path / "b", 2)
    samples = json.loads(run.record_path("lmdb", 100, "write").read_text())["samples"]
    taken = [sample for sample in samples if sample["subject"] == "backend"]
    for sample in taken[:6]:
        sample["seconds"] *= 1.6
    run.change(("lmdb", 100, "write"), samples=samples)
    other = json.loads(run.record_path("png", 100, "write").read_text())["samples"]
    other[-1]["started_seconds"] += 1000
    run.change(("png", 100, "write"), samples=other)
    run.summarise()
    assert compared(usual, tmp_path / "b") == 0
    said = capsys.readouterr().out
    assert re.search(r"lmdb  100  write  1\.\d+ .\? \(\d\.\d+ to \d\.\d+\)", said)
    asked = re.search("python scripts again lmdb/32x32/100/write --seconds ([0-9]+)$", said, re.MULTILINE)
    assert int(asked[1]) < 1000, "the seconds follow from other cells"
    assert re.search(r" surely alike, [1-9]\d* undecided ", said)


def test_each_ratio_is_the_quotient_of_the_two_times_beside_it(usual, tmp_path, capsys):
    made(tmp_path / "b", 2, {"lmdb": 1.5}, machine=1.3)
    assert compared(usual, tmp_path / "b") == 3
    units = {"s": 1, "ms": 1e-3, "µs": 1e-6}
    rows = re.findall(r"^lmdb .*?  ([\d.]+) (\w+)  +([\d.]+) (\w+)  +([\d.]+) ", capsys.readouterr().out, re.MULTILINE)
    assert rows
    for before, unit_before, after, unit_after, ratio in rows:
        quotient = float(after) * units[unit_after] / (float(before) * units[unit_before])
        assert float(ratio) == pytest.approx(quotient, rel=0.012)


def test_the_factor_says_what_counts(usual, tmp_path):
    made(tmp_path / "b", 2, {"lmdb": 1.2})
    assert compared(usual, tmp_path / "b", "--factor", "1.5") == 0
    with pytest.raises(UserError, match=r"--factor 0\.9 won't do"):
        compared(usual, tmp_path / "b", "--factor", "0.9")


def test_it_says_where_other_code_measured(usual, tmp_path, capsys):
    other = made(tmp_path / "b")
    for cell in product(other.backends, other.cutoffs, other.operations):
        other.change(cell, measuring_digest="other")
    other.summarise()
    compared(usual, tmp_path / "b")
    assert "Other code" in capsys.readouterr().out
    compared(usual, usual)
    assert "Other code" not in capsys.readouterr().out


def test_two_machines_are_compared_by_ratios_to_the_plain_file(usual, tmp_path, capsys):
    made(tmp_path / "b", 2, machine=3.0, machine_name="other")
    assert compared(usual, tmp_path / "b") == 0
    assert "B of other: A and B are in times of the reference file of each" in capsys.readouterr().out
    made(tmp_path / "c", 3, {"hdf5": 1.5}, machine=3.0, machine_name="other")
    assert compared(usual, tmp_path / "c") == 3
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("png", "lmdb", "hdf5"))]
    assert all(row.startswith("hdf5") for row in rows)
    found = two_runs.find(two_runs.load(usual), two_runs.load(tmp_path / "c"))
    assert all(1 < found.ratios[name].low < 1.5 < found.ratios[name].high < 2 for name in found.listed)


def test_disturbed_cells_are_marked(usual, tmp_path, capsys):
    run = made(tmp_path / "b", 2, {"lmdb": 1.5})
    noise = json.loads(run.record_path("lmdb", 100, "write").read_text())["noise"]
    run.change(("lmdb", 100, "write"), noise={**noise, "stolen_seconds": 4.0})
    run.summarise()
    assert compared(usual, tmp_path / "b") == 3
    marked = [line.split()[:3] for line in capsys.readouterr().out.splitlines() if line.endswith("  B")]
    assert marked == [["lmdb", "100", "write"]]


def test_cells_of_one_run_alone_are_counted(tmp_path, capsys):
    made(tmp_path / "a", gaps={("png", 1, "write"): "no room"})
    made(tmp_path / "b", gaps={("hdf5", 1, "write"): "no room", ("hdf5", 100, "write"): "no room"})
    assert compared(tmp_path / "a", tmp_path / "b") == 0
    said = capsys.readouterr().out
    assert "24 cells compared: 0 slower in B, 0 faster, " in said
    assert ", 2 only in A, 1 only in B, " in said


def test_cells_that_read_other_numbers_of_images_are_left_out(usual, tmp_path, capsys):
    run = made(tmp_path / "b")
    samples = json.loads(run.record_path("png", 10_000, "random-warm").read_text())["samples"]
    run.change(("png", 10_000, "random-warm"), samples=[{**sample, "images": 500} for sample in samples])
    run.summarise()
    compared(usual, tmp_path / "b")
    assert "26 cells compared" in (said := capsys.readouterr().out)
    assert "0 only in B, 1 sampled otherwise" in said


def test_other_images_are_refused(usual, tmp_path):
    made(tmp_path / "b", image_set={**REAL, "label": "flowers"})
    with pytest.raises(UserError, match="A is of CIFAR-10, B of flowers; compare runs on the same images"):
        compared(usual, tmp_path / "b")


def test_runs_without_a_common_cell_are_refused(tmp_path):
    made(tmp_path / "a", backends=("png",))
    made(tmp_path / "b", backends=("lmdb",))
    with pytest.raises(UserError, match="no cell in common"):
        compared(tmp_path / "a", tmp_path / "b")


def test_tables_of_another_version_are_refused_in_a_short_line(usual, tmp_path):
    for name in ("summary.csv", "timings.csv"):
        (tmp_path / name).write_bytes((usual / name).read_bytes())
    table = tmp_path / "summary.csv"
    first, *rows = table.read_text().splitlines()
    table.write_text("\n".join([first.replace(",pace,", ",is_best,"), *rows, ""]))
    with pytest.raises(UserError) as found:
        two_runs.load(tmp_path)
    said = str(found.value)
    assert "summary.csv is not a summary table of this version" in said
    assert "without pace" in said
    assert len(said) < len(str(table)) + 200


def test_exit_codes_through_the_door(usual, tmp_path):
    """3 where something is slower, 1 and one line for an error."""

    def run(before: object, after: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, CHECKOUT / "scripts", "compare", before, after]
        return subprocess.run(command, capture_output=True, text=True)

    made(tmp_path / "b", 2, {"lmdb": 1.5})
    assert run(usual, tmp_path / "b").returncode == 3
    (tmp_path / "b/timings.csv").unlink()
    missing = run(usual, tmp_path / "b")
    assert missing.returncode == 1
    assert missing.stderr.splitlines() == [
        f"error in compare: {tmp_path}/b/timings.csv is missing; give the directory of a finished run's tables"
    ]


def test_a_reader_that_goes_away_is_no_defect(usual):
    """As `head` does after its last line."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, CHECKOUT / "scripts", "compare", usual, usual]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
