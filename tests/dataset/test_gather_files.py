"""From a source of files to what is gathered of it, and on to image sets of several sizes."""

import fcntl
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.common import sealed
from scripts.common.errors import UserError
from scripts.dataset import gather, gathered, sources
from scripts.dataset.gather import Wanted
from scripts.dataset.image_set import ImageSet
from scripts.dataset.unpack import unpack
from tests.support.checkout import CHECKOUT
from tests.support.drawn_files import RECORD, Files, drawn, name_of

COUNT = 40
CONTENTS = [drawn(number) for number in range(COUNT)]
ORDER = np.random.default_rng(sources.SEED).permutation(COUNT).tolist()
MANY = CONTENTS * 3
"""As many files as processes share; fewer are decoded without any."""
ORDER_OF_MANY = np.random.default_rng(sources.SEED).permutation(len(MANY)).tolist()
BAD = {ORDER[0]: b"", ORDER[3]: CONTENTS[1][:-300], ORDER[4]: b"no image at all", ORDER[30]: b"GIF89a"}


def gathered_in(place: Path, contents: Sequence[bytes] = CONTENTS, **wanted: object) -> Path:
    """Gather files on one core; returns the directory."""
    gather.write(Files(contents), place, RECORD, Wanted(**{"bad_share": 0.01, "cores": 1, **wanted}))
    return place


def shuffled(count: int) -> list[int]:
    """The order of so many files."""
    order: list[int] = sources.order(count, has_order=False).tolist()
    return order


def names_in(place: Path) -> list[str]:
    return (place / "gathered/names.bin").read_bytes().decode().split("\0")[:-1]


def files_in(place: Path) -> dict[str, bytes]:
    """All that is gathered."""
    assert not list(place.rglob(".*"))
    return {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the files, gathered without disturbance; not to be changed."""
    return gathered_in(tmp_path_factory.mktemp("whole"))


def test_files_are_kept_in_a_shuffled_order_with_their_pixels(whole: Path) -> None:
    facts = gathered.read(whole)
    assert (facts["images"], facts["listed"], facts["own_size"], facts["bad_images"]["count"]) == (
        COUNT,
        COUNT,
        "32x48",
        0,
    )
    assert facts["original_bytes"] == sum(map(len, CONTENTS))
    assert sorted(ORDER) != ORDER
    assert names_in(whole) == [name_of(number) for number in ORDER]
    unpack(whole, "32x48")
    image_set = ImageSet.load(whole / "32x48")
    originals, labels = image_set.first_with_originals(COUNT)
    assert [bytes(content) for content in originals.originals(slice(None))] == [CONTENTS[number] for number in ORDER]
    assert labels.tolist() == [number % 2 for number in ORDER]
    for pixels, number in zip(image_set.images, ORDER, strict=True):
        np.testing.assert_array_equal(pixels, Image.open(io.BytesIO(CONTENTS[number])))


def test_a_source_that_reads_in_its_own_order_ends_in_the_same(whole: Path, tmp_path: Path) -> None:
    class Sorted(Files):
        def read(self, numbers):
            return super().read(np.sort(numbers))

    gather.write(Sorted(CONTENTS), tmp_path, RECORD, Wanted(bad_share=0.01, cores=1))
    assert files_in(tmp_path) == {name: content for name, content in files_in(whole).items() if name not in OF_SETS}


OF_SETS = ("images.npy", "provenance.json")
"""What image sets add in their own folders; labels are the same file."""


@pytest.mark.parametrize("count", [1, 25])
def test_the_first_images_of_many_are_those_of_few(whole: Path, tmp_path: Path, count: int) -> None:
    few = gathered_in(tmp_path, most=count)
    assert names_in(few) == names_in(whole)[:count]
    images = [np.load(place / "gathered/32x48.npy") for place in (few, whole)]
    np.testing.assert_array_equal(images[0], images[1][:count])


def test_bad_images_are_named_and_others_take_their_place(tmp_path: Path) -> None:
    contents = [BAD.get(number, content) for number, content in enumerate(CONTENTS)]
    facts = gathered.read(gathered_in(tmp_path, contents, most=20))
    good = [number for number in ORDER if number not in BAD]
    assert names_in(tmp_path) == [name_of(number) for number in good[:20]]
    assert facts["images"] == 20
    assert facts["bad_images"]["count"] == 3
    named = facts["bad_images"]["first"]
    assert [bad["name"] for bad in named] == [name_of(number) for number in ORDER if number in BAD][:3]
    assert named[0]["reason"] == "empty"
    assert all(bad["reason"] for bad in named)
    unpack(tmp_path, "32x48")
    image_set = ImageSet.load(tmp_path / "32x48")
    assert image_set.provenance["bad_images"] == facts["bad_images"]
    originals, _ = image_set.first_with_originals(20)
    assert [bytes(content) for content in originals.originals(slice(None))] == [
        CONTENTS[number] for number in good[:20]
    ]
    np.testing.assert_array_equal(image_set.images[19], Image.open(io.BytesIO(CONTENTS[good[19]])))


def test_too_many_bad_images_stop_the_step_with_their_names(tmp_path: Path) -> None:
    contents = [b"" if number % 6 == 0 else content for number, content in enumerate(CONTENTS)]
    with pytest.raises(UserError) as caught:
        gathered_in(tmp_path, contents)
    message = str(caught.value)
    assert message.startswith(
        "images: 7 of 40 images of /drawn are bad, more than bad_images_limit (1%) allows; remove"
    )
    assert all(f"{name_of(number)} (empty)" in message for number in range(0, COUNT, 6))
    assert "\n" not in message
    assert not (tmp_path / "gathered.json").exists()
    assert gathered.read(gathered_in(tmp_path, contents, bad_share=0.2))["images"] == COUNT - 7


def test_a_long_list_of_bad_images_is_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(empty\) and 20 more$"):
        gathered_in(tmp_path / "many", [b""] * COUNT)
    with pytest.raises(UserError, match=r"^images: /drawn has no image that can be read: even/0\.jpg \(empty\)$"):
        gathered_in(tmp_path / "one", [b""])


def test_few_of_many_bad_or_small_images_are_named(tmp_path: Path) -> None:
    """Snakemake takes no checksum of a large file, and would redo all that depends on it after a touch."""
    gathered_in(tmp_path, CONTENTS * 3 + [b""] * 150, bad_share=1, image_sizes=[64])
    bad = gathered.read(tmp_path)["bad_images"]
    assert (bad["count"], len(bad["first"])) == (150, 100)
    unpack(tmp_path, "64x64", upscale=True)
    provenance = ImageSet.load(tmp_path / "64x64").provenance
    assert provenance["bad_images"] == bad
    assert provenance["upscaled_images"] == {"count": 120, "first": names_in(tmp_path)[:20]}


class Other(Files):
    """A source whose code was mended: with other labels, names or contents of the same length."""

    def __init__(self, contents, **change):
        super().__init__(contents)
        self._change = change

    def read(self, numbers):
        for sample in super().read(numbers):
            yield replace(sample, **self._change)


@pytest.mark.parametrize("change", [{"label": 1}, {"name": "even/9.jpg"}, {"content": CONTENTS[1]}, {}])
def test_whatever_changes_in_what_is_gathered_changes_its_account(whole: Path, tmp_path: Path, change: dict) -> None:
    provenances = []
    for place, source in ((tmp_path / "a", Files(CONTENTS[:1])), (tmp_path / "b", Other(CONTENTS[:1], **change))):
        gather.write(source, place, RECORD, Wanted(bad_share=0.01, cores=1))
        unpack(place, "32x48")
        provenances.append(ImageSet.load(place / "32x48").provenance["digest"])
    accounts = [(tmp_path / place / "gathered.json").read_bytes() for place in ("a", "b")]
    assert (accounts[0] == accounts[1], provenances[0] == provenances[1]) == (not change, not change)


@pytest.mark.parametrize("damage", ["missing", "cut", "a flipped bit"])
@pytest.mark.parametrize("name", ["labels.npy", "sizes.npy", "names.bin", "24x24.npy", "offsets.npy", "originals.bin"])
def test_a_damaged_gathered_file_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    gathered_in(tmp_path, CONTENTS[:6], image_sizes=[24])
    path = tmp_path / "gathered" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-1] if damage == "cut" else content)
    size = "16x16" if name in gathered.OF_FILES else "24x24"
    with pytest.raises(UserError) as caught:
        unpack(tmp_path, size)
    assert str(caught.value) == (
        f"{tmp_path / size} holds no whole image set ({path} isn't as it was gathered); delete {tmp_path} and run again"
    )


ROW_BYTES = 32 * 48 * 3


def test_of_each_size_only_as_many_images_become_pixels_as_fit(tmp_path: Path) -> None:
    """Also those in the place of bad ones, and at a size that is asked for later; all files are kept."""
    contents = [BAD.get(number, content) for number, content in enumerate(CONTENTS)]
    gathered_in(tmp_path, contents, bad_share=0.2, most_bytes=10 * ROW_BYTES + 5)
    good = [number for number in ORDER if number not in BAD]
    expected = np.stack([np.asarray(Image.open(io.BytesIO(CONTENTS[number]))) for number in good])
    np.testing.assert_array_equal(np.load(tmp_path / "gathered/32x48.npy"), expected[:10])
    for most in (len(good), 7, 10, 12):  # all, fewer than were gathered, as many, and more
        unpack(tmp_path, "32x48", most=most)
        image_set = ImageSet.load(tmp_path / "32x48")
        np.testing.assert_array_equal(image_set.images, expected[:most])
        assert image_set.labels.tolist() == [number % 2 for number in good[:most]]
        originals, _ = image_set.first_with_originals(most)
        found = list(map(bytes, originals.originals(slice(None))))
        assert found == [CONTENTS[number] for number in good[:most]]
        assert originals.names(slice(None)) == [name_of(number).encode() for number in good[:most]]
        with pytest.raises(UserError, match=f"there are {most} images, not {most + 1}"):
            image_set.first_with_originals(most + 1)
    assert gathered.read(tmp_path)["images"] == len(good)
    assert names_in(tmp_path) == [name_of(number) for number in good]
    assert np.load(tmp_path / "gathered/labels.npy").tolist() == [number % 2 for number in good]


def test_at_least_one_image_of_a_size_becomes_pixels(tmp_path: Path) -> None:
    gathered_in(tmp_path, image_sizes=["own", 8], most_bytes=8 * 8 * 3 * 2)
    assert [len(np.load(tmp_path / f"gathered/{size}.npy")) for size in ("32x48", "8x8")] == [1, 2]


def test_no_more_pixels_than_fit_are_written_in_between(tmp_path: Path) -> None:
    def end(place: int) -> None:
        if place == len(MANY) - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather.write(Files(MANY, end), tmp_path, RECORD, Wanted(bad_share=0.01, cores=1, most_bytes=10 * ROW_BYTES))
    (rows,) = tmp_path.glob(".gathering-*/32x48.npy")
    assert 9 * ROW_BYTES < rows.stat().st_size < 11 * ROW_BYTES
    gathered_in(tmp_path, MANY, most_bytes=10 * ROW_BYTES)
    few = gathered_in(tmp_path.with_name("undisturbed"), MANY, most_bytes=10 * ROW_BYTES)
    assert files_in(tmp_path) == files_in(few)


def test_a_source_of_anything_but_images_is_soon_refused(tmp_path: Path) -> None:
    read: list[int] = []
    with pytest.raises(UserError, match=r"^images: 1\d\d of 1\d\d images of /drawn are bad"):
        gather.write(Files([b"text"] * 3000, read.append), tmp_path, RECORD, Wanted(bad_share=0.01, cores=1))
    assert len(read) < 300


def test_bad_images_that_are_read_first_may_be_few_of_all(tmp_path: Path) -> None:
    contents = [b""] * 6 + CONTENTS * 5

    class Sorted(Files):
        def read(self, numbers):
            return super().read(np.sort(numbers))

    gather.write(Sorted(contents), tmp_path, RECORD, Wanted(bad_share=0.03, cores=1, image_sizes=[4]))
    assert gathered.read(tmp_path)["bad_images"]["count"] == 6


MIXED = [drawn(number, *((300, 230) if number % 2 else (230, 400))) for number in range(6)]


def test_files_of_several_sizes_become_squares_of_224_and_none_is_smaller(tmp_path: Path) -> None:
    facts = gathered.read(gathered_in(tmp_path, MIXED))
    assert facts["own_size"] is None
    assert sorted(path.name for path in (tmp_path / "gathered").glob("*x*.npy")) == ["224x224.npy"]
    unpack(tmp_path, "224x224")
    assert ImageSet.load(tmp_path / "224x224").provenance["upscaled_images"] == {"count": 0, "first": []}


def test_a_size_that_only_the_first_files_have_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "LOOKED_AT", 1)
    assert gathered.read(gathered_in(tmp_path, MIXED, image_sizes=["own"]))["own_size"] is None
    assert not list((tmp_path / "gathered").glob("*x*.npy"))


def test_a_size_that_is_asked_for_later_has_the_same_pixels(whole: Path, tmp_path: Path) -> None:
    """It is decoded from what was gathered; the source isn't asked."""
    gathered_in(tmp_path, image_sizes=[24])
    assert [path.name for path in (tmp_path / "gathered").glob("*x*.npy")] == ["24x24.npy"]
    for size in ("24x24", "32x48"):
        provenances = []
        for place in (tmp_path, whole):
            unpack(place, size, cores=2)
            provenances.append(ImageSet.load(place / size).provenance)
        assert provenances[0] == provenances[1]
        assert provenances[0]["image_shape"] == [*map(int, size.split("x")), 3]


def test_a_size_to_which_most_images_would_be_scaled_up_is_refused(tmp_path: Path) -> None:
    small = [drawn(number, *((20, 20) if number < 4 else (90, 70))) for number in range(6)]
    gathered_in(tmp_path, small, image_sizes=[16])
    with pytest.raises(UserError) as caught:
        unpack(tmp_path, "64x64")
    message = str(caught.value)
    assert message.startswith("image size 64x64: 4 of 6 images of drawn are smaller, such as ")
    assert message.endswith("; leave the size out of image_sizes, or set upscale: true")
    assert not (tmp_path / "64x64/provenance.json").exists()
    unpack(tmp_path, "64x64", upscale=True)
    marked = ImageSet.load(tmp_path / "64x64").provenance["upscaled_images"]
    assert marked == {"count": 4, "first": [name_of(number) for number in shuffled(6) if number < 4]}
    gathered_in(tmp_path, small[3:], image_sizes=[16])
    unpack(tmp_path, "64x64")
    assert ImageSet.load(tmp_path / "64x64").provenance["upscaled_images"] == {"count": 1, "first": [name_of(0)]}


GATHERS_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from scripts.dataset import gather
from tests.dataset.test_gather_files import MANY
from tests.support.drawn_files import RECORD, Files

place, reads = Path(sys.argv[1]), []

def wait_for_the_end(number):
    reads.append(number)
    if len(reads) == gather.LOOKED_AT + len(MANY) - 2:  # after the look at some sizes
        (place / "waits").touch()
        time.sleep(600)

if __name__ == "__main__":
    gather.write(Files(MANY, wait_for_the_end), place, RECORD, gather.Wanted(bad_share=0.01, cores=1))
"""


def test_after_a_kill_it_goes_on_and_ends_in_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GATHERS_UNTIL_KILLED, str(tmp_path)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)
    while not (tmp_path / "waits").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "waits").unlink()
    (left,) = tmp_path.glob(".gathering-*")
    kept = (left / "journal").read_bytes().count(b"\n")
    assert 0 < kept < len(MANY)
    assert not (tmp_path / "gathered.json").exists()
    with (left / "journal").open("ab") as journal, (left / "originals.bin").open("ab") as originals:
        journal.write(b'{"number": 7, "na')  # as a kill within a write leaves them
        originals.write(b"\xff\xd8")
    source = Files(MANY)
    gather.write(source, tmp_path, RECORD, Wanted(bad_share=0.01, cores=1))
    assert source.asked[-1] == ORDER_OF_MANY[kept:]
    assert files_in(tmp_path) == files_in(gathered_in(tmp_path.with_name("undisturbed"), MANY))


def test_what_was_gathered_to_other_sizes_is_no_start(tmp_path: Path) -> None:
    def end(place: int) -> None:
        if place == len(MANY) - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather.write(Files(MANY, end), tmp_path, RECORD, Wanted(bad_share=0.01, cores=1))
    assert list(tmp_path.glob(".gathering-*/journal"))
    source = Files(MANY)
    gather.write(source, tmp_path, RECORD, Wanted(bad_share=0.01, cores=1, image_sizes=[16]))
    assert source.asked[-1] == ORDER_OF_MANY
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("count", "file_bytes", "most_in_memory"), [(240, 200_000, 100), (40, 3_000_000, 10)])
def test_few_files_are_in_memory_whatever_their_number(
    tmp_path: Path, count: int, file_bytes: int, most_in_memory: int
) -> None:
    """Files are so large where their metadata take as much."""

    class Large(Files):
        def read(self, numbers):
            for sample in super().read(numbers):
                yield replace(sample, content=sample.content + bytes(file_bytes))

    source = Large((CONTENTS * 6)[:count])
    tracemalloc.start()
    try:
        gather.write(source, tmp_path, RECORD, Wanted(bad_share=0.01, cores=1, image_sizes=[8]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert gathered.read(tmp_path)["original_bytes"] > count * file_bytes
    assert peak < most_in_memory * file_bytes


def test_who_gathers_in_the_same_directory_is_waited_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    gathers = threading.Thread(target=gathered_in, args=(tmp_path, CONTENTS[:2]))
    gathers.start()
    said = ""
    while gathers.is_alive() and not said:
        said = capfd.readouterr().err
        time.sleep(0.01)
    assert said == f"waiting for the process that is gathering images in {tmp_path}\n"
    assert not list(tmp_path.iterdir())
    os.close(other)
    gathers.join()
    assert gathered.read(tmp_path)["images"] == 2


def test_a_killed_process_of_the_pool_is_one_line(tmp_path: Path) -> None:
    def kill(place: int) -> None:
        if place == len(MANY) - 1:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(UserError) as caught:
        gather.write(Files(MANY, kill), tmp_path, RECORD, Wanted(bad_share=0.01, cores=1))
    assert str(caught.value).startswith(
        "one of the processes that share the work was killed, most likely for want of memory; run"
    )
    assert "\n" not in str(caught.value)
    assert gathered.read(gathered_in(tmp_path, MANY))["images"] == len(MANY)


@pytest.mark.parametrize("content", [None, "[]", "{}", '{"gathered_version": 1, "images": 3}'])
def test_a_damaged_account_of_what_was_gathered_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "gathered.json"
    if content:
        path.write_text(content)
    with pytest.raises(UserError) as caught:
        unpack(tmp_path, "32x32")
    assert str(caught.value).startswith(str(path))
    assert "run the workflow again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_steps_gather_and_unpack_a_folder(tmp_path: Path) -> None:
    for number, content in enumerate(CONTENTS[:6]):
        path = tmp_path / "photographs" / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    step = [sys.executable, str(CHECKOUT / "scripts")]
    for command in (
        "download --images photographs --directory kept --most 4 --output out/source.json",
        "gather --source out/source.json --directory out --most 4 --image-sizes own 16 --bad-share 0.01"
        " --most-bytes 2500 --cores 1",
        "unpack --directory out --image-size 16x16 --most 3",
    ):
        subprocess.run([*step, *command.split()], cwd=tmp_path, check=True, timeout=60)
    image_set = ImageSet.load(tmp_path / "out/16x16")
    assert np.load(tmp_path / "out/gathered/16x16.npy").shape == (3, 16, 16, 3)
    assert image_set.images.shape == (3, 16, 16, 3)
    assert image_set.provenance["label_names"] == ["even", "odd"]
    assert sealed.read(tmp_path / "out/gathered.json")["listed"] == 6
    originals, _ = image_set.first_with_originals(3)
    for name, content in zip(originals.names(slice(None)), originals.originals(slice(None)), strict=True):
        assert (tmp_path / "photographs" / name.decode()).read_bytes() == content
