"""What a plan knows of its images before and after they are gathered, and where these lie."""

import re
from pathlib import Path
from typing import Any

import pytest

from scripts.common import sealed
from scripts.common.cells import Store
from scripts.dataset import gathered, obtain
from scripts.dataset.image_set import PROVENANCE_VERSION
from scripts.plan import images
from scripts.plan.images import FILES, PIXELS, Images
from scripts.plan.plan import Plan
from scripts.plan.read import read_plan
from tests.support.archives import write_small_archive
from tests.support.drawn_files import drawn


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to run in, with a folder of files and an archive of pixels in it."""
    here = tmp_path / "here"
    (here / "photographs").mkdir(parents=True)
    for number in range(3):
        (here / f"photographs/{number}.jpg").write_bytes(drawn(number))
    write_small_archive(here / "archive.tar.gz", rows=1)
    monkeypatch.chdir(here)
    for cached in (images.kind, images.has, images.identity):
        cached.cache_clear()
    return here


def plan_of(name: str, **config: Any) -> Plan:
    return read_plan({"images": name, **config}, with_conda=False, on_cluster=False)


def test_a_source_has_files_or_pixels(here: Path) -> None:
    assert {name: images.has(name) for name in (*images.NAMED, "photographs", "archive.tar.gz")} == {
        "cifar10": PIXELS,
        "synthetic": PIXELS,
        "synthetic-photographs": FILES,
        "photographs": FILES,
        "archive.tar.gz": PIXELS,
    }


def test_what_is_no_source_is_one_line(here: Path) -> None:
    (here / "notes.txt").write_text("no images")
    (here / "empty").mkdir()
    for name, found in (("notes.txt", "is a file that begins with b'no image'"), ("empty", "is an empty folder")):
        with pytest.raises(SystemExit) as stop:
            plan_of(name)
        assert str(stop.value).startswith(f"error: images: {name} {found}; looked for: ")
        assert "a folder of image files" in str(stop.value)
        assert "\n" not in str(stop.value)


def test_each_source_has_a_folder_of_its_own(here: Path) -> None:
    (here / "photographs").rename(here / "ph (x) é")
    for name, folder in (
        ("cifar10", "cifar10"),
        ("synthetic", "synthetic"),
        ("archive.tar.gz", r"archive-[0-9a-f]{8}"),
        ("ph (x) é", r"ph-x-[0-9a-f]{8}"),
    ):
        assert re.fullmatch(f"results/dataset/{folder}", plan_of(name).dataset)


def test_the_folder_is_the_same_in_a_copy_and_under_each_name_of_the_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = plan_of("archive.tar.gz").dataset
    assert plan_of(str(here / "archive.tar.gz")).dataset == dataset
    assert plan_of("photographs/../archive.tar.gz").dataset == dataset
    here.rename(here.with_name("copy"))
    monkeypatch.chdir(here.with_name("copy"))
    assert plan_of("archive.tar.gz").dataset == dataset
    (here.with_name("copy") / "archive.tar.gz").rename(here.with_name("archive.tar.gz"))
    assert plan_of("../archive.tar.gz").dataset != dataset


def test_images_are_known_once_they_are_gathered(here: Path) -> None:
    plan = plan_of("photographs", cutoffs=[2, 5])
    assert plan.known is None
    assert (plan.sets, plan.image_sizes, plan.left_out) == ([], [], {})
    origin = {"identity": plan.identity}
    facts = {"images": 3, "own_size": None, "original_bytes": 300, "most": 5, "origin": origin}
    gathered.write(here / plan.dataset, facts)
    assert plan.known == Images(3, None, 100)
    assert plan.sets == [("224x224", 2)]
    assert plan.left_out == {"5 images": "the source has 3, and its images aren't repeated"}
    for stale in ({"most": 3}, {"origin": {"identity": "as it was before"}}):
        gathered.write(here / plan.dataset, facts | stale)
        assert plan.known is None
    gathered.write(here / plan.dataset, facts | {"images": 10})
    assert plan.sets == [("224x224", 2), ("224x224", 5)]
    (here / plan.dataset / "gathered.json").write_text("[]")
    assert plan.known is None
    assert plan_of("synthetic").known == Images(None, "32x32")


def test_as_many_images_are_gathered_as_the_largest_cutoff_and_never_fewer_than_before(here: Path) -> None:
    assert plan_of("synthetic", cutoffs=[5]).most_images is None
    assert plan_of("photographs").most_images == 10_000
    plan = plan_of("photographs", cutoffs=[2, 50])
    assert plan.most_images == 50
    obtain.obtain("photographs", here / plan.dataset / "source.json", directory=here, most=50)
    assert plan_of("photographs", cutoffs=[2]).most_images == 50
    assert plan_of("photographs", cutoffs=[51]).most_images == 51
    assert plan_of("archive.tar.gz", cutoffs=[2]).most_images == 2


def test_an_image_set_has_as_many_images_as_fit_and_never_fewer_than_before(here: Path) -> None:
    def most(gb: float) -> int:
        plan = plan_of("photographs", largest_store_gb=gb, image_sizes=[10])
        return plan.most_of_size(Store("", "10x10", 0))

    plan = plan_of("photographs")
    dataset, origin = here / plan.dataset, {"identity": plan.identity}
    facts = {"images": 9, "own_size": None, "original_bytes": 300}
    gathered.write(dataset, {**facts, "most": plan.most_images, "origin": origin})
    assert [most(gb) for gb in (4e-7, 2e-6, 3e-6, 1)] == [1, 6, 9, 9]
    sealed.write(dataset / "10x10/provenance.json", {"provenance_version": PROVENANCE_VERSION, "images": 7})
    assert [most(gb) for gb in (2e-6, 1)] == [7, 9]


def test_the_identity_changes_with_the_files(here: Path) -> None:
    before = plan_of("photographs").identity
    assert plan_of("photographs").identity == before
    (here / "photographs/1.jpg").rename(here / "photographs/x.jpg")
    images.identity.cache_clear()
    assert plan_of("photographs").identity != before
