"""Copies of the checkout, for tests and yardsticks that run the whole workflow or edit its code."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
PARTS = ("Snakefile", "config.yaml", "scripts", "envs", "profiles", "requirements")
FIGURES = Path("scripts/report/figures")
FEW_FIGURES = ("read_time_log", "latency")
"""The figures in a small copy: each figure is a job of its own, of two seconds."""


def copied(directory: Path, config: dict[str, object], figures: Sequence[str] | None = None) -> Path:
    """Copy what a run needs into the new `directory`, change keys of the config, and keep only `figures`, or all."""
    directory.mkdir(parents=True)
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            # With what is compiled, which knows its source by the time of it: compiling takes each copy a second.
            shutil.copytree(CHECKOUT / part, directory / part)
        else:
            shutil.copy(CHECKOUT / part, directory / part)
    for figure in (directory / FIGURES).glob("*.py") if figures is not None else ():
        if figure.stem not in figures:
            figure.unlink()
    configure(directory, config)
    return directory


def configure(directory: Path, changes: dict[str, object]) -> None:
    """Change keys of the config.yaml in `directory`; the value None removes a key."""
    path = directory / "config.yaml"
    config = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({key: value for key, value in config.items() if value is not None}))
