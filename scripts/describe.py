"""Step `describe`: every backend and codec, as docs/backends.md says it, from their code; no rule of the workflow."""

import argparse
import sys

from scripts.report import stores_markdown


def main(arguments: list[str]) -> None:
    """Read the arguments and print the text."""
    argparse.ArgumentParser(prog="python scripts describe", description=__doc__).parse_args(arguments)
    sys.stdout.write(stores_markdown.markdown())
