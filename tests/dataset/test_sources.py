"""What every kind of source promises, and what no source lets through."""

import gzip
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.common.errors import UserError
from scripts.dataset import sources
from scripts.dataset.sources import Sample, Source
from scripts.dataset.sources.shared import image_names, labels, members, places
from tests.support import shared
from tests.support.sources import (
    EXAMPLES,
    LABELS,
    NAMES,
    PIXELS,
    Example,
    class_folders,
    idx,
    named,
    png,
    shard,
    write_files,
    write_parquet,
    write_tar,
)

FORMS = [(kind, form) for kind, forms in EXAMPLES.items() for form in forms]


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(sources.names())


def samples_of(path: Path) -> list[Sample]:
    """Recognise a source and read all of it, in the order of the numbers."""
    with sources.load(sources.recognise(path)).open_source(path) as source:
        return sorted(source.read(range(source.count)), key=lambda sample: sample.number)


def labels_of(path: Path) -> dict[str, str | int]:
    """The label of each image of a source by its name: the name of its class where there is one."""
    with sources.load(sources.recognise(path)).open_source(path) as source:
        return {sample.name: _label(source, sample) for sample in source.read(range(source.count))}


def refusal(path: Path, kind: str | None = None) -> str:
    """Open and read what must be refused; returns the one line that says why."""
    with pytest.raises(UserError) as caught, sources.load(kind or sources.recognise(path)).open_source(path) as source:
        list(source.read(range(source.count)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _label(source: Source, sample: Sample) -> str | int:
    return source.label_names[sample.label] if source.label_names else sample.label


def _which(sample: Sample) -> int:
    """The number in `PIXELS` of the image that a sample has."""
    content = sample.content
    pixels = np.array(Image.open(io.BytesIO(content))) if isinstance(content, bytes) else content
    grey = pixels.ndim == 2
    return next(n for n, image in enumerate(PIXELS) if np.array_equal(image[..., 0] if grey else image, pixels))


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_source_keeps_its_promises(tmp_path, kind, form):
    example: Example = EXAMPLES[kind][form](tmp_path)
    assert sources.recognise(example.path) == kind
    fitting = [name for name in sources.names() if sources.load(name).fits(example.path)]
    assert [name for name in fitting if name not in sources.GENERAL] == [kind] * (kind not in sources.GENERAL)

    module = sources.load(kind)
    with module.open_source(example.path) as source:
        assert source.count == len(PIXELS)
        everything = {sample.number: sample for sample in source.read(range(source.count))}
        assert sorted(everything) == list(range(source.count))
        assert sorted(map(_which, everything.values())) == list(range(len(PIXELS)))
        for sample in everything.values():
            assert _label(source, sample) == example.labels[_which(sample)]
            assert isinstance(sample.content, bytes) == source.has_originals
            assert type(sample.label) is type(sample.number) is int
            assert not sample.name.startswith("/")
        assert len({sample.name for sample in everything.values()}) == source.count
        if source.has_order:
            assert [_which(everything[number]) for number in range(source.count)] == list(range(source.count))
        if not isinstance(everything[0].content, bytes):
            assert {sample.content.shape for sample in everything.values()} == {
                (8, 8) if example.is_grey else (8, 8, 3)
            }
        if kind == "folder":
            assert all((source.root / sample.name).read_bytes() == sample.content for sample in everything.values())
        assert list(source.read([])) == []
        for numbers in ([5, 0, 3], np.array([6, 1])):
            assert_same(source.read(numbers), [everything[number] for number in numbers])
    with module.open_source(example.path) as again:
        assert_same(again.read(range(again.count)), list(everything.values()))
        assert again.label_names == source.label_names


def assert_same(found: list[Sample], expected: list[Sample]) -> None:
    """Hold samples against each other, in the order of their numbers."""
    pairs = zip(*(sorted(some, key=lambda sample: sample.number) for some in (found, expected)), strict=True)
    for one, other in pairs:
        assert (one.number, one.name, one.label) == (other.number, other.name, other.label)
        np.testing.assert_array_equal(one.content, other.content)


def read_files(place: Path) -> list[Path]:
    """The files of an example that a source reads, save for tables of labels; the largest first."""
    files = (path for path in place.rglob("*") if path.is_file() and "packed" not in path.parts)
    tables = ("metadata.csv", "l.CSV", "labels.parquet")
    wanted = (file for file in files if not file.name.startswith(("t10k", *tables)))
    return sorted(wanted, key=lambda file: -file.stat().st_size)


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_the_identity_changes_with_the_source(tmp_path, monkeypatch, kind, form):
    example: Example = EXAMPLES[kind][form](tmp_path)
    identify = sources.load(kind).identity
    before = identify(example.path, 100)
    assert identify(example.path, 100) == before
    assert len(before) == 64
    files = read_files(tmp_path)
    for file in files:
        file.write_bytes(file.read_bytes() + b" ")
        before, last = identify(example.path, 100), before
        assert before != last
    monkeypatch.setattr(places, "MOST_HASHED_BYTES", 0)
    by_time = identify(example.path, 100)
    for file in files:
        os.utime(file, ns=(1, 1))
    assert identify(example.path, 100) != by_time


def test_the_identity_of_a_folder_is_of_names_labels_and_the_files_that_are_read(tmp_path):
    root = write_files(tmp_path / "a", class_folders())
    identify = sources.load("folder").identity
    two, all_of_them = identify(root, 2), identify(root, 7)
    with sources.load("folder").open_source(root) as source:
        first = sources.order(source.count, source.has_order)
        os.utime(root / source.names[first[2]], ns=(1, 1))
    assert identify(root, 2) == two
    assert identify(root, 7) != all_of_them
    (root / "cat").rename(root / "cow")
    assert identify(root, 2) != two


def test_the_order_is_a_stable_shuffle_where_the_source_has_none():
    assert sources.order(5, True).tolist() == [0, 1, 2, 3, 4]
    assert sources.order(1_000, False).tolist() == sources.order(1_000, False).tolist() != list(range(1_000))
    assert sorted(sources.order(1_000, False)) == list(range(1_000))


def test_a_pattern_stands_for_the_files_that_are_there(tmp_path):
    write_files(tmp_path, dict.fromkeys(["a-08.x", "a-09.x", "a-10.x", "b-1.x", "b-2.x", "{a}", "[b]"], b""))
    patterns = {
        "a-{08..11}.x": ["a-08.x", "a-09.x", "a-10.x"],
        "{b,a}-*.x": ["b-1.x", "b-2.x", "a-08.x", "a-09.x", "a-10.x"],
        "b-[2-9].x": ["b-2.x"],
        "{a}": ["{a}"],
        "[b]": ["[b]"],
        "c": [],
    }
    assert {each: [file.name for file in places.expand(tmp_path / each)] for each in patterns} == patterns


ODD = (
    *(".DS_Store", "Thumbs.db", "cat/desktop.ini", "cat/._1.png", "__MACOSX/cat/._1.png", "__MACOSX/x.png", "LICENSE"),
    *(".ipynb_checkpoints/1-checkpoint.png", "cat/.hidden.png", "README", "README.md", "cat/README.txt", "notes.json"),
    *("cat/boxes.xml", "old.zip", "@eaDir/x.png"),
)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_oddities_are_no_images(tmp_path, kind):
    contents = class_folders() | dict.fromkeys(ODD, b"odd")
    path = write_files(tmp_path / "a", contents) if kind == "folder" else write_tar(tmp_path / "a", contents)
    (tmp_path / "a" / "empty").mkdir() if kind == "folder" else None
    assert sources.recognise(path) == kind
    assert labels_of(path) == {name: name.split("/")[0] for name in class_folders()}


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_an_image_may_have_any_name(tmp_path, kind):
    names = ["cat/1", "cat/2.PNG", "cat/3.jpg.png", "cat/x.odd", "dog/läufer\n.png", os.fsdecode(b"dog/\xff\xfe.png")]
    names += ["dog/ ", "dog/LICENSE.jpg", "dog/back\\slash.png"]
    contents = dict.fromkeys(names, png(0))
    path = write_files(tmp_path / "a", contents) if kind == "folder" else write_tar(tmp_path / "a", contents)
    assert labels_of(path) == {name: name[:3] for name in names}


CLASSES = {
    "flat": ([""], {}),
    "one-class": (["cat"], {"cat": "cat"}),
    "split-only": (["train"], {}),
    "split-with-a-class": (["train/cat"], {"train/cat": "cat"}),
    "wrapped": (["a/b/cat", "a/b/dog/x"], {"a/b/cat": "cat", "a/b/dog/x": "dog"}),
    "splits": (
        ["a/train/cat", "a/val/cat", "a/val/dog", "a/test"],
        {"a/train/cat": "cat", "a/val/cat": "cat", "a/val/dog": "dog", "a/test": "unlabelled"},
    ),
    "class-named-train": (["train", "plane"], {"train": "train", "plane": "plane"}),
    "beside-classes": (["", "cat", "dog"], {"": "unlabelled", "cat": "cat", "dog": "dog"}),
    "same-start": (["cat", "catfish"], {"cat": "cat", "catfish": "catfish"}),
}


@pytest.mark.parametrize(("folders", "expected"), CLASSES.values(), ids=CLASSES)
def test_the_class_is_the_first_folder_that_tells_images_apart(folders, expected):
    of_folder, names = image_names.classes(folders)
    assert {folder: names[label] for folder, label in of_folder.items() if names} == expected
    assert set(of_folder) == set(folders)


def test_a_table_counts_where_there_are_no_classes_by_folder(tmp_path):
    table = {"labels.csv": b"image,label\n0.png,7\n1.png,-9223372036854775808\nmore/2.png,8\n"}
    root = write_files(tmp_path / "a", {"0.png": png(0), "1.png": png(1), "2.png": png(2)} | table)
    assert labels_of(root) == {"0.png": 7, "1.png": -(1 << 63), "2.png": labels.NO_LABEL}
    root = write_files(tmp_path / "b", class_folders() | {"labels.csv": b"file,label\n0.png,x\n"})
    assert set(labels_of(root).values()) == set(NAMES)
    root = write_files(tmp_path / "c", {"i/0.png": png(0), "i/1.png": png(1), "l.csv": b"file,label\n0.png,x\n"})
    assert labels_of(root) == {"i/0.png": "x", "i/1.png": image_names.UNLABELLED}


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_damaged_table_is_named(tmp_path, name):
    root = write_files(tmp_path / "a", {"0.png": png(0), name: b"file,label\n0.png," + b"x" * 200_000})
    assert name in refusal(root)


@pytest.mark.parametrize(
    "values", [[3, 1, 3], ["3", b"1", np.int64(3)], [np.uint8(3), np.array([1])[0], True + 2]], ids=str
)
def test_labels_that_are_numbers_stay_what_they_are(values):
    found, names = labels.numbered(values)
    assert (found.tolist(), names, found.dtype) == ([3, 1, 3], [], np.int64)


def test_labels_that_are_names_are_numbered_in_their_order():
    assert labels.numbered(["b", np.str_("a"), b"b"])[1] == ["a", "b"]
    assert labels.numbered(["1_0", "9" * 19])[1] == ["1_0", "9" * 19]
    found, names = labels.numbered(["b", None, "a"])
    assert (found.tolist(), names) == ([1, 2, 0], ["a", "b", "unlabelled"])


def test_links_are_followed_once_and_loops_end(tmp_path):
    root = write_files(tmp_path / "a", {"cat/0.png": png(0), "dog/1.png": png(1)})
    write_files(tmp_path / "elsewhere", {"2.png": png(2), "deep/3.png": png(3), "file.png": png(4)})
    write_files(tmp_path / "far", {"5.png": png(5)})
    (tmp_path / "elsewhere" / "on").symlink_to(tmp_path / "far")
    (root / "emu").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root / "cat")
    (root / "loop").symlink_to(root)
    (root / "up").symlink_to("/")
    (root / "cat" / "link.png").symlink_to(tmp_path / "elsewhere" / "file.png")
    (root / "cat" / "gone.png").symlink_to("nowhere")
    (root / "cat" / "self.png").symlink_to("self.png")
    os.mkfifo(root / "cat" / "pipe.png")
    (root / "cat" / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "cat" / "socket.png"))
        assert labels_of(root) == {
            **dict.fromkeys(["cat/0.png", "cat/gone.png", "cat/link.png", "cat/self.png"], "cat"),
            "dog/1.png": "dog",
            **dict.fromkeys(["emu/2.png", "emu/deep/3.png", "emu/file.png"], "emu"),
        }
    contents = {sample.name: sample.content for sample in samples_of(root)}
    assert (contents["cat/gone.png"], contents["cat/self.png"], contents["cat/link.png"]) == (b"", b"", png(4))
    assert len(sources.load("folder").identity(root, 100)) == 64


def test_a_file_that_goes_or_becomes_a_pipe_is_named(tmp_path):
    root = write_files(tmp_path / "a", {"0.png": png(0), "1.png": png(1)})
    with sources.load("folder").open_source(root) as source:
        (root / "0.png").unlink()
        with pytest.raises(UserError, match=r"0\.png can't be read"):
            list(source.read([0]))
        os.mkfifo(root / "0.png")
        with pytest.raises(UserError, match=r"0\.png is no plain file"):
            list(source.read([0]))


def zip_of(path: Path, contents: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def _zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("cat/link.png")
    info.external_attr = 0o120777 << 16
    return info


HOSTILE = {"absolute": "/etc/evil.png", "dots": "cat/../../evil.png", "twice": "cat/0.png"}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_name_in_an_archive_is_refused(tmp_path, name):
    with zipfile.ZipFile(zip_of(tmp_path / "zip", class_folders()), "a") as archive:
        archive.writestr(name, b"x")
    with tarfile.open(write_tar(tmp_path / "tar", class_folders()), "a") as tar:
        tar.addfile(tarfile.TarInfo(name))
    for path in (tmp_path / "zip", tmp_path / "tar"):
        assert "don't trust this archive" in refusal(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_plain_file_is_refused(tmp_path, kind):
    with tarfile.open(write_tar(tmp_path / "tar", class_folders()), "a") as tar:
        member = tarfile.TarInfo("cat/evil.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert "no plain file" in refusal(tmp_path / "tar")
    assert "no plain file" in refusal(zip_of(tmp_path / "zip", class_folders() | {_zip_link(): b"/etc/passwd"}))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_listed_as_tarfile_lists_it(tmp_path, form):
    names = [
        "a.png",
        "b" * 100,
        "c" * 90 + "/" + "d" * 90,
        "e/" * 3 + "f.png",
        "./g.png",
        "h\n.png",
        os.fsdecode(b"\xff"),
    ]
    names += [] if form == tarfile.USTAR_FORMAT else ["i" * 300, "ä" * 99]
    headers = {"comment": "global"} if form == tarfile.PAX_FORMAT else {}
    with tarfile.open(tmp_path / "tar", "w", format=form, pax_headers=headers) as tar:
        for number, name in enumerate(names * 2):
            member = tarfile.TarInfo(name if number < len(names) else f"{number}/{name[-80:]}")
            member.size = number * 300
            member.uid = 1 << 20 if number % 2 else 0
            tar.addfile(member, io.BytesIO(bytes([number]) * member.size))
            tar.addfile(member := tarfile.TarInfo(f"folder{number}/")) if number % 3 == 0 else None
    with members.opened(tmp_path / "tar") as found, tarfile.open(tmp_path / "tar") as tar:
        files = [member for member in tar.getmembers() if member.isreg()]
        assert list(found.names) == [member.name.removeprefix("./") for member in files]
        assert list(found.sizes) == [member.size for member in files]
        contents = [content for _, content in found.read(range(len(files)))]
        assert contents == [tar.extractfile(member).read() for member in files]


def test_damage_to_a_header_is_no_end(tmp_path):
    whole = write_tar(tmp_path / "tar", class_folders()).read_bytes()
    with tarfile.open(tmp_path / "tar") as tar:
        starts = [member.offset for member in tar][1:]
    for number, start in enumerate(starts):
        damaged = bytearray(whole)
        damaged[start + (0, 124, 148, 156)[number % 4]] ^= 1
        (tmp_path / "tar").write_bytes(damaged)
        assert "damaged" in refusal(tmp_path / "tar")


@pytest.mark.parametrize("form", ["zip", "gztar", "xztar", "npz", "idx"])
def test_a_bomb_is_refused(tmp_path, monkeypatch, form):
    monkeypatch.setattr(members, "MOST_SURE_BYTES", 1 << 20)
    folder = write_files(tmp_path / "a", {"cat/0.png": png(0), "cat/1.png": bytes(3 << 20)})
    path = tmp_path / "bomb.npz"
    if form == "npz":
        np.savez_compressed(path, images=np.zeros((3, 1 << 10, 1 << 10), np.uint8))
    elif form == "idx":
        path.write_bytes(gzip.compress(idx(np.zeros((3, 1 << 10, 1 << 10)))))
    else:
        path = Path(shutil.make_archive(str(tmp_path / "bomb"), form, folder))
    assert "absurdly large when decompressed" in refusal(path)


def test_an_array_that_promises_more_than_it_has_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=PIXELS)
    content = (tmp_path / "a.npz").read_bytes().replace(b"(7, 8, 8, 3)", b"(9, 8, 8, 3)")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", content[content.index(b"\x93NUMPY") :][: PIXELS.nbytes + 128])
    assert "not as many bytes" in refusal(tmp_path / "a.npz")


def test_members_of_a_zip_that_share_their_bytes_are_refused(tmp_path):
    content = np.random.default_rng(0).bytes(10_000)
    whole = zip_of(tmp_path / "zip", {"0.png": content}).read_bytes()
    start = whole.index(b"PK\x01\x02")
    entry, end = whole[start:-22], bytearray(whole[-22:])
    entries = b"".join(entry.replace(b"0.png", b"%d.png" % number) for number in range(5))
    end[8:12], end[12:16] = b"\5\0\5\0", len(entries).to_bytes(4, "little")
    (tmp_path / "zip").write_bytes(whole[:start] + entries + end)
    assert "share their bytes" in refusal(tmp_path / "zip")


def test_a_damaged_member_of_a_zip_is_a_bad_image(tmp_path):
    path = zip_of(tmp_path / "zip", {"cat/0.png": png(0), "cat/1.png": png(1)})
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 0xFF
    path.write_bytes(damaged)
    assert [sample.content for sample in samples_of(path)] == [b"", png(1)]


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zip_of(tmp_path / "zip", {"cat/0.png": png(0)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path, "archive")


@pytest.mark.parametrize(
    ("kind", "form"), [form for form in FORMS if form[0] != "folder" and form != ("cifar", "folder")]
)
def test_a_source_cut_short_is_refused(tmp_path, kind, form):
    path = EXAMPLES[kind][form](tmp_path).path
    file = read_files(tmp_path)[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    assert file.name in refusal(path, kind) or str(path) in refusal(path, kind)


UNUSABLE = {
    "missing": (lambda place: place / "missing", "not there"),
    "empty-file": (lambda place: write_files(place, {"a": b""}) / "a", "an empty file"),
    "text": (lambda place: write_files(place, {"a": b"<html>"}) / "a", "begins with b'<html>'"),
    "one-image": (lambda place: write_files(place, {"a": png(0)}) / "a", "begins with b'\\x89PNG"),
    "empty-folder": (lambda place: place, "an empty folder"),
    "folder-of-texts": (lambda place: write_files(place, {"a.txt": b"x", "b/c.csv": b"y"}), "a folder with a.txt, b"),
    "empty-archive": (lambda place: write_tar(place / "a", {}), "a file that begins"),
    "archive-of-texts": (lambda place: write_tar(place / "a", {"a.txt": b"x"}), "a file that begins with b'a.txt"),
    "folder-of-archives": (lambda place: write_tar(place / "a.tar.gz", {}, "w:gz").parent, "a folder with a.tar.gz"),
    "pattern": (lambda place: place / "*.tar", "a pattern under which nothing lies"),
    "pattern-of-texts": (lambda place: write_files(place, {"a.tar": b"x"}) / "*.tar", "'a.tar' is a file that begins"),
    "device": (lambda place: Path("/dev/zero"), "no file and no folder"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "found"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_source_is_one_line_that_says_what_was_looked_for_and_found(tmp_path, make, found):
    with pytest.raises(UserError) as caught:
        sources.recognise(make(tmp_path))
    message = str(caught.value)
    assert found in message
    assert "\n" not in message
    assert all(sources.load(name).looks_for in message for name in sources.names())


def test_files_of_other_kinds_beside_images_change_nothing(tmp_path):
    others = {"f.npy": EXAMPLES["arrays"]["npy"](tmp_path).path.read_bytes(), "data_batch_1": b"\x80\x04N."}
    root = write_files(tmp_path / "a", class_folders() | others | {"x.tar": bytes(10_240), "m.parquet": b"PAR1"})
    assert sources.recognise(root) == "folder"
    flat = write_files(tmp_path / "b", {"f.npy": others["f.npy"], "0.png": png(0)})
    assert sources.recognise(flat) == "folder"


def test_shards_without_labels_or_with_some_are_read(tmp_path):
    contents = shard([0, 1], cls=lambda number: b"7") | {
        "002.jpg": png(2),
        "x/003.seg.png": png(3),
        "no-extension": b"",
    }
    contents |= {"__meta__.json": b"{", "x/003.json": b"[" * 9_999, "x/003.txt": b"some words", "only.txt": b"a"}
    path = write_tar(tmp_path / "a", contents)
    assert sources.recognise(path) == "webdataset"
    assert labels_of(path) == {"a/000.png": 7, "a/001.png": 7, "a/002.jpg": -1, "a/x/003.seg.png": -1}


def test_shards_of_one_name_in_several_folders_have_names_of_their_own(tmp_path):
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        write_tar(tmp_path / part / "000.tar", shard([0, 1], cls=lambda number: b"7"))
    found = [sample.name for sample in samples_of(tmp_path / "{train,val}/000.tar")]
    assert found == [f"{part}/000.tar/00{number}.png" for part in ("train", "val") for number in (0, 1)]
    assert list(labels_of(tmp_path / "{val}/000.tar")) == ["000.tar/000.png", "000.tar/001.png"]


def test_shards_without_labels_have_the_classes_of_their_folders(tmp_path):
    for number, part in enumerate((slice(0, 4), slice(4, 7))):
        write_tar(tmp_path / f"{number}.tar", dict(list(class_folders().items())[part]))
    boxes = {name.replace(".png", ".xml"): b"<box>" for name in class_folders()}
    write_tar(tmp_path / "a", class_folders() | boxes)
    for path in (tmp_path / "*.tar", tmp_path / "a"):
        assert sources.recognise(path) == "webdataset"
        assert {name.split("/", 1)[1]: label for name, label in labels_of(path).items()} == {
            name: name[:3] for name in class_folders()
        }


def test_parquet_without_metadata_and_with_gaps_is_read(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"id": ["a", "b", "c"], "Image": [png(0), None, png(2)], "Label": pa.array(["y", None, "x"])}
    parquet.write_table(pa.table(columns), tmp_path / "a")
    assert labels_of(tmp_path / "a") == {"a/0": "y", "a/1": "unlabelled", "a/2": "x"}
    assert [sample.content for sample in samples_of(tmp_path / "a")] == [png(0), b"", png(2)]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    parquet.write_table(pa.table({"image": pa.array([{"path": "../x.png"}], struct)}), tmp_path / "b")
    assert "names its images instead of holding them" in refusal(tmp_path / "b")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "c")
    assert "no column of images, but x (int64)" in refusal(tmp_path / "c")
    parquet.write_table(pa.table({"img": [png(0)]}), tmp_path / "e0")
    parquet.write_table(pa.table({"image": [png(0)]}), tmp_path / "e1")
    assert "images in column image, not in img" in refusal(tmp_path / "e?")
    table = parquet.read_table(write_parquet(tmp_path / "d"))
    table = table.set_column(1, "label", pa.array([-1, 0, 1, 2, 9, None, 0]))
    parquet.write_table(table, tmp_path / "d")
    assert list(labels_of(tmp_path / "d").values()) == ["unlabelled", *NAMES, "unlabelled", "unlabelled", "cat"]


def test_without_pyarrow_the_remedy_is_a_command(tmp_path):
    path = write_parquet(tmp_path / "a")
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from scripts.dataset import sources\n"
        f"with sources.load(sources.recognise(Path({str(path)!r}))).open_source(Path({str(path)!r})): pass"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{sys.executable} -m pip install --require-hashes -r requirements/all.txt" in ended.stderr


BAD_ARRAYS = {
    "floats": ({"images": PIXELS / 255}, "no array of images, but images (7, 8, 8, 3) float64"),
    "channels-first": ({"images": PIXELS.transpose(0, 3, 1, 2).copy()[:, :2]}, "no array of images"),
    "two": ({"a": PIXELS, "b": PIXELS}, "no array of images, but a"),
    "fewer-labels": ({"images": PIXELS, "labels": np.arange(3)}, "7 images, but labels of shape (3,)"),
    "float-labels": ({"images": PIXELS, "labels": np.ones(7)}, "labels of type float64"),
    "objects": ({"images": PIXELS, "labels": np.array([{}] * 7)}, "labels of type object"),
    "columns": ({"images": np.asfortranarray(PIXELS)}, "column-major"),
}


@pytest.mark.parametrize(("arrays", "reason"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_that_are_no_images_are_refused(tmp_path, arrays, reason):
    np.savez(tmp_path / "a.npz", **arrays)
    assert reason in refusal(tmp_path / "a.npz")


def test_a_pickle_in_an_array_is_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    assert "no array of images, but a (1,) object" in refusal(tmp_path / "a.npy")


def test_idx_labels_are_those_of_the_images_and_the_first_of_several(tmp_path):
    contents = {"x-images": idx(PIXELS), "x-labels": idx(np.stack([LABELS, [9] * 7], axis=1))}
    root = write_files(tmp_path / "a", contents | {"x-image-labels": idx(np.zeros(3)), "y": idx(np.zeros(7))})
    assert [sample.label for sample in samples_of(root)] == LABELS
    assert [sample.label for sample in samples_of(write_files(tmp_path / "b", {"x": idx(PIXELS)}))] == [0] * 7


@pytest.mark.slow
def test_a_listing_stays_small_and_reading_holds_a_few_images(tmp_path):
    import tracemalloc

    write_tar(tmp_path / "a", {f"cat/{number}.png": bytes(100_000) for number in range(200)})
    write_files(tmp_path / "f", {f"cat/{number}.png": bytes(100_000) for number in range(200)})
    for path in (tmp_path / "a", tmp_path / "f"):
        with sources.load(sources.recognise(path)).open_source(path) as source:
            tracemalloc.start()
            assert sum(len(sample.content) for sample in source.read(range(source.count))) == 20_000_000
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 1_000_000


THIRD_PARTY = """
import sys
from pathlib import Path
import numpy as np
place, pixels, names = Path(sys.argv[1]), np.load(sys.argv[2]), {names}
if sys.argv[3] == "webdataset":
    import webdataset
    with webdataset.ShardWriter(f"file:{{place}}/shard-%03d.tar", maxcount=3) as shards:
        for number, image in enumerate(pixels):
            shards.write({{"__key__": f"{{number:05d}}", "png": image, "cls": names[number]}})
else:
    import datasets
    from PIL import Image
    classes = datasets.ClassLabel(names=sorted(set(names)))
    features = datasets.Features({{"image": datasets.Image(), "label": classes}})
    columns = {{"image": [Image.fromarray(image) for image in pixels], "label": names}}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(place / "train.parquet", batch_size=3)
"""


@pytest.fixture(scope="session")
def third_party() -> Path:
    """A Python with the writers that aren't pinned: that of SOURCES_PYTHON, else of an environment made for it."""
    if "SOURCES_PYTHON" in os.environ:
        return Path(os.environ["SOURCES_PYTHON"])

    def make(place: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        command = [place / "bin/pip", "install", "-q", "webdataset", "datasets", "pillow"]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode:
            pytest.skip(f"webdataset and datasets can't be installed: {installed.stderr.strip()[-200:]}")

    return shared.once("writers", make) / "bin/python"


@pytest.mark.nightly
@pytest.mark.parametrize(("library", "kind"), [("webdataset", "webdataset"), ("datasets", "parquet")])
def test_what_the_ecosystem_writes_is_read(tmp_path, third_party, library, kind):
    np.save(tmp_path / "pixels.npy", PIXELS)
    (place := tmp_path / "made").mkdir()
    code = THIRD_PARTY.format(names=named())
    subprocess.run([third_party, "-c", code, place, tmp_path / "pixels.npy", library], check=True)
    assert sources.recognise(place) == kind
    with sources.load(kind).open_source(place) as source:
        samples = list(source.read(range(source.count)))
        assert [_label(source, sample) for sample in samples] == [named()[_which(sample)] for sample in samples]
    assert sorted(map(_which, samples)) == list(range(7))
