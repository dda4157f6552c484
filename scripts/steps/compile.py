"""Step `compile`: the Go library that some backends need, built from its sources."""

from scripts.backends.go import library
from scripts.common.command_line import command


@command
def main() -> None:
    """Build the library."""
    library.built()
