"""Step `pins`: make the pins of pip and conda and docs/stores.md from what backends and codecs declare.

Run it after you have added a backend or codec, or changed a version. Needs uv and the network, but not with --check.
No rule of the workflow.
"""

from typing import Annotated

from scripts.common import digests
from scripts.common.command_line import command
from scripts.common.errors import UserError
from scripts.project import pins
from scripts.steps import describe


@command
def main(*, check: Annotated[bool, "change nothing; say which files are behind"] = False) -> None:
    """Write what is behind, or name it."""
    documentation = digests.CHECKOUT / describe.DOCUMENT
    if check:
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
