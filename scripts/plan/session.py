"""What is done before, at the start of and at the end of one run of Snakemake, beside its jobs.

Some work waits for the end of the interpreter, which comes in every case: Snakemake calls no handler when it finds
nothing to do, and it ends in a traceback when the disk has no room for its own files.
"""

import atexit
import glob
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

from scripts.backends.go import library
from scripts.common import digests, full_disk
from scripts.common.atomic import abandoned
from scripts.common.cells import shape_of
from scripts.common.errors import UserError
from scripts.common.progress import duration
from scripts.dataset import gathered, obtain
from scripts.dataset.image_set import PROVENANCE
from scripts.measure import memory
from scripts.measure.operations import catalogue
from scripts.plan import forecast, images, measure_again
from scripts.plan.checks import cluster, existing, permission, room
from scripts.plan.checks.existing import BUILD, TIMING
from scripts.plan.plan import Plan
from scripts.plan.snakemake_internals import SnakemakeRun
from scripts.report import intact
from scripts.system import lock
from scripts.system.disk import file_system, scratch

SECONDS_BESIDE = 15
"""Seconds that a run takes for everything but stores and timings."""


class Session:
    """What is done beside the jobs of one run of Snakemake; in jobs on nodes it's nothing."""

    def __init__(self, plan: Plan, run: SnakemakeRun) -> None:
        self._plan, self._run = plan, run
        self._has_jobs = self._goes_on = False
        self._fault: str | None = None
        self._has_said: list[str] = []
        if not run.is_job_on_node:
            atexit.register(self._at_exit)

    def records_for_tables(self, checkpoints: Any) -> list[str]:
        """Return the records of all cells, as the input of the tables, and have damaged tables made once more.

        Snakemake only looks whether tables are there. It asks for this input as it plans them, and no later. Where the
        images must be gathered first, it asks again afterwards.
        """
        self._wait_for_images(checkpoints)
        damaged = [] if self._run.is_job_on_node else intact.damaged(Path(self._plan.results))
        if damaged:
            names = ", ".join(map(str, damaged))
            print(f"not as the workflow wrote it: {names}; the tables are made once more", file=sys.stderr)
            self._run.force("summarise")
        return self._plan.records()

    def manifests_for_tables(self, checkpoints: Any) -> list[str]:
        """Return the manifests of all stores, as the input of the tables."""
        self._wait_for_images(checkpoints)
        return self._plan.manifests()

    def provenances(self, checkpoints: Any) -> list[str]:
        """Return the provenance of the image set of each size, as the input of the page."""
        self._wait_for_images(checkpoints)
        return [f"{self._plan.dataset}/{size}/{PROVENANCE}" for size in self._plan.image_sizes]

    def _wait_for_images(self, checkpoints: Any) -> None:
        """Let Snakemake plan no further where the images must be gathered first; it calls again afterwards."""
        if self._plan.config["images"] in images.REPEATED:
            return
        if self._plan.known is None:
            # Snakemake makes no missing output of a checkpoint where the results of another source are all there.
            self._run.force("gather")
        checkpoints.gather.get()
        try:
            _ = self._plan.sets
            if self._goes_on:
                existing.check_what_may_only_be_read(self._plan)
        except UserError as error:
            self._end(error)

    def _end(self, error: UserError) -> NoReturn:
        """End the process while Snakemake plans further, which doesn't print what ends it."""
        self._fault = f"error: {error}"
        sys.exit(1)

    def start(self) -> None:
        """Look at what Snakemake is about to do and say it; end the process with one line when that can't go well.

        It's called right before the first job. What follows the gathering of images is looked at once these are known.
        """
        self._has_jobs = True
        if self._run.only_touches:
            return
        self._run.lift_job_rate_limit()
        self._run.when_planned_further(self._look_again)
        try:
            self._look()
        except UserError as error:
            sys.exit(f"error: {error}")
        self._goes_on = True

    def _look_again(self) -> None:
        if self._plan.config["images"] in images.REPEATED:
            return
        try:
            self._look()
        except UserError as error:
            self._end(error)

    def _look(self) -> None:
        """Check the jobs that will run, and say what they do. Raises UserError where that can't go well."""
        plan, run = self._plan, self._run
        jobs = run.jobs_to_run()
        to_make = {os.path.normpath(path) for job in jobs for path in job.output}
        used = {os.path.normpath(path) for job in jobs for path in job.input} - to_make
        lock.check()
        cluster.refuse_beside_others()
        if not run.is_on_one_machine:
            cluster.check(run, [job for job in jobs if job.rule.name == TIMING], jobs)
        existing.check(plan, used)
        permission.check(plan, to_make)
        room.check(plan, to_make)
        existing.take_forgotten(plan, run, set(jobs))
        if not run.is_on_one_machine:
            # Nodes may lack the tools that build what jobs of a cluster need built.
            names = {job.wildcards.backend for job in jobs if job.rule.name in (BUILD, TIMING)}
            if any(plan.choices[name].backend.go_modules for name in names):
                library.built()
            plan.hand_to_jobs()
            existing.clear_outdated(plan, run, jobs)
        gathers = os.path.normpath(f"{plan.dataset}/{gathered.GATHERED}") in to_make
        knows_images = plan.config["images"] in images.REPEATED or not gathers
        # What was said before the images were known needn't be said again.
        for line in _said(plan, to_make, is_on_one_machine=run.is_on_one_machine):
            if line not in self._has_said:
                self._has_said.append(line)
                print(line, file=sys.stderr)
        print(_opening(plan, to_make) if knows_images else _without_images(plan), file=sys.stderr)

    def success(self) -> None:
        """Say where the page is, and remove what is left."""
        self._goes_on = False
        if any(job.rule.name == "page" for job in self._run.jobs()):
            measure_again.remember(self._plan)
        print(closing(self._plan))
        self.remove_left_overs()

    def _at_exit(self) -> None:
        if not self._run.works:
            return
        if self._fault:
            print(self._fault, file=sys.stderr)
        writes = Path(self._plan.writes)
        if not self._has_jobs and (scratch.left(writes) or any(abandoned(made_in(self._plan)))):
            self.remove_left_overs()
        if self._goes_on and (full := full_disk.lacking(Path.cwd())):
            print(f"error: {full_disk.line(full)}", file=sys.stderr)

    def remove_left_overs(self) -> None:
        """Remove what timing jobs wrote and what killed jobs left."""
        # Snakemake's `shell` would fill in what is in braces. The step itself says what fails.
        step = [sys.executable, str(digests.CHECKOUT / digests.PACKAGE), "discard", "--stores", self._plan.writes]
        subprocess.run([*step, "--among", *made_in(self._plan)], check=False)


def closing(plan: Plan) -> str:
    """Return where the result of a finished run is and, where the images aren't the ones asked for, which they are."""
    page = os.path.abspath(f"{plan.results}/report.html")
    place = f"The page is {page}" if os.path.exists(page) else f"Done; the page {page} was not asked for"
    if plan.config["images"] in obtain.GENERATED:
        return place
    try:
        facts = gathered.read(Path(plan.dataset))
    except UserError:  # the steps that read it have said what is wrong
        return place
    return f"{place}\nIt was measured with {facts['label']}: {facts['note']}" if facts["synthetic"] else place


def made_in(plan: Plan) -> list[str]:
    """Return the directories in which files and stores appear, as patterns of paths."""
    of_results = [plan.results, f"{plan.results}/figures", f"{plan.results}/records/*/*/*/*", "results/libraries"]
    of_images = [*map(glob.escape, dict.fromkeys((plan.dataset, plan.downloads))), f"{glob.escape(plan.dataset)}/*"]
    return [*of_results, *of_images, f"{glob.escape(plan.stores)}/*/*"]


def _said(plan: Plan, to_make: Collection[str], *, is_on_one_machine: bool) -> Iterator[str]:
    """Lines on what this run leaves out, and what will be gaps."""
    for reason in dict.fromkeys(plan.missing.values()):
        names = [name for name, why in plan.missing.items() if why == reason]
        yield f"left out: {', '.join(names)}: {reason}"
    for what, reason in plan.left_out.items():
        yield f"left out: {what}: {reason}"
    cells = plan.cells_of(to_make)
    cold = [cell for cell in cells if catalogue.entry(cell.operation).state == catalogue.COLD]
    if cold and not plan.config["scratch_dir"] and (why := file_system.never_cold(Path(plan.stores))):
        count = f"{len(cold)} cold cell{'' if len(cold) == 1 else 's'}"
        yield f"{count} will be shown as gaps ({why}); to measure them, set store_dir to a directory on a disk"
    # Each cell looks again when it's its turn.
    sets = {(cell.cutoff, cell.image_size) for cell in cells}
    for cutoff, size in sorted(sets) if is_on_one_machine else ():
        if shortage := memory.shortage(cutoff, shape_of(size)):
            yield f"to time {cutoff:,} images of {size} {shortage}: those cells will be gaps"


def _without_images(plan: Plan) -> str:
    """What this run will do with images of which nothing is known yet, in a line."""
    return (
        f"{len(plan.choices)} backends ({', '.join(plan.choices)}) x {len(plan.operations)} operations on "
        f"{plan.machine}; how many images there are, and how large they are, is looked at first"
    )


def _opening(plan: Plan, to_make: Collection[str]) -> str:
    """What this run will do, in a line."""
    stores, cells = plan.stores_of(to_make), plan.cells_of(to_make)
    size = (
        f"{len(plan.cells())} cells on {plan.machine}: {len(plan.choices)} backends x {_sets(plan)} "
        f"x {len(plan.operations)} operations"
    )
    if not cells and not stores:
        return f"{size}; nothing to build and nothing to time"
    seconds = (
        sum(forecast.seconds_to_build(each.cutoff, each.image_size, plan.file_bytes(each)) for each in stores)
        + sum(
            forecast.seconds_to_time(each.cutoff, each.image_size, plan.budget_seconds, plan.file_bytes(each))
            for each in cells
        )
        + SECONDS_BESIDE
    )
    download = (
        " and the time of the download"
        if f"{plan.dataset}/source.json" in to_make and not images.is_path(plan.config["images"])
        else ""
    )
    return (
        f"{size}; {len(stores)} stores to build and {len(cells)} cells to time: about {duration(seconds)} "
        f"on an idle machine with two cores{download}, up to {room.size(room.total(plan, to_make).bytes)} on the disk"
    )


def _sets(plan: Plan) -> str:
    """How many numbers of images there are, at how many image sizes, in words."""
    sizes, cutoffs = plan.image_sizes, plan.cutoffs
    if len(sizes) == 1:
        return f"{len(cutoffs)} cutoffs"
    return f"{len(plan.sets)} cutoffs at {len(sizes)} image sizes"
