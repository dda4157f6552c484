"""Systems that lack something: one line at the start that helps, or a run that works without it."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import backends
from scripts.plan import available
from scripts.stores.choice import Choice
from scripts.system.disk import durability
from tests.support.checkout import CHECKOUT, SNAKEMAKE
from tests.support.host import as_who_obeys_permissions
from tests.support.workflow import Workflow

FIRST_FILE = "source.json"


def without(module: str, directory: Path) -> dict[str, str]:
    """The environment of a Python that was built without a module of its standard library."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(f"import sys\n\nsys.modules[{module!r}] = None\n")
    return {"PYTHONPATH": str(directory)}


def run(workflow: Workflow, *prefix: str, **changes: str) -> subprocess.CompletedProcess:
    """Run the workflow up to its first file; Snakemake starts after `prefix`, in an environment with changes."""
    return subprocess.run(
        [*prefix, SNAKEMAKE, "--cores", "1", "--", f"{workflow.dataset}/{FIRST_FILE}"],
        cwd=workflow.directory,
        env=workflow.environment | changes,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_system_without_file_locks_is_refused_in_one_line(workflow: Workflow, tmp_path: Path) -> None:
    hidden = without("fcntl", tmp_path / "hidden")
    done = run(workflow, **hidden)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: this workflow needs Linux or macOS")
    assert not (workflow.directory / "results").exists()

    command = [sys.executable, CHECKOUT / "scripts", "describe"]
    step = subprocess.run(command, env=os.environ | hidden, capture_output=True, text=True, timeout=60)
    assert step.returncode == 1
    assert step.stderr.startswith("error: this workflow needs Linux or macOS")
    assert step.stderr.count("\n") == 1


def test_a_backend_whose_standard_module_is_missing_is_left_out_and_the_others_load(tmp_path: Path) -> None:
    program = (
        "from scripts import backends; from scripts.plan import available; from scripts.stores.choice import Choice\n"
        "for name in backends.names(): print(name, available.why_not(Choice(name, backends.resolve(name, {}))))"
    )
    hidden = os.environ | without("_sqlite3", tmp_path / "hidden")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, env=hidden, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    reasons = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    left_out = [name for name, reason in reasons.items() if "_sqlite3" in reason]
    assert left_out == [name for name in backends.names() if "_sqlite3" in backends.load(name).standard_modules]
    for name in left_out:
        assert "was built without its standard module _sqlite3; make the environment with another" in reasons[name]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be a user without a name")
def test_a_user_id_without_a_name_runs(workflow: Workflow, tmp_path: Path) -> None:
    # The capability lets it read what is root's: the interpreter, in places.
    who = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    unset = [part for name in ("USER", "LOGNAME", "LNAME", "USERNAME") for part in ("-u", name)]
    shutil.chown(workflow.directory, 12345)
    for place in workflow.directory.parents[:2]:
        place.chmod(0o755)
    done = run(workflow, *who, *rights, "env", *unset, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (workflow.directory / workflow.dataset / FIRST_FILE).stat().st_uid == 12345


def test_a_home_that_cannot_be_written_runs(workflow: Workflow, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    done = run(workflow, *as_who_obeys_permissions(), "env", "-u", "XDG_CACHE_HOME", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


def test_a_package_without_a_wheel_here_is_named_with_what_helps() -> None:
    for name in backends.names():
        choice = Choice(name, backends.resolve(name, {}))
        needed = choice.packages().values()
        assert available.lacks_wheel(choice, needed, "3.11") is None or sys.platform != "linux"
        if choice.backend.built_with:
            reason = available.lacks_wheel(choice, needed, "3.14")
            assert reason is not None
            assert "is not published for Python 3.14 on" in reason
            assert f"measure it on {available.COMPLETE_PLATFORM}" in reason


def test_a_tree_of_many_files_empties_the_device_once_where_a_flush_of_it_is_an_operation(
    tmp_path, monkeypatch
) -> None:
    flushed = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda descriptor, operation: flushed.append((os.fstat(descriptor), operation)))
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"x")
    durability.sync_tree(tmp_path)
    assert [operation for _, operation in flushed] == [51]
    assert os.path.samestat(flushed[0][0], tmp_path.stat())
