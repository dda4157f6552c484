"""An example of a finished run, for the repository: what `figure`, `page` and `compare` read of its results."""

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
    sources[output / PROVENANCE] = _provenance(results)
    sources |= {output / FIGURES / path.name: path for path in sorted((results / FIGURES).glob("*.svg"))}
    for earlier in (path for pattern in ("*.csv", "*.json", f"{FIGURES}/*.svg") for path in output.glob(pattern)):
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


def _provenance(results: Path) -> Path:
    """The provenance of the images; the results of a quick run lie one level further down."""
    for directory in (results, results.parent):
        if (path := directory / "dataset" / PROVENANCE).is_file():
            return path
    raise UserError(f"{results / 'dataset' / PROVENANCE} is missing; run the workflow again without download_dir")
