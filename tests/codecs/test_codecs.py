"""Codecs: every image comes back, by lossless ones as it was, and bytes that aren't an image of that shape are bad."""

import io
import itertools
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts import codecs
from scripts.common.errors import UserError

ORIGINAL = codecs.load("original")
SHAPES = [(32, 32, 3), (5, 7, 3), (1, 1, 3), (33, 31, 3), (300, 200, 3)]


def make(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def smooth(shape: tuple[int, int, int]) -> np.ndarray:
    """An image that lossy codecs keep well, with colours of its own for each shape."""
    height, width, _ = shape
    rows, columns = np.mgrid[0:height, 0:width] / 300
    waves = [np.sin(3 * rows + columns * phase + sum(shape)) for phase in (1, 2, 3)]
    return np.rint(np.stack(waves, axis=2) * 100 + 128).astype(np.uint8)


def file_of(image: np.ndarray | Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **settings)
    return file.getvalue()


def value_of(codec: codecs.Codec, image: np.ndarray) -> bytes:
    """The bytes of an image by a codec; where it keeps originals, a file that holds these pixels."""
    return file_of(image) if codec.keeps_originals else bytes(codec.encode(image))


def decoded(codec: codecs.Codec, value: bytes | memoryview, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, np.uint8)
    codec.decode(value, out)
    return out


@pytest.fixture(params=codecs.names())
def codec(request: pytest.FixtureRequest) -> codecs.Codec:
    return codecs.load(request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_round_trip(codec: codecs.Codec, shape: tuple[int, int, int]) -> None:
    image = make(shape) if codec.is_lossless else smooth(shape)
    value = value_of(codec, image)
    for form in (value, memoryview(value)):
        out = decoded(codec, form, shape)
        if codec.is_lossless:
            np.testing.assert_array_equal(out, image)
        assert np.abs(out.astype(int) - image).mean() < 4


def test_no_reference_to_the_value_is_kept(codec: codecs.Codec) -> None:
    out = np.zeros((9, 8, 3), np.uint8)
    value = bytearray(value_of(codec, make((9, 8, 3))))
    codec.decode(memoryview(value), out)
    found = out.copy()
    value[:] = bytes(len(value))
    value.clear()
    np.testing.assert_array_equal(out, found)


def test_threads_do_not_get_each_others_images(codec: codecs.Codec) -> None:
    """Each thread has a reader of its own, and all of them have the codec in common."""
    images = [np.repeat(make((20, 10 + number, 3)), 20, axis=0) for number in range(4)]
    values = [value_of(codec, image) for image in images]
    found = [decoded(codec, value, image.shape) for image, value in zip(images, values, strict=True)]

    def come_back(image: np.ndarray, value: bytes) -> bool:
        return all(np.array_equal(decoded(codec, value, image.shape), image) for _ in range(200))

    with ThreadPoolExecutor(len(images)) as pool:
        assert all(pool.map(come_back, found, values))


def test_identity_means_that_the_bytes_are_the_pixels(codec: codecs.Codec) -> None:
    image = make((9, 8, 3))
    assert (value_of(codec, image) == image.tobytes()) == codec.is_identity


def test_other_shapes_are_refused_and_originals_scaled(codec: codecs.Codec) -> None:
    value = value_of(codec, make((6, 4, 3)))
    for shape in [(6, 5, 3), (5, 4, 3), (1, 1, 3)]:
        if codec.keeps_originals:
            np.testing.assert_array_equal(decoded(codec, value, shape), decoded(ORIGINAL, value, shape))
        else:
            with pytest.raises(ValueError, match=r"."):
                decoded(codec, value, shape)


def test_bytes_cut_short_are_refused(codec: codecs.Codec) -> None:
    image = make((6, 4, 3))
    value = value_of(codec, image)
    whole = decoded(codec, value, image.shape)
    for length in range(len(value)):
        try:
            out = decoded(codec, value[:length], image.shape)
        except ValueError:
            continue
        np.testing.assert_array_equal(out, whole, err_msg=f"{length} of {len(value)} bytes were taken for an image")


def test_pixels_make_no_original(codec: codecs.Codec) -> None:
    if codec.keeps_originals:
        with pytest.raises(TypeError, match="keeps files"):
            codec.encode(make((6, 4, 3)))


def test_unknown_codec() -> None:
    with pytest.raises(UserError, match="there is no codec jpg; did you mean jpeg"):
        codecs.load("jpg")


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


def photographs() -> dict[str, bytes]:
    """JPEG files of a smooth image of 300 x 200 with some noise, and other files."""
    noise = np.random.default_rng(1).integers(-9, 10, (200, 300, 3))
    image = Image.fromarray(np.clip(smooth((200, 300, 3)) + noise, 0, 255).astype(np.uint8))
    lying = Image.Exif()
    lying[0x0112] = 6
    return {
        "baseline": file_of(image, "JPEG"),
        "progressive": file_of(image, "JPEG", progressive=True, subsampling=0),
        "grey": file_of(image.convert("L"), "JPEG"),
        "inks": file_of(image.convert("CMYK"), "JPEG"),
        "lying": file_of(image, "JPEG", exif=lying),
        "more behind it": file_of(image, "JPEG") + b"more",
        "two": file_of(image, "MPO", save_all=True, append_images=[image]),
        "png": file_of(image),
    }


@pytest.mark.parametrize("name", [*photographs()])
def test_other_decoders_of_originals_are_close_to_the_rule(name: str) -> None:
    """How far on photographs is in their notes. Both are exact where they decode as the rule does."""
    value = photographs()[name]
    for size in (32, 50, 80):
        exact = decoded(ORIGINAL, value, (size, size, 3)).astype(int)
        fast = np.abs(decoded(codecs.load("fastoriginal"), value, exact.shape) - exact)
        scaled = np.abs(decoded(codecs.load("scaledoriginal"), value, exact.shape) - exact)
        assert fast.max() <= (0 if name in ("inks", "png") else 3)
        assert scaled.max() <= (0 if size == 80 else 24)
        assert scaled.mean() <= 2.5
        assert scaled.any() == (name not in ("inks", "png") and size < 80)


@pytest.mark.parametrize("name", ["original", "fastoriginal", "scaledoriginal"])
def test_a_photograph_that_ends_too_early_is_refused(name: str) -> None:
    whole, codec = photographs(), codecs.load(name)
    for value in (whole["baseline"], whole["progressive"], whole["grey"]):
        with pytest.raises(ValueError, match="truncated"):
            decoded(codec, value[: len(value) // 2], (32, 32, 3))
    for value in (whole["baseline"], whole["grey"]):
        with pytest.raises(ValueError, match="end too early"):
            decoded(codec, value[: len(value) // 2] + b"\xff\xd9", (32, 32, 3))


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


@pytest.mark.parametrize("name", ["jpeg", "fastjpeg", "lossywebp", "avif"])
def test_a_lossy_codec_takes_a_quality_in_its_name(name: str) -> None:
    image = smooth((300, 200, 3))
    sizes = [len(codecs.load(f"{name}{quality}").encode(image)) for quality in (20, 95)]
    assert sizes[0] < len(codecs.load(name).encode(image)) < sizes[1]
    out = np.empty_like(image)
    codecs.load(f"{name}20").decode(codecs.load(f"{name}20").encode(image), out)
    assert not codecs.load(f"{name}20").is_lossless


@pytest.mark.parametrize("name", ["jpeg101", "png80", "raw1", "80", "jpeg-80", "original5"])
def test_no_other_name_has_a_quality(name: str) -> None:
    assert not codecs.is_known(name)
    with pytest.raises(UserError, match="there is no codec"):
        codecs.load(name)
