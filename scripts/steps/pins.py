"""Step `pins`: make the pins of pip and conda and docs/stores.md from what backends and codecs declare.

Run it after you have added a backend or codec, or changed a version. Needs uv and the network, but not with --check.
No rule of the workflow.
"""

import argparse

from scripts.common import digests
from scripts.common.errors import UserError
from scripts.project import pins
from scripts.steps import describe


def main(arguments: list[str]) -> None:
    """Read the arguments and write what is behind, or name it."""
    parser = argparse.ArgumentParser(prog="python scripts pins", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; say which files are behind")
    given = parser.parse_args(arguments)
    documentation = digests.CHECKOUT / describe.DOCUMENT
    if given.check:
        behind = pins.behind()
        if documentation.read_text() != describe.markdown():
            behind.append(describe.DOCUMENT)
        if behind:
            raise UserError(f"behind what backends and codecs declare: {', '.join(behind)}; run: python scripts pins")
        return
    for path in pins.write():
        print(f"made {path}")
    if documentation.read_text() != describe.markdown():
        documentation.write_text(describe.markdown())
        print(f"made {describe.DOCUMENT}")
