"""Copies of the checkout for the yardsticks that run the whole workflow."""

import shutil
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PARTS = ("Snakefile", "config.yaml", "scripts", "envs", "profiles", "requirements")
FIGURES = Path("scripts/report/figures")


def copied(directory: Path, config: dict[str, object], figures: tuple[str, ...] | None = None) -> Path:
    """Copy what a run needs into the new `directory`, change the config, and leave out all but some figures."""
    directory.mkdir(parents=True)
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(CHECKOUT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / part, directory / part)
    libraries = CHECKOUT / "results/libraries"
    if libraries.is_dir():
        shutil.copytree(libraries, directory / "results/libraries")
    for figure in (directory / FIGURES).glob("*.py") if figures is not None else ():
        if figure.stem not in figures and not figure.stem.startswith("_"):
            figure.unlink()
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | config))
    return directory
