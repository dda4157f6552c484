"""Libraries that only some sources need."""

import importlib.util
import sys
from pathlib import Path

from scripts.common.errors import UserError, shown


def need_pyarrow(path: Path | str) -> None:
    """Raise UserError with the command that installs pyarrow where it's missing, for a Parquet file."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            f"{shown(path)} needs the Python package pyarrow, which is not installed; run `{sys.executable} -m pip "
            "install --require-hashes -r requirements/all.txt`"
        )
