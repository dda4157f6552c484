"""Step `compile`: the library that a backend needs, built from its sources."""

from typing import Annotated

from scripts import backends
from scripts.backends.go import compiler
from scripts.common.command_line import command
from scripts.common.errors import UserError


@command
def main(*, backend: Annotated[str, "the backend's file in scripts/backends, without .py"]) -> None:
    """Build the library."""
    needed = backends.load(backend).native
    if needed is None:
        raise UserError(f"backend {backend} needs no library built")
    compiler.built(needed)
