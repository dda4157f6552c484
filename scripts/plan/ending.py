"""The end of a run: what timings and killed jobs have left is removed, and a full disk is said in the last line.

Snakemake asks nobody where it finds nothing to do, and it ends in a traceback where its own files have no room on the
disk. The end of the interpreter comes all the same.
"""

import atexit
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.common import full_disk
from scripts.common.atomic import abandoned
from scripts.plan import again
from scripts.plan.plan import Plan
from scripts.plan.start import start
from scripts.system.disk import scratch


class Ending:
    """Does what is to be done at the end of one run of Snakemake's, `workflow`; in jobs on nodes it does nothing."""

    def __init__(self, plan: Plan, workflow: Any) -> None:
        self._plan, self._workflow = plan, workflow
        self._has_jobs = self._goes_on = False
        if not workflow.remote_exec:
            atexit.register(self._at_the_very_end)

    def start(self) -> None:
        """Look at what is going to be done, right before the first job, as `scripts.plan.start` does."""
        self._has_jobs = True
        start(self._plan, self._workflow)
        self._goes_on = True

    def success(self) -> None:
        """Say where the page is, and remove what is left."""
        self._goes_on = False
        if any(job.rule.name == "page" for job in self._workflow.dag.jobs):
            again.remember(self._plan)
        print(self._plan.closing())
        self._remove()

    def failure(self) -> None:
        """Remove what is left."""
        self._remove()

    def _remove(self) -> None:
        # Not by Snakemake's `shell`, which fills in what is in braces; what fails here has been said by the step.
        subprocess.run(self._plan.discard_command(), check=False)

    def _at_the_very_end(self) -> None:
        # Where a run is only planned, unlocked or the like, there is no scheduler, or it only shows what it would do.
        workflow = self._workflow
        if getattr(workflow, "scheduler", None) is None or workflow.dryrun or workflow.touch:
            return
        if not self._has_jobs and _has_left_overs(self._plan):
            self._remove()
        if self._goes_on and (full := full_disk.lacking(Path.cwd())):
            print(f"error: {full_disk.line(full)}", file=sys.stderr)


def _has_left_overs(plan: Plan) -> bool:
    return scratch.is_left(Path(plan.writes)) or next(abandoned(plan.made_in()), None) is not None
