"""Pickles that want more than to be data: each is refused, in one line."""

import pickle
import struct

import numpy as np
import pytest

from scripts.dataset import pickles
from tests.support.archives import Evil, evil_pickle

SCALAR = b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n"

EVIL = {
    "eval": pickle.dumps({b"data": Evil(eval, "1")}),
    "getattr-chain": pickle.dumps({b"data": Evil(getattr, Evil(__import__, "os"), "system")}),
    "dotted-name": b"\x80\x04\x8c\x05numpy\x8c\x0ddtype.__new__\x93.",
    "numpy-load": b"\x80\x02cnumpy\nload\n(U\x0b/etc/passwdtR.",
    "numpy-other": b"\x80\x02cnumpy.core.multiarray\nfromfile\n(U\x0b/etc/passwdtR.",
    "objects": pickle.dumps({b"data": np.array([[1, {}], [None, 2]], dtype=object)}, 2),
    "records": pickle.dumps({b"data": np.zeros(2, [("a", "u1"), ("b", "O")])}, 4),
    "times": pickle.dumps({b"data": np.zeros(2, "M8[s]")}, 4),
    "scalar-object": b"\x80\x02}U\x01x" + SCALAR + b"U\x02O8K\x00K\x01\x87R}\x86Rs.",
    "long-text": b"\x80\x02}U\x01x" + SCALAR + b"U\x0bU9999999999K\x00K\x01\x87RU\x00\x86Rs.",
    "array-subclass": pickle.dumps({b"data": np.ma.zeros(3)}),
    "extension-code": b"\x80\x02\x82\x01.",
    "persistent-id": b"\x80\x02U\x01xQ.",
    "set-on-function": b"\x80\x02c_codecs\nencode\nN}X\x08\0\0\0__code__K\x01s\x86b.",
    "table-of-memory": b"\x80\x02}r" + struct.pack("<I", 2_000_000) + b".",
    "nested-keys": b"\x80\x02})" + b"\x85" * 2_000_000 + b"K\x01s.",
    "long-name": b"\x80\x02c" + b"x" * 10_000 + b"\nx\n.",
    "size-without-bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
}


@pytest.mark.parametrize("content", EVIL.values(), ids=EVIL)
def test_a_pickle_that_is_more_than_data_is_refused(content):
    with pytest.raises(pickle.UnpicklingError) as caught:
        pickles.load(content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_tuples_can_not_be_nested_by_way_of_calls():
    once_more = b"h\x01h\x00\x85q\x00R0"
    content = b"\x80\x02}cnumpy\nndarray\nq\x01)q\x00" + once_more * 2_000 + b"h\x00K\x01s."
    with pytest.raises(pickle.UnpicklingError, match="more memory"):
        pickles.load(content)


def test_a_pickle_runs_no_program(tmp_path):
    content = evil_pickle(tmp_path / "marker")
    with pytest.raises(pickle.UnpicklingError, match="asks for 'posix' 'system'"):
        pickles.load(content)
    assert not (tmp_path / "marker").exists()
    pickle.loads(content)
    assert (tmp_path / "marker").exists()


def test_data_is_read():
    content = {b"count": 3, "names": [b"cat", "dog"], b"more": {b"ratio": 0.5}, "data": np.arange(6.0).reshape(2, 3)}
    result = pickles.load(pickle.dumps(content))
    np.testing.assert_array_equal(result.pop("data"), content["data"])
    assert result == {"count": 3, "names": [b"cat", "dog"], "more": {b"ratio": 0.5}}


def test_numbers_and_text_of_numpy_come_out_as_those_of_python():
    content = {"numbers": [np.int64(7), np.uint8(8), np.float32(0.5)] * 2_000, "texts": [np.str_("é"), np.bytes_(b"x")]}
    result = pickles.load(pickle.dumps(content))
    assert result == {"numbers": [7, 8, 0.5] * 2_000, "texts": ["é", b"x"]}
    assert {type(value) for value in result["numbers"] + result["texts"]} == {int, float, str, bytes}


@pytest.mark.parametrize("names", [["cat", "dög"], [b"cat", b"dog"], np.array(["cat", "dog"], object)], ids=repr)
def test_arrays_of_text_are_read(names):
    result = pickles.load(pickle.dumps({"names": np.array(names)}))
    assert result["names"].tolist() == list(names)
