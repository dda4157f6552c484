"""Archives, honest and hostile: what is read from them and why the rest is refused."""

import gzip
import pickle
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset.sources import cifar10 as archives
from scripts.dataset.sources.cifar10 import Batch, open_archive
from tests.support.archives import META, as_images, evil_pickle, members, python2_pickle, rows, tar_gz


def read(path: Path, expected_rows: int | None = None) -> list[Batch]:
    """Read all there is: the training batches and, last, the test batch."""
    with open_archive(path, expected_rows) as archive:
        return list(archive.batches())


def refusal(path: Path, expected_rows: int | None = None) -> str:
    """Read what must not be read; returns the one line that says why."""
    with pytest.raises(UserError) as caught:
        read(path, expected_rows)
    message = str(caught.value)
    assert str(path) in message
    assert "images:" in message
    assert "\n" not in message
    return message


def test_python_2_batches_are_read_in_the_order_of_their_numbers(tmp_path):
    contents = members(**{f"data_batch_{number}": rows(number % 3 + 1, number) for number in range(1, 13)})
    shuffled = dict(random.Random(0).sample(sorted(contents.items()), len(contents)))
    batches = read(tar_gz(tmp_path / "a.tar.gz", shuffled))
    expected = [contents[f"data_batch_{number}"] for number in range(1, 13)] + [contents["test_batch"]]
    assert len(batches) == len(expected)
    for batch, content in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(batch.images, as_images(content))
        assert batch.labels.tolist() == content[b"labels"]
        assert (batch.images.dtype, batch.labels.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("as_text", [True, False], ids=["text", "bytes"])
def test_batches_pickled_by_python_3_are_read(tmp_path, protocol, as_text):
    content = rows(4, 1)
    content[b"labels"] = np.array(content[b"labels"])
    keyed = {key.decode(): value for key, value in content.items()} if as_text else content
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=pickle.dumps(keyed, protocol)))
    first = read(path)[0]
    np.testing.assert_array_equal(first.images, as_images(content))
    assert first.labels.tolist() == content[b"labels"].tolist()


def test_an_array_in_column_order_is_read(tmp_path):
    content = rows(4, 1)
    content[b"data"] = np.asfortranarray(content[b"data"])
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=pickle.dumps(content, 4)))
    np.testing.assert_array_equal(read(path)[0].images, as_images(content))


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
    assert "more than a batch of images needs" in refusal(path)


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
    monkeypatch.setattr(archives, "MOST_ARCHIVE_BYTES", 30_000)
    assert "absurdly large when decompressed" in refusal(tar_gz(tmp_path / "a.tar.gz", members()))


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert "more than a batch of images needs" in refusal(tar_gz(tmp_path / "a.tar.gz", members()))


def test_an_archive_cut_short_anywhere_is_refused(tmp_path):
    whole = tar_gz(tmp_path / "whole.tar.gz", members()).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for length in (0, 1, 10, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        cut.write_bytes(whole[:length])
        assert "damaged, cut short or no .tar.gz" in refusal(cut)


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
    assert "no .tar.gz" in refusal(path)


@pytest.mark.parametrize("name", ["test_batch", "batches.meta", "data_batch_1"])
def test_a_missing_member_is_named(tmp_path, name):
    assert f"no member {name}:" in refusal(tar_gz(tmp_path / "a.tar.gz", members(**{name: None})))


def test_a_missing_number_is_named(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_4=rows(1), data_batch_999999999=rows(1)))
    assert "no member data_batch_3:" in refusal(path)


BAD_BATCHES = {
    "fewer-labels": (rows(4, labels=[0, 1]), "4 rows but 2 labels"),
    "no-labels": (rows(4, labels=b"no list"), "4 rows but no labels"),
    "label-too-large": (rows(2, labels=[0, 3]), "labels that are not from 0 to 2"),
    "negative-label": (rows(2, labels=[0, -1]), "labels that are not from 0 to 2"),
    "label-no-number": (rows(2, labels=[0, b"dog"]), "labels that are not from 0 to 2"),
    "narrow-rows": (rows(1, data=np.zeros((1, 3071), np.uint8)), "rows of 3,072 bytes"),
    "wide-type": (pickle.dumps(rows(1, data=np.zeros((1, 3072), np.int64)), 4), "rows of 3,072 bytes"),
    "one-dimension": (pickle.dumps(rows(1, data=np.zeros(3072, np.uint8)), 4), "rows of 3,072 bytes"),
    "no-array": (rows(1, data=[1, 2, 3]), "rows of 3,072 bytes"),
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


def test_missing_rows_are_refused_where_their_number_is_known(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_1=rows(4), data_batch_2=rows(4)))
    assert "test_batch" in (message := refusal(path, 4))
    assert "2 rows where 4 are expected" in message


def test_an_evil_archive_is_one_line_for_the_user(tmp_path):
    path = tar_gz(tmp_path / "a.tar.gz", members(data_batch_2=evil_pickle(tmp_path / "marker")))
    assert "'posix' 'system'" in refusal(path)
    assert not (tmp_path / "marker").exists()
