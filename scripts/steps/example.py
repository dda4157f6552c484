"""Step `example`: copy what `figure`, `page` and `compare` need of a finished run, as docs/example has it.

No rule of the workflow runs it. Figures and page are made from the copy as they are made from the results.
"""

from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.project import example
from scripts.report import wording


@command
def main(
    results: Annotated[Path, "directory with the page of a run: results, or results/quick"],
    *,
    output: Annotated[Path, "where the example goes"] = Path("docs/example"),
) -> None:
    """Copy, and print the size of the example."""
    files = example.copy(results, output)
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {wording.size(size)}, in {output}")
