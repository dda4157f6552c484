"""The door to every step: `python scripts STEP ARGUMENTS` runs `scripts/steps/STEP.py`, from any directory.

It turns what a user can put right (a `UserError`, a full disk, a missing permission) into one line on standard error
and exit code 1. Anything else is a defect and keeps its traceback. A timing holds the host's lock alone, and steps that
write much or compute for long share the lock. Tables, figures and the page take seconds, so they don't wait.
"""

import importlib
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

TIMING_STEP, CLEARING_STEP, STARTING_STEP = "time_operation", "discard", "again"
SHARING_STEPS = ("download", "gather", "unpack", "compile", "build", CLEARING_STEP)
"""Steps that would disturb a timing on the same host."""
WRITABLE_PLACE = "make the place writable, or set store_dir, download_dir or scratch_dir to one that is"
CHECKOUT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run the step named by the first argument with the rest; returns the exit code."""
    sys.path[0] = str(CHECKOUT)
    from scripts.common import supported

    supported.check()
    from scripts.common import full_disk
    from scripts.common.errors import NOT_PERMITTED, UserError

    steps = sorted(path.stem for path in (CHECKOUT / "scripts/steps").glob("*.py"))
    if not arguments or arguments[0] not in steps:
        print(f"usage: python scripts STEP ARGUMENTS, with STEP one of: {', '.join(steps)}", file=sys.stderr)
        return 2
    step, *rest = arguments
    signal.signal(signal.SIGTERM, _end)
    try:
        with _lock_of(step, rest):
            importlib.import_module(f"scripts.steps.{step}").main(rest)
    except UserError as error:
        said = str(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("scripts"):
            raise
        said = (
            f"the Python package that provides `{error.name}` is not installed in {sys.prefix}; install the pins: "
            "python -m pip install --require-hashes -r requirements/run.txt (for all backends requirements/all.txt)"
        )
        if error.name.partition(".")[0] in sys.stdlib_module_names:
            said = supported.lacks_standard(error.name) or said
    except _Ended:
        print(
            f"{step} was ended from outside, as a cluster does with jobs that are cancelled or over their time limit; "
            f"{_next_run(step)} (more time: runtime in profiles/slurm/config.yaml)",
            file=sys.stderr,
        )
        return 143
    except KeyboardInterrupt:
        print(f"{step} was interrupted; {_next_run(step)}", file=sys.stderr)
        return 130
    except MemoryError:
        said = "not enough memory; leave out the largest cutoffs in config.yaml"
    except BrokenPipeError:
        # Who read what was printed has gone, as `head` does; the interpreter's own last flush must not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if full := full_disk.recognised(error):
            said = full_disk.line(full)
        elif isinstance(error, OSError) and error.errno in NOT_PERMITTED:
            place = f": {error.filename}" if error.filename else ""
            said = f"{os.strerror(error.errno)}{place}; {WRITABLE_PLACE}"
        else:
            raise
    else:
        return 0
    print(f"error in {step}: {said}", file=sys.stderr)
    return 1


def _next_run(step: str) -> str:
    if step == STARTING_STEP:
        return "give the command again for the cells that it didn't come to"
    return f"the next run {'removes the rest' if step == CLEARING_STEP else 'does it again'}"


class _Ended(BaseException):
    """Somebody asks the process to end (SIGTERM); as an exception that leaves nothing half-made behind."""


def _end(number: int, frame: object) -> None:
    raise _Ended


def _lock_of(step: str, arguments: list[str]) -> AbstractContextManager[None]:
    """The host's lock as a step holds it; no lock where the step is only asked for help."""
    from scripts.system import lock

    if {"-h", "--help"} & set(arguments):
        return nullcontext()
    if step == TIMING_STEP:
        return lock.alone()
    return lock.shared() if step in SHARING_STEPS else nullcontext()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
