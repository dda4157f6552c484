"""What holds for a whole process and not for one store: the number of threads, and what a fork makes unusable.

A library that keeps such a setting for the whole process is told once, when it is first used: see `_zarr` in `zarr.py`
and `limit_input_threads` in `arrow.py`.
"""

import os

from scripts.common.errors import UserError

_first_users: dict[str, int] = {}
"""The process that used a library first, by the library's name. A fork copies it, and so tells parent from child."""


def refuse_after_fork(library: str) -> None:
    """Raise UserError in a process that was forked from one that has used a library which crashes or hangs there.

    Call it whenever the library is used. The process of the first call may go on, and so may those that it spawns.
    """
    if _first_users.setdefault(library, os.getpid()) != os.getpid():
        raise UserError(
            f"{library} can't be used in a process that was forked from one that has used it; start processes with "
            "`spawn` or `forkserver`"
        )


def threads() -> int:
    """Return the number of threads that a library may use: as many as OpenMP may, which a timing sets, and otherwise
    as many as there are cores."""
    return int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or os.cpu_count() or 1)
