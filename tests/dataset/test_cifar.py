"""Archives, honest and hostile: what is read from them and why the rest is refused."""

import gzip
import pickle
import random
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset import sources
from scripts.dataset.sources import Sample, cifar
from scripts.dataset.sources.shared import members as archives
from tests.support.archives import META, as_images, evil_pickle, members, python2_pickle, rows, tar_gz


def read(path: Path) -> list[Sample]:
    """Read all there is, in the order of the numbers."""
    with cifar.open_source(path) as source:
        samples = sorted(source.read(range(source.count)), key=lambda sample: sample.number)
    assert [sample.number for sample in samples] == list(range(source.count))
    return samples


def assert_are(samples: list[Sample], contents: list[dict]) -> None:
    """Hold samples against the contents of batches."""
    np.testing.assert_array_equal([sample.content for sample in samples], np.concatenate([*map(as_images, contents)]))
    assert [sample.label for sample in samples] == [label for content in contents for label in content[b"labels"]]


def refusal(path: Path) -> str:
    """Read what must not be read; returns the one line that says why."""
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "images:" in message
    assert "\n" not in message
    return message


def test_python_2_batches_are_read_in_the_order_of_their_numbers(tmp_path):
    contents = members(**{f"data_batch_{number}": rows(number % 3 + 1, number) for number in range(1, 13)})
    shuffled = dict(random.Random(0).sample(sorted(contents.items()), len(contents)))
    samples = read(tar_gz(tmp_path / "a.tar.gz", shuffled))
    assert_are(samples, [contents[f"data_batch_{number}"] for number in range(1, 13)])
    assert [sample.name for sample in samples[:3]] == ["data_batch_1/0", "data_batch_1/1", "data_batch_2/0"]
    assert samples[0].content.dtype == np.uint8


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("as_text", [True, False], ids=["text", "bytes"])
def test_batches_pickled_by_python_3_are_read(tmp_path, protocol, as_text):
    content = rows(4, 1)
    content[b"labels"] = np.array(content[b"labels"])
    keyed = {key.decode(): value for key, value in content.items()} if as_text else content
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=pickle.dumps(keyed, protocol)))
    assert_are(read(path)[:4], [content])


def test_an_array_in_column_order_is_read(tmp_path):
    content = rows(4, 1)
    content[b"data"] = np.asfortranarray(content[b"data"])
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=pickle.dumps(content, 4)))
    assert_are(read(path)[:4], [content])


def extra_member(name: str, kind: bytes = tarfile.REGTYPE, **attributes: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


HOSTILE = {
    "absolute": (extra_member("/etc/evil"), "outside"),
    "dots": (extra_member("cifar/../../evil"), "outside"),
    "dots-directory": (extra_member("../evil", tarfile.DIRTYPE), "outside"),
    "symbolic-link": (extra_member("data_batch_3", tarfile.SYMTYPE, linkname="/etc/passwd"), "link"),
    "hard-link": (extra_member("data_batch_3", tarfile.LNKTYPE, linkname="/etc/passwd"), "link"),
    "character-device": (extra_member("data_batch_3", tarfile.CHRTYPE), "device"),
    "block-device": (extra_member("data_batch_3", tarfile.BLKTYPE), "device"),
    "pipe": (extra_member("data_batch_3", tarfile.FIFOTYPE), "plain file"),
    "sparse": (
        extra_member("data_batch_3", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"}),
        "plain file",
    ),
    "duplicate": (extra_member("cifar-10-batches-py/data_batch_2"), "second member"),
    "duplicate-elsewhere": (extra_member("elsewhere/data_batch_2"), "second member"),
}


@pytest.mark.parametrize(("extra", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_members_are_refused(tmp_path, extra, reason):
    path = tar_gz(tmp_path / "a.tar.gz", members(), extra=extra)
    assert reason in refusal(path)
    assert [path] == list(tmp_path.iterdir())


def test_a_member_of_absurd_size_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(extra_member("data_batch_1", size=1 << 40).tobuf(tarfile.GNU_FORMAT)))
    assert "more than images need" in refusal(path)


def test_an_absurd_header_of_a_header_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(extra_member("x", tarfile.GNUTYPE_LONGNAME, size=1 << 40).tobuf(tarfile.GNU_FORMAT)))
    assert "absurdly large" in refusal(path)


def test_headers_within_headers_are_refused(tmp_path):
    header = extra_member("x", tarfile.GNUTYPE_LONGNAME, size=1).tobuf() + b"x".ljust(512, b"\0")
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(header * 5_000))
    assert "damaged" in refusal(path)


def test_an_archive_that_decompresses_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_SURE_BYTES", 30_000)
    monkeypatch.setattr(archives, "MOST_RATIO", 0)
    assert "absurdly large when decompressed" in refusal(tar_gz(tmp_path / "a.tar.gz", members()))


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert "more than images need" in refusal(tar_gz(tmp_path / "a.tar.gz", members()))


def test_an_archive_cut_short_anywhere_is_refused(tmp_path):
    whole = tar_gz(tmp_path / "whole.tar.gz", members()).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for length in (0, 1, 10, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        cut.write_bytes(whole[:length])
        assert "damaged, cut short or no archive" in refusal(cut)


def test_an_archive_cut_short_before_it_was_compressed_is_refused(tmp_path):
    whole = gzip.decompress(tar_gz(tmp_path / "whole.tar.gz", members()).read_bytes())
    with tarfile.open(tmp_path / "whole.tar.gz") as tar:
        ends = [member.offset for member in tar][1:]
    cut = tmp_path / "cut.tar.gz"
    for length in (*ends, ends[-1] + 100, ends[-1] + 1000):
        cut.write_bytes(gzip.compress(whole[:length], 1))
        assert "damaged, cut short" in refusal(cut)


def test_damage_between_members_is_no_end(tmp_path):
    whole = bytearray(gzip.decompress(tar_gz(tmp_path / "whole.tar.gz", members()).read_bytes()))
    with tarfile.open(tmp_path / "whole.tar.gz") as tar:
        last = tar.getmembers()[-1].offset
    whole[last : last + 512] = b"x" * 512
    path = tmp_path / "damaged.tar.gz"
    path.write_bytes(gzip.compress(whole, 1))
    assert "damaged" in refusal(path)


def test_damaged_bytes_are_refused(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 99, gzip.compress(b"no tar" * 999)], ids=len)
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    assert "no archive" in refusal(path)


def test_a_missing_batch_is_named(tmp_path):
    assert "no member data_batch_1:" in refusal(tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=None)))
    none = members(data_batch_1=None, data_batch_2=None)
    assert "no member data_batch_1:" in refusal(tar_gz(tmp_path / "a.tar.gz", none))


@pytest.mark.parametrize("name", ["test_batch", "batches.meta"])
def test_what_no_training_image_needs_may_be_missing(tmp_path, name):
    contents = members(**{name: None})
    assert_are(read(tar_gz(tmp_path / "a.tar.gz", contents)), [contents["data_batch_1"], contents["data_batch_2"]])


def test_a_missing_number_is_named(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_4=rows(1), data_batch_999999999=rows(1)))
    assert "no member data_batch_3:" in refusal(path)


BAD_BATCHES = {
    "fewer-labels": (rows(4, labels=[0, 1]), "4 rows but 2 labels"),
    "no-labels": (rows(4, labels=b"no list"), "4 rows but no labels"),
    "label-too-large": (rows(2, labels=[0, 3]), "labels that are not from 0 to 2"),
    "negative-label": (rows(2, labels=[0, -1]), "labels that are not from 0 to 2"),
    "label-no-number": (rows(2, labels=[0, b"dog"]), "labels that are not from 0 to 2"),
    "narrow-rows": (rows(1, data=np.zeros((1, 3071), np.uint8)), "rows of 3,071 bytes, no three planes"),
    "wide-type": (pickle.dumps(rows(1, data=np.zeros((1, 3072), np.int64)), 4), "no `data` in rows of bytes"),
    "one-dimension": (pickle.dumps(rows(1, data=np.zeros(3072, np.uint8)), 4), "no `data` in rows of bytes"),
    "no-array": (rows(1, data=[1, 2, 3]), "no `data` in rows of bytes"),
    "no-rows": (rows(0), "0 rows where at least one"),
    "no-dict": (pickle.dumps([1, 2], 4), "no dict"),
    "no-pickle": (b"<html>", "damaged"),
    "empty": (b"", "damaged"),
    "cut": (python2_pickle(rows(4))[:-100], "damaged"),
    "short-array": (python2_pickle(rows(4)).replace(b"J\0\x0c\0\0\x86", b"J\1\x0c\0\0\x86"), "damaged"),
}


@pytest.mark.parametrize(("content", "reason"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_is_refused_and_named(tmp_path, content, reason):
    message = refusal(tar_gz(tmp_path / "a.tar.gz", members(data_batch_2=content)))
    assert reason in message
    assert message.startswith("data_batch_2 in ")


@pytest.mark.parametrize("names", [None, b"cat", [], [1, 2]], ids=repr)
def test_bad_label_names_are_refused(tmp_path, names):
    meta = META | {b"label_names": names}
    assert "label_names" in refusal(tar_gz(tmp_path / "a.tar.gz", members(**{"batches.meta": pickle.dumps(meta, 4)})))


def packed(path: Path, contents: dict[str, object]) -> Path:
    """Write members in another form of archive, by the extension of its path; "" is a folder."""
    folder = path.with_suffix(".folder")
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 4))
    if not path.suffix:
        return folder.rename(path)
    return Path(shutil.make_archive(str(path.with_suffix("")), path.suffix[1:], folder))


@pytest.mark.parametrize("suffix", ["", ".tar", ".zip"])
def test_the_form_of_the_archive_does_not_matter(tmp_path, suffix):
    contents = members()
    path = packed(tmp_path / f"a{suffix}", contents)
    assert sources.recognise(path) == "cifar"
    assert_are(read(path), [contents["data_batch_1"], contents["data_batch_2"]])


def test_cifar_100_has_fine_labels(tmp_path):
    batch = rows(5, 1)
    batch = {b"fine_labels": batch[b"labels"], b"coarse_labels": [0] * 5, b"data": batch[b"data"]}
    meta = {b"fine_label_names": [b"apple", b"bear", b"bee"], b"coarse_label_names": [b"all"]}
    path = tar_gz(tmp_path / "a.tar.gz", {"meta": pickle.dumps(meta, 2), "test": batch, "train": batch})
    with cifar.open_source(path) as source:
        assert source.label_names == ["apple", "bear", "bee"]
    assert sources.recognise(path) == "cifar"
    assert_are(read(path), [batch | {b"labels": batch[b"fine_labels"]}])


@pytest.mark.parametrize("side", [8, 32, 64])
def test_batches_like_those_of_imagenet_are_read(tmp_path, side):
    data = np.random.default_rng(0).integers(0, 256, (6, 3 * side * side), dtype=np.uint8)
    halves = {
        f"train_data_batch_{number + 1}": pickle.dumps(
            {"data": data[number::2], "labels": [1000, 1, 7], "mean": data[0]}
        )
        for number in range(2)
    }
    path = packed(tmp_path / "a.zip", halves | {"val_data": pickle.dumps({"data": data, "labels": [1] * 6})})
    samples = read(path)
    assert [sample.label for sample in samples] == [1000, 1, 7] * 2
    expected = np.concatenate([data[0::2], data[1::2]]).reshape(6, 3, side, side).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal([sample.content for sample in samples], expected)


def test_two_files_that_accompany_batches_are_harmless(tmp_path):
    contents = members()
    path = tar_gz(
        tmp_path / "a.tar.gz", contents | {"README": b"one", "elsewhere/README": b"two", ".DS_Store": b"\x80"}
    )
    assert sources.recognise(path) == "cifar"
    assert_are(read(path), [contents["data_batch_1"], contents["data_batch_2"]])


def test_labels_with_names_count_from_zero(tmp_path):
    path = tar_gz(
        tmp_path / "a.tar.gz", members(data_batch_1=rows(3, labels=[1, 2, 3]), data_batch_2=rows(1, labels=[3]))
    )
    assert [sample.label for sample in read(path)] == [0, 1, 2, 2]


NAMES = {
    "array": np.array(["cat", "dog", "frog"]),
    "array-of-bytes": np.array([b"cat", b"dog", b"frog"]),
    "array-of-objects": np.array(["cat", "dog", "frog"], object),
    "texts-of-numpy": list(np.array(["cat", "dog", "frog"])),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numbers_and_names_of_numpy_are_taken(tmp_path, names, protocol):
    labels = [np.int64(number % 3) for number in range(1_500)]
    numpy_batch = pickle.dumps({"data": np.zeros((1_500, 3), np.uint8), "labels": labels}, protocol)
    meta = pickle.dumps({"label_names": names}, protocol)
    path = tar_gz(tmp_path / "a.tar.gz", {"batches.meta": meta, "data_batch_1": numpy_batch})
    with cifar.open_source(path) as source:
        assert source.label_names == ["cat", "dog", "frog"]
    assert [sample.label for sample in read(path)] == labels


def test_images_of_two_sizes_are_refused(tmp_path):
    small = {b"data": np.zeros((1, 12), np.uint8), b"labels": [0]}
    assert "another size" in refusal(tar_gz(tmp_path / "a.tar.gz", members(data_batch_2=small)))


def test_only_the_batches_that_are_asked_for_are_read(tmp_path):
    path = packed(tmp_path / "a", members())
    with cifar.open_source(path) as source:
        (path / "data_batch_1").unlink()
        assert [sample.number for sample in source.read([6, 4])] == [4, 6]


def test_an_evil_archive_is_one_line_for_the_user(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_2=evil_pickle(tmp_path / "marker")))
    assert "'posix' 'system'" in refusal(path)
    assert not (tmp_path / "marker").exists()
