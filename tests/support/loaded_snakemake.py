"""Snakemake, loaded once: runs each command that it reads in a fork, as if it had been started for that.

Loading takes a second, which is most of what it takes to plan a small run. It reads one JSON list on a line for each
command (directory, environment, file of the output, arguments) and answers with the process's number and its exit code.
"""

import gc
import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    program = Path(sys.executable).with_name("snakemake")
    sys.path[0] = str(program.parent)
    # `cli` runs the commands; each would load the others for itself.
    import jsonschema  # noqa: F401
    import packaging.requirements  # noqa: F401
    import smart_open  # noqa: F401
    from snakemake import cli, report  # noqa: F401

    cli.get_argument_parser()
    gc.freeze()
    for line in sys.stdin:
        directory, environment, output, arguments = json.loads(line)
        if not (child := os.fork()):
            break
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    else:
        sys.exit()
    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    sys.argv = [str(program), *arguments]
    sys.exit(cli.main())
