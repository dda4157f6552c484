"""What is done before, at the start of and at the end of one run of Snakemake, beside its jobs.

Snakemake calls no handler when it finds nothing to do, and it ends in a traceback when the disk has no room for its own
files. The end of the interpreter comes all the same.
"""

import atexit
import glob
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.common import digests, full_disk
from scripts.common.atomic import abandoned
from scripts.common.errors import UserError
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.plan import again
from scripts.plan.plan import Plan
from scripts.plan.snakemake_internals import SnakemakeRun
from scripts.plan.start import start
from scripts.report import intact
from scripts.system.disk import scratch


class Session:
    """What is done beside the jobs of one run of Snakemake; in jobs on nodes it's nothing."""

    def __init__(self, plan: Plan, run: SnakemakeRun) -> None:
        self._plan, self._run = plan, run
        self._has_jobs = self._goes_on = False
        if not run.is_job_on_node:
            atexit.register(self._at_exit)

    def records_for_tables(self, wildcards: Any) -> list[str]:
        """Return the records of all cells, as the input of the tables. Damaged tables are made once more.

        Snakemake only looks whether its outputs are there. It asks for this input as it plans the tables, so this is
        the moment to look whether they are as they were written.
        """
        damaged = [] if self._run.is_job_on_node else intact.damaged(Path(self._plan.results))
        if damaged:
            names = ", ".join(map(str, damaged))
            print(f"not as the workflow wrote it: {names}; the tables are made once more", file=sys.stderr)
            self._run.force("summarise")
        return self._plan.records()

    def start(self) -> None:
        """Look at what is going to be done, right before the first job, as `scripts.plan.start` does."""
        self._has_jobs = True
        start(self._plan, self._run)
        self._goes_on = True

    def success(self) -> None:
        """Say where the page is, and remove what is left."""
        self._goes_on = False
        if any(job.rule.name == "page" for job in self._run.jobs()):
            again.remember(self._plan)
        print(closing(self._plan))
        self.remove_left_overs()

    def _at_exit(self) -> None:
        if not self._run.works:
            return
        writes = Path(self._plan.writes)
        if not self._has_jobs and (scratch.is_left(writes) or any(abandoned(made_in(self._plan)))):
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
    if plan.config["images"] == "synthetic":
        return place
    try:
        images = read_provenance(Path(plan.dataset, PROVENANCE))
    except UserError:  # the steps that read it have said what is wrong
        return place
    return f"{place}\nIt was measured with {images['label']}: {images['note']}" if images["synthetic"] else place


def made_in(plan: Plan) -> list[str]:
    """Return the directories in which files and stores appear, as patterns of paths."""
    of_results = [plan.results, f"{plan.results}/figures", f"{plan.results}/records/*/*/*/*", "results/libraries"]
    of_images = map(glob.escape, dict.fromkeys((plan.dataset, plan.downloads)))
    return [*of_results, *of_images, f"{glob.escape(plan.stores)}/*/*"]
