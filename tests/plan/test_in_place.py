"""Which stores read the user's own folder, and where a copy takes its place; no published word names the folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.backends import base
from scripts.common.cells import Store
from scripts.plan.plan import HANDED_VARIABLE, Plan
from scripts.plan.read import read_plan
from tests.support.drawn_files import drawn
from tests.support.host import mounted
from tests.support.sources import write_files

FILES = {"cat/0.jpg": drawn(0), "dog/1.jpg": drawn(1)}
COPIES = {"backend": "files", "codec": "original"}


@pytest.fixture
def folder(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two photographs beside the checkout of a run."""
    (disk / "checkout").mkdir()
    monkeypatch.chdir(disk / "checkout")
    monkeypatch.setenv(HANDED_VARIABLE, "{}")
    return write_files(disk / "own", FILES)


def plan_of(folder: Path, *, is_job_on_node: bool = False, **config: Any) -> Plan:
    config = {"images": str(folder), "backends": ["files-original", "lmdb-original"], **config}
    return read_plan(config, with_conda=False, on_cluster=is_job_on_node, is_job_on_node=is_job_on_node)


def in_place(plan: Plan) -> dict[str, bool]:
    """Whether what is run reads the user's folder, by name, of what may do that."""
    return {name: one.options[base.IN_PLACE] for name, one in plan.choices.items() if base.IN_PLACE in one.options}


def roots(plan: Plan) -> dict[str, str | None]:
    """Where the files of each store lie."""
    return {name: plan.root(Store(name, "224x224", 2)) for name in plan.choices}


def test_the_folder_is_read_in_place_and_no_option_tells_where_it_lies(folder: Path) -> None:
    plan = plan_of(folder)
    assert in_place(plan) == {"files-original": True}
    assert (plan.not_in_place, plan.missing) == (None, {})
    assert str(folder) not in json.dumps([one.options for one in plan.choices.values()])


def test_where_the_files_lie_is_known_to_who_builds_the_store(folder: Path, disk: Path) -> None:
    mine = shutil.copytree(folder, disk / "checkout/mine")
    for own, root in ((folder, str(folder)), (mine, "mine")):
        plan = plan_of(own)
        assert roots(plan) == {"files-original": root, "lmdb-original": None}


@pytest.mark.parametrize("where", ["scratch_dir", "store_dir"])
def test_a_copy_takes_the_place_of_a_folder_that_cannot_be_compared(
    folder: Path, disk: Path, request: pytest.FixtureRequest, where: str
) -> None:
    elsewhere = mounted(disk / "elsewhere", request.addfinalizer)
    plan = plan_of(folder, **{where: str(elsewhere)})
    assert in_place(plan) == {"files-original-copy": False}
    reason = plan.missing["files-original"]
    assert reason.endswith("; a copy of it is compared, files-original-copy")
    assert str(disk) not in reason
    assert plan.settings_shown().keys() <= {"images", "backends"}


def test_a_job_on_a_node_that_does_not_see_the_folder_asks_nothing_again(
    folder: Path, disk: Path, request: pytest.FixtureRequest
) -> None:
    elsewhere = mounted(disk / "elsewhere", request.addfinalizer)
    for config in ({}, {"store_dir": str(elsewhere)}):
        at_start = plan_of(folder, **config)
        at_start.hand_to_jobs()
        folder.rename(disk / "away")
        on_node = plan_of(folder, is_job_on_node=True, **config)
        assert (on_node.choices, on_node.missing) == (at_start.choices, at_start.missing)
        assert roots(on_node) == roots(at_start)
        (disk / "away").rename(folder)


def test_a_variant_is_as_the_user_says(folder: Path, disk: Path) -> None:
    copy, own = "files-original-copy", COPIES | {"in_place": True}
    plan = plan_of(folder, backends=["files-original", copy, "mine"], variants={copy: COPIES, "mine": own})
    assert in_place(plan) == {"files-original": True, copy: False, "mine": True}

    other = {"backend": "lmdb", "codec": "png"}
    scratch = {"scratch_dir": str(disk)}
    for backends in (["files-original", copy, "mine"], [copy, "mine", "files-original"]):
        plan = plan_of(folder, backends=backends, variants={copy: other, "mine": own}, **scratch)
        assert plan.choices[copy].module == "lmdb"
        assert in_place(plan) == {"mine-copy": False}
        assert plan.missing["files-original"] == "stores are timed in scratch_dir, where the folder isn't"
        assert plan.missing["mine"].endswith("a copy of it is compared, mine-copy")


def test_images_that_are_no_folder_are_copied_unless_a_variant_asks_for_what_cannot_be() -> None:
    variants = {"mine": COPIES | {"in_place": True}}
    plan = plan_of(Path("synthetic-photographs"), backends=["files-original", "mine"], variants=variants)
    assert in_place(plan) == {"files-original": False}
    assert plan.missing == {"mine": "the images are no folder of files, so none lies in place; leave in_place out"}
