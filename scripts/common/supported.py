"""Whether this system can run the workflow at all. The check comes before any import that some systems lack.

A user id may have no name, in a container started with `--user` say. Snakemake looks the name up and fails without one,
so the number becomes the name.
"""

import getpass
import importlib.util
import os
import sys

STANDARD_MODULES = ("_ctypes", "zlib")
"""Modules of the standard library that every run needs. Some builds of Python lack them."""


def check() -> None:
    """End the process with one line where this system can't run the workflow."""
    if importlib.util.find_spec("fcntl") is None:
        sys.exit(
            f"error: this workflow needs Linux or macOS, and this is {sys.platform}; on Windows, run it in WSL 2 "
            "(Windows Subsystem for Linux)"
        )
    for module in STANDARD_MODULES:
        if reason := lacks_standard(module):
            sys.exit(f"error: {reason}")
    _name_the_user()


def lacks_standard(module: str) -> str | None:
    """Return that this Python was built without a module of its standard library, with the remedy, or None."""
    if importlib.util.find_spec(module) is not None:
        return None
    return (
        f"the Python in {sys.base_prefix} was built without its standard module {module}; make the environment with "
        f"another Python, in which `python3 -c 'import {module}'` says nothing"
    )


def _name_the_user() -> None:
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = str(os.getuid())
