"""Which image sizes and cutoffs are measured of images that are known, and what is left out, in which words."""

from typing import Any

import pytest

from scripts.common.errors import UserError
from scripts.plan import chosen
from scripts.plan.chosen import Sets
from scripts.plan.config import configuration
from scripts.plan.images import FILES, PIXELS, Images

REPEATED = Images(None, "32x32")


def sets(images: Images, **config: Any) -> Sets:
    return chosen.sets(configuration.complete(config), images)


def squares(side: int, *cutoffs: int) -> list[tuple[str, int]]:
    return [(f"{side}x{side}", cutoff) for cutoff in cutoffs]


@pytest.mark.parametrize(
    ("count", "cutoffs"),
    [
        (1, [1]),
        (3, [1, 3]),
        (10, [1, 10]),
        (12, [1, 10, 12]),
        (1000, [1, 10, 100, 1000]),
        (9_999, [1, 10, 100, 1000, 9_999]),
        (1_281_167, [1, 10, 100, 1000, 10_000]),
    ],
)
def test_the_usual_cutoffs_are_powers_of_ten_and_all_images(count: int, cutoffs: list[int]) -> None:
    assert sets(Images(count, None)) == Sets(squares(224, *cutoffs))


def test_what_is_repeated_has_the_cutoffs_of_the_article() -> None:
    assert sets(REPEATED) == Sets(squares(32, 1, 10, 100, 1000, 10_000, 100_000))
    assert sets(REPEATED, cutoffs=[400_000, 7]) == Sets(squares(32, 7, 400_000))


def test_quick_leaves_out_what_is_above_a_hundred() -> None:
    assert sets(Images(150, None), quick=True) == Sets(squares(224, 1, 10, 100))
    with pytest.raises(UserError) as caught:
        sets(REPEATED, quick=True, cutoffs=[5000, 101])
    assert str(caught.value) == (
        "nothing is left to measure: 101, 5,000 images: quick leaves out what is above 100; give other cutoffs or "
        "image_sizes"
    )


def test_images_of_a_user_are_never_repeated() -> None:
    why = "the source has 1,200, and its images aren't repeated"
    assert sets(Images(1200, None), cutoffs=[5000, 100, 2000]) == Sets(squares(224, 100), {"2,000, 5,000 images": why})
    with pytest.raises(UserError) as caught:
        sets(Images(1200, None), cutoffs=[5000])
    assert str(caught.value) == (f"nothing is left to measure: 5,000 images: {why}; give other cutoffs or image_sizes")


@pytest.mark.parametrize(
    ("own", "asked", "sizes"),
    [
        ("32x48", None, ["32x48"]),
        (None, None, ["224x224"]),
        ("32x48", ["own", 16], ["32x48", "16x16"]),
        ("16x16", [16, "own", 8], ["16x16", "8x8"]),
        (None, [64, 224], ["64x64", "224x224"]),
    ],
)
def test_image_sizes_are_the_images_own_or_squares(own: str | None, asked: list | None, sizes: list[str]) -> None:
    assert sets(Images(1, own), image_sizes=asked) == Sets([(size, 1) for size in sizes])


def test_a_size_of_their_own_is_left_out_where_they_have_several() -> None:
    why = {"image size own": "the images have several sizes"}
    assert sets(Images(1, None), image_sizes=["own", 64]) == Sets(squares(64, 1), why)
    with pytest.raises(UserError, match="nothing is left to measure: image size own: the images have several sizes; "):
        sets(Images(1, None), image_sizes=["own"])


def test_a_cutoff_is_left_out_only_at_the_sizes_where_its_pixels_are_too_many() -> None:
    """At 224 a gigabyte has 6,643 images."""
    found = sets(Images(9000, None), image_sizes=[64, 224], cutoffs=[6643, 6644, 9000], largest_store_gb=1)
    assert found == Sets(
        [*squares(64, 6643, 6644, 9000), *squares(224, 6643)],
        {"6,644, 9,000 images of 224x224": "their pixels exceed largest_store_gb (1 GB)"},
    )


def test_what_the_config_leaves_open_suits_the_source() -> None:
    for has, backends, codecs, random_images in (
        (PIXELS, ["png", "lmdb", "hdf5", "memmap"], ["raw"], 2000),
        (FILES, ["files-original", "lmdb", "hdf5", "memmap", "tar", "sqlite"], ["raw", "original"], 256),
    ):
        found = configuration.for_source(configuration.defaults(), has)
        assert (found["backends"], found["codecs"], found["random_images"]) == (backends, codecs, random_images)
        assert found["cutoffs"] is None
        given = configuration.complete({"backends": ["tar"], "codecs": ["png"], "random_images": 9})
        found = configuration.for_source(given, has)
        assert (found["backends"], found["codecs"], found["random_images"]) == (["tar"], ["png"], 9)
        assert found["operations"] == configuration.for_source(configuration.defaults(), has)["operations"]


def test_of_files_each_container_has_pixels_and_files_and_the_folder_only_files() -> None:
    names = list(configuration.choices(configuration.for_source(configuration.defaults(), FILES)))
    assert names[:3] == ["files-original", "lmdb", "lmdb-original"]
    assert {"hdf5-original", "memmap-original", "tar-original", "sqlite-original"} < set(names)
    assert not {"png", "files", "files-original-original"} & set(names)


def test_a_codec_that_keeps_files_is_one_line_where_there_are_none() -> None:
    with pytest.raises(UserError) as caught:
        configuration.for_source(configuration.complete({"codecs": ["raw", "original"]}), PIXELS)
    assert str(caught.value) == (
        "config key codecs: original keeps the files of images, and cifar10 has none; leave out original, or give "
        "images: that are files"
    )
