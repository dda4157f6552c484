"""An example of a finished run, for the repository: what `figure`, `page` and `compare` read of its results."""

import json
import shutil
from pathlib import Path

from scripts.common.atomic import neighbour
from scripts.common.errors import UserError, shown
from scripts.dataset.image_set import PROVENANCE
from scripts.plan.measure_again import RUN
from scripts.report import intact

FIGURES = "figures"


def copy(results: Path, output: Path) -> list[Path]:
    """Copy the tables, their digests, the provenance of the images and the figures of a finished run into `output`.

    `results` is the directory with the run's page. Files of an earlier example are replaced and other files in `output`
    stay, such as a README. Returns the files that were written. Raises UserError where `results` holds no finished run,
    or tables that aren't as the run wrote them; `output` is unchanged then.
    """
    sources = {output / path.name: path for path in _tables(results)}
    sources |= {output / path.parent.name / PROVENANCE: path for path in _provenances(results)}
    sources |= {output / FIGURES / path.name: path for path in sorted((results / FIGURES).glob("*.svg"))}
    for earlier in (
        path for pattern in ("*.csv", "*.json", f"*/{PROVENANCE}", f"{FIGURES}/*.svg") for path in output.glob(pattern)
    ):
        if earlier not in sources:
            earlier.unlink()
    for target, source in sources.items():
        with neighbour(target) as name:
            shutil.copyfile(source, name)
            name.replace(target)
    return list(sources)


def _tables(results: Path) -> list[Path]:
    """The tables of a run, and what else lies beside them for the page."""
    if not (results / intact.INDEX).is_file():
        raise UserError(
            f"{shown(results)} has no {intact.INDEX}, so it holds no finished run; run the workflow first, or give "
            "the directory with its page"
        )
    if damaged := intact.damaged(results):
        raise UserError(f"{damaged[0]} isn't as the workflow wrote it; run the workflow again")
    found = [path for kind in ("csv", "json") for path in results.glob(f"[!.]*.{kind}")]
    # It holds the config with its paths, and only `again` reads it.
    return sorted(path for path in found if path.name != RUN)


def _provenances(results: Path) -> list[Path]:
    """The provenance of the image set of each size; paths in `run.json` are from where Snakemake ran."""
    try:
        run = json.loads((results / RUN).read_text(encoding="utf-8"))
        ran = results.resolve().parents[1 if run["config"]["quick"] else 0]
        found = sorted((ran / run["dataset"]).glob(f"*/{PROVENANCE}"))
    except (OSError, ValueError, KeyError, TypeError):
        found = []
    if not found:
        raise UserError(f"{results} doesn't say where its images are ({RUN}); run the workflow again")
    return found
