"""Codecs: every image comes back as it was, and bytes that aren't an image of that shape are refused."""

import io
import itertools
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts import codecs
from scripts.common.errors import UserError

SHAPES = [(32, 32, 3), (5, 7, 3), (1, 1, 3), (33, 31, 3), (300, 200, 3)]


def make(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@pytest.fixture(params=codecs.names())
def codec(request: pytest.FixtureRequest) -> codecs.Codec:
    return codecs.load(request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_round_trip(codec: codecs.Codec, shape: tuple[int, int, int]) -> None:
    image = make(shape)
    value = bytes(codec.encode(image))
    for form in (value, memoryview(value)):
        out = np.zeros(shape, np.uint8)
        codec.decode(form, out)
        np.testing.assert_array_equal(out, image)


def test_no_reference_to_the_value_is_kept(codec: codecs.Codec) -> None:
    image, out = make((9, 8, 3)), np.zeros((9, 8, 3), np.uint8)
    value = bytearray(codec.encode(image))
    codec.decode(memoryview(value), out)
    value[:] = bytes(len(value))
    value.clear()
    np.testing.assert_array_equal(out, image)


def test_threads_do_not_get_each_others_images(codec: codecs.Codec) -> None:
    """Each thread has a reader of its own, and all of them have the codec in common."""
    images = [np.repeat(make((20, 10 + number, 3)), 20, axis=0) for number in range(4)]
    values = [bytes(codec.encode(image)) for image in images]

    def come_back(image: np.ndarray, value: bytes) -> bool:
        out = np.zeros_like(image)
        for _ in range(200):
            codec.decode(value, out)
            if not np.array_equal(out, image):
                return False
        return True

    with ThreadPoolExecutor(len(images)) as pool:
        assert all(pool.map(come_back, images, values))


def test_identity_means_that_the_bytes_are_the_pixels(codec: codecs.Codec) -> None:
    image = make((9, 8, 3))
    assert (bytes(codec.encode(image)) == image.tobytes()) == codec.is_identity


def test_other_shapes_are_refused(codec: codecs.Codec) -> None:
    value = bytes(codec.encode(make((6, 4, 3))))
    for shape in [(6, 5, 3), (5, 4, 3), (1, 1, 3)]:
        with pytest.raises(ValueError, match=r"."):
            codec.decode(value, np.zeros(shape, np.uint8))


def test_bytes_cut_short_are_refused(codec: codecs.Codec) -> None:
    image = make((6, 4, 3))
    value = bytes(codec.encode(image))
    out = np.zeros_like(image)
    for length in range(len(value)):
        try:
            codec.decode(value[:length], out)
        except ValueError:
            continue
        np.testing.assert_array_equal(out, image, err_msg=f"{length} of {len(value)} bytes were taken for an image")


def test_unknown_codec() -> None:
    with pytest.raises(UserError, match="there is no codec jpeg; did you mean png"):
        codecs.load("jpeg")


def test_png_is_what_pillow_saves(tmp_path: Path) -> None:
    image = make((32, 32, 3))
    Image.fromarray(image).save(tmp_path / "image.png")
    assert bytes(codecs.load("png").encode(image)) == (tmp_path / "image.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "mode"),
    # fastpng makes RGB of a palette's colours, which are what was meant.
    [*itertools.product(["png", "fastpng"], ["L", "RGBA", "1", "I;16"]), ("png", "P"), ("webp", "RGBA")],
)
def test_a_picture_of_another_kind_is_refused(name: str, mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (4, 6)).save(file, "WEBP" if name == "webp" else "PNG", lossless=True)
    with pytest.raises(ValueError, match=r"not of|not a whole RGB PNG"):
        codecs.load(name).decode(file.getvalue(), np.zeros((6, 4, 3), np.uint8))


@pytest.mark.parametrize("name", ["png", "webp"])
def test_nothing_of_another_size_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Image.Image) -> None:
        raise AssertionError

    codec = codecs.load(name)
    value = codec.encode(make((6, 4, 3)))
    monkeypatch.setattr(Image.Image, "tobytes", fail)
    with pytest.raises(ValueError, match=r"a (PNG|WEBP) of .* not of"):
        codec.decode(value, np.zeros((6, 5, 3), np.uint8))


class Malicious:
    """Pickles as a call of os.mkdir."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_pickle_runs_no_code(tmp_path: Path) -> None:
    value = pickle.dumps(((1, 1, 3), Malicious(tmp_path / "made")))
    with pytest.raises(ValueError, match="it names"):
        codecs.load("pickle").decode(value, np.zeros((1, 1, 3), np.uint8))
    assert not (tmp_path / "made").exists()
    pickle.loads(value)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [None, 5, (), ((1, 1, 3), "abc"), ((1, 1, 3), b"ab"), ((1, 3, 1), b"abc"), [(1, 1, 3)], ((1, 1, 3), b"abc", 1)],
    ids=repr,
)
def test_pickle_of_anything_else_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="not a pickled image"):
        codecs.load("pickle").decode(pickle.dumps(content), np.zeros((1, 1, 3), np.uint8))
