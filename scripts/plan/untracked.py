"""Parameters of rules that Snakemake doesn't compare between runs.

When a parameter has another value than in the last run, Snakemake runs the rule's jobs again. Some parameters only say
where something is or how it is shown. A change of these must redo nothing, so they are functions that ask for `output`
(or `input`, `threads`, `resources`): Snakemake takes what such a function returns for derived, and leaves it out of the
comparison.

`tests/workflow/test_reruns.py` shows which changes redo what.
"""

import os
import shlex
import sys
from collections.abc import Callable
from typing import Any

from scripts.common import digests
from scripts.plan.plan import Plan


def untracked(value: Any) -> Callable[[Any, Any], Any]:
    """Return a value as a parameter that Snakemake doesn't compare between runs."""
    return lambda wildcards, output: value


def step(plan: Plan) -> Callable[[Any, Any], str]:
    """Return the start of every step's command, for a shell: the interpreter that runs Snakemake, or that of the rule's
    conda environment, and the package of steps."""
    python = "python" if plan.with_conda else sys.executable
    return untracked(shlex.join([python, os.path.relpath(digests.CHECKOUT / digests.PACKAGE)]))
