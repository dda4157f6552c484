"""The first checks are the same everywhere: README, `.ci/run`, the jobs on GitHub and the commit hooks."""

import re
import subprocess
from pathlib import Path

import yaml

from tests.support.checkout import CHECKOUT

RUN = CHECKOUT / ".ci/run"
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/python -m pip install --require-hashes -r requirements/test.txt "
    "&& .venv/bin/python -m pytest"
)


def stages() -> list[str]:
    """The stages that the opening comment of `.ci/run` names."""
    return re.findall(r"^#   (\S+)", RUN.read_text(), re.MULTILINE)


def test_the_test_command_of_the_readme_is_what_the_checks_run() -> None:
    assert f"    {TEST_COMMAND}\n" in (CHECKOUT / "README.md").read_text()
    script = RUN.read_text().replace(" --quiet", "")
    for command in TEST_COMMAND.split(" && "):
        assert command in script


def test_every_stage_is_a_job() -> None:
    jobs = {}
    for name in ("test", "nightly"):
        jobs |= yaml.safe_load((CHECKOUT / f".github/workflows/{name}.yml").read_text())["jobs"]
    assert [*jobs["stage"]["strategy"]["matrix"]["stage"], "nightly"] == stages()
    assert jobs["stage"]["steps"][-1]["run"] == ".ci/run ${{ matrix.stage }}"
    assert jobs["nightly"]["steps"][-1]["run"] == ".ci/run nightly"


def test_an_unknown_stage_is_one_line_that_names_the_stages(tmp_path: Path) -> None:
    copy = tmp_path / ".ci/run"
    copy.parent.mkdir()
    copy.write_text(RUN.read_text())
    done = subprocess.run(["bash", copy, "lint", "lnit"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"{copy}: there is no stage lnit; stages are: {', '.join(stages())}"]
    assert not (tmp_path / ".venv").exists()


def test_commit_hooks_are_a_stage() -> None:
    (hooks,) = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["entry"] for hook in hooks["hooks"]} == {".ci/run lint"}


def test_the_catalogue_of_workflows_knows_what_this_one_supports() -> None:
    usage = yaml.safe_load((CHECKOUT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert usage["software-stack-deployment"]["report"] is True
