"""The one decode rule: each part of it on files that Pillow has written, and no bytes that end otherwise."""

import base64
import io
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from scripts.dataset import decoding
from tests.support.checkout import CHECKOUT

# Pytest shows each test's warnings again, whatever was set before.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

WIDTH, HEIGHT = 24, 16
NOISE = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
RAMP = np.repeat(np.arange(0, WIDTH * HEIGHT // 2, dtype=np.uint8), 2).reshape(HEIGHT, WIDTH)
SMOOTH = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)
WHITE = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
ARITHMETIC = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1_%oX2?`1d3JL}Y3k(Yi3<(Mf"
    "3jfIf3kU!Z01yEI5di<p00saM5C#9*00;pA002J#{{ZZn?mGzsnx2wF@NS>feq#;a9|k{ui%O_1yebt65dYZ"
)
"""A 16 x 16 ramp from 0 to 255 by `cjpeg -arithmetic -quality 95` of libjpeg-turbo 2.1.5."""


def encoded(image: Image.Image | np.ndarray, kind: str, **settings: Any) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **settings)
    return file.getvalue()


def decoded(content: bytes | memoryview | np.ndarray, height: int = 0, width: int = 0) -> np.ndarray:
    """The pixels by the rule, at the image's own size if no other is given."""
    own = decoding.size_of(content)
    out = np.full((height or own[0], width or own[1], 3), 77, np.uint8)
    decoding.decode(content, out)
    return out


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2)


def lying(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    return exif


def metadata_last() -> bytes:
    """A PNG file that lies on its side, and says so behind its pixels."""
    whole = encoded(NOISE, "PNG", exif=lying(6))
    start = whole.index(b"eXIf") - 4
    chunk = whole[start : start + 12 + int.from_bytes(whole[start : start + 4])]
    return whole.replace(chunk, b"")[:-12] + chunk + whole[-12:]


class Ruled:
    """For each part of the rule, by its name: files and the pixels that they must become, or why they are bad."""

    def format(self) -> Iterator[tuple[Any, Any]]:
        for kind, settings in {"PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}, "PPM": {}}.items():
            yield encoded(NOISE, kind, **settings), NOISE
        for kind in ("JPEG", "AVIF"):
            content = encoded(SMOOTH, kind, quality=100, subsampling=0 if kind == "JPEG" else "4:4:4")
            assert np.abs(decoded(content).astype(int) - SMOOTH).max() <= 9
        for kind in ("TGA", "PDF", "EPS", "JPEG2000", "SGI", "PCX", "ICO"):
            yield encoded(NOISE, kind), "not the start of an image of a known format"
        yield b"", "empty"
        yield b"<svg/>", "not the start of an image of a known format"
        yield np.zeros((0, 4, 3), np.uint8), r"pixels of uint8 \(0, 4, 3\)"
        yield np.zeros((4, 4), np.int64), r"pixels of int64 \(4, 4\)"

    def several_frames(self) -> Iterator[tuple[Any, Any]]:
        second = [Image.fromarray(255 - RAMP)]
        for kind in ("GIF", "PNG", "TIFF"):
            yield encoded(RAMP, kind, save_all=True, append_images=second), grey(RAMP)
        yield encoded(NOISE, "WEBP", save_all=True, append_images=second, lossless=True), NOISE
        photographs = encoded(SMOOTH, "MPO", save_all=True, append_images=second)
        yield photographs, decoded(encoded(SMOOTH, "JPEG"))

    def EXIF_orientation(self) -> Iterator[tuple[Any, Any]]:
        for orientation in range(1, 9):
            for kind in ("PNG", "TIFF"):
                turned = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(NOISE, kind, exif=lying(orientation)))))
                yield encoded(NOISE, kind, exif=lying(orientation)), np.asarray(turned)
        assert np.array_equal(decoded(encoded(NOISE, "PNG", exif=lying(6))), np.rot90(NOISE, -1))
        upright = decoded(encoded(SMOOTH, "JPEG"))
        yield encoded(SMOOTH, "JPEG", exif=lying(8)), np.rot90(upright)
        yield encoded(SMOOTH, "JPEG", xmp=b'<x tiff:Orientation="3"/>'), np.rot90(upright, 2)
        for unreadable in (lying(9), lying(0), b"Exif\0\0MM\0*", b"Exif\0\0" + bytes(range(256))):
            yield encoded(SMOOTH, "JPEG", exif=unreadable), upright
        yield metadata_last(), np.rot90(NOISE, -1)

    def ICC_profile(self) -> Iterator[tuple[Any, Any]]:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
        yield encoded(NOISE, "PNG", icc_profile=profile), NOISE

    def RGB(self) -> Iterator[tuple[Any, Any]]:
        yield NOISE, NOISE
        yield NOISE[::-1, ::-1], NOISE[::-1, ::-1]
        deep = np.random.default_rng(8).integers(0, 65_536, NOISE.shape, np.uint16)
        yield imagecodecs.png_encode(deep), deep >> 8
        for settings in ({"progressive": True}, {"progressive": False}):
            content = encoded(SMOOTH, "JPEG", **settings)
            yield content, np.asarray(Image.open(io.BytesIO(content)))

    def L(self) -> Iterator[tuple[Any, Any]]:
        yield RAMP, grey(RAMP)
        yield encoded(RAMP, "PNG"), grey(RAMP)
        ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
        assert np.abs(decoded(ARITHMETIC).astype(int) - grey(ramp)).max() <= 1

    def the_mode_1(self) -> Iterator[tuple[Any, Any]]:
        for kind in ("PNG", "TIFF", "PPM", "BMP"):
            yield encoded(Image.fromarray(RAMP > 50), kind), grey(np.where(RAMP > 50, 255, 0).astype(np.uint8))

    def P(self) -> Iterator[tuple[Any, Any]]:
        painted = Image.fromarray(NOISE).quantize(16)
        for kind in ("PNG", "GIF", "BMP", "TIFF"):
            yield encoded(painted, kind), np.asarray(painted.convert("RGB"))

    def LA_PA_RGBA(self) -> Iterator[tuple[Any, Any]]:
        alpha = Image.fromarray(np.where(RAMP < 60, 0, 255).astype(np.uint8))
        shown = np.asarray(alpha)[..., None] == 255
        colours, shades, painted = Image.fromarray(NOISE), Image.fromarray(RAMP), Image.fromarray(NOISE).quantize(16)
        for image, kinds in ((colours, ("PNG", "TIFF", "WEBP")), (shades, ("PNG", "TIFF")), (painted, ("TIFF",))):
            solid = np.asarray(image.convert("RGB"))
            image = image.convert({"RGB": "RGBA", "L": "LA", "P": "PA"}[image.mode])
            image.putalpha(alpha)
            for kind in kinds:
                settings = {"lossless": True} if kind == "WEBP" else {}
                yield encoded(image, kind, **settings), np.where(shown, solid, WHITE)
        half = Image.new("RGBA", (2, 2), (0, 0, 0, 55))
        yield encoded(half, "PNG"), np.full((2, 2, 3), 200, np.uint8)

    def transparent_colour(self) -> Iterator[tuple[Any, Any]]:
        see_through = np.where(grey(RAMP) == 9, WHITE, grey(RAMP))
        yield encoded(RAMP, "PNG", transparency=9), see_through
        corner = tuple(NOISE[0, 0].tolist())
        is_corner = (np.array(corner) == NOISE).all(axis=2, keepdims=True)
        yield encoded(NOISE, "PNG", transparency=corner), np.where(is_corner, WHITE, NOISE)
        deep = RAMP.astype(np.uint16) * 256
        yield encoded(deep, "PNG", transparency=9 * 256), see_through
        painted = Image.fromarray(NOISE).quantize(16)
        first = (np.asarray(painted) == 0)[..., None]
        for kind, key in (("PNG", 0), ("GIF", 0), ("PNG", b"\0")):
            yield encoded(painted, kind, transparency=key), np.where(first, WHITE, np.asarray(painted.convert("RGB")))

    def I_16(self) -> Iterator[tuple[Any, Any]]:
        deep = np.random.default_rng(9).integers(0, 65_536, (HEIGHT, WIDTH), np.uint16)
        for content in (encoded(deep, "PNG"), encoded(deep, "TIFF")):
            yield content, grey(deep >> 8)
        big_endian = Image.frombytes("I;16B", (WIDTH, HEIGHT), deep.astype(">u2").tobytes())
        yield encoded(big_endian, "TIFF"), grey(deep >> 8)

    def I_F(self) -> Iterator[tuple[Any, Any]]:
        ramp = np.arange(256).reshape(16, 16)
        for values in (ramp, ramp * 300 - 70_000, ramp.astype(np.float32), ramp.astype(np.float32) / 255):
            kept = values.astype(np.int32) if values.dtype == np.int64 else values
            yield encoded(kept, "TIFF"), grey(ramp.astype(np.uint8))
        holes = np.array([[np.nan, 0.25, 0.75], [np.inf, -np.inf, 0.25]], np.float32)
        yield encoded(holes, "TIFF"), grey(np.array([[0, 0, 255], [0, 0, 0]], np.uint8))
        yield encoded(np.full((3, 2), 5, np.int32), "TIFF"), np.zeros((3, 2, 3), np.uint8)
        yield b"P5 2 1 65535\n\x00\x00\xff\xff", grey(np.array([[0, 255]], np.uint8))

    def CMYK(self) -> Iterator[tuple[Any, Any]]:
        inks = Image.fromarray(SMOOTH).convert("CMYK")
        yield encoded(inks, "TIFF"), np.asarray(inks.convert("RGB"))
        # Pillow writes Adobe's marker, and values the other way round.
        assert np.abs(decoded(encoded(inks, "JPEG", quality=100)).astype(int) - SMOOTH).max() <= 12

    def YCbCr(self) -> Iterator[tuple[Any, Any]]:
        image = Image.fromarray(SMOOTH).convert("YCbCr")
        yield encoded(image, "TIFF"), np.asarray(image.convert("RGB"))

    def LAB(self) -> Iterator[tuple[Any, Any]]:
        image = Image.fromarray(SMOOTH).convert("LAB")
        yield encoded(image, "TIFF"), np.asarray(image.convert("RGB"))

    def size(self) -> Iterator[tuple[Any, Any]]:
        for image in (Image.fromarray(NOISE), Image.fromarray(NOISE).rotate(90, expand=True)):
            centre = ImageOps.fit(image, (8, 8), Image.Resampling.BILINEAR)
            yield encoded(image, "PNG"), np.asarray(centre)
            yield np.asarray(image), np.asarray(centre)
        wide = ImageOps.fit(Image.fromarray(RAMP), (5, 3), Image.Resampling.BILINEAR)
        yield RAMP, grey(np.asarray(wide))
        strip = np.tile(np.uint8([[[1, 2, 3]]]), (1, 999, 1))
        yield strip, np.tile(strip[:, :1], (6, 7, 1))

    def nothing_to_scale(self) -> Iterator[tuple[Any, Any]]:
        yield NOISE, NOISE[:, 4:20]
        yield NOISE, NOISE[:, 4:19][:16]
        yield NOISE.swapaxes(0, 1), NOISE.swapaxes(0, 1)[4:20]

    def smaller_images(self) -> Iterator[tuple[Any, Any]]:
        larger = Image.fromarray(NOISE).resize((3 * WIDTH, 3 * HEIGHT), Image.Resampling.BILINEAR)
        yield NOISE, np.asarray(larger)[:, 12:60]
        yield np.uint8([[[5, 6, 7]]]), np.tile(np.uint8([5, 6, 7]), (224, 224, 1))

    def cut_or_damaged(self) -> Iterator[tuple[Any, Any]]:
        photograph = encoded(np.tile(SMOOTH, (4, 4, 1)), "JPEG", quality=95)
        half = len(photograph) * 2 // 3
        lost = len(photograph) - half
        yield photograph[:-2], "image file is truncated"
        yield photograph[:half] + bytes(lost), "image file is truncated"
        yield photograph[:half] + b"\xff\xd9", "its data end too early"
        yield photograph[:half] + bytes(lost - 2) + b"\xff\xd9", "its data end too early"
        # A grey end is no damage in itself.
        end = np.vstack([SMOOTH, np.full((16, WIDTH, 3), 128, np.uint8)])
        yield encoded(end, "JPEG"), np.asarray(Image.open(io.BytesIO(encoded(end, "JPEG"))))

    def too_large(self) -> Iterator[tuple[Any, Any]]:
        small = encoded(Image.new("1", (8, 8)), "PNG")
        yield small.replace(bytes([0, 0, 0, 8] * 2), bytes([0, 0, 60, 0] * 2), 1), "broken PNG|checksum|known format"
        yield b"P5 13378 13378 255\n", "more than 178,956,970 pixels"
        yield b"P5 13377 13377 255\n", "image file is truncated"


@pytest.mark.parametrize("what", [what for what, _ in decoding.RULES])
def test_every_part_of_the_rule(what: str) -> None:
    name = re.sub(r"\W+", "_", "the mode 1" if what == "1" else what)
    found = 0
    for content, expected in getattr(Ruled(), name)():
        found += 1
        if isinstance(expected, str):
            with pytest.raises(decoding.BadImage, match=expected):
                decoded(content, 8, 8)
        else:
            np.testing.assert_array_equal(decoded(content, *expected.shape[:2]), expected, f"{what}, {found}")
    assert found


def test_the_documentation_has_the_rules() -> None:
    text = (CHECKOUT / "docs" / "images.md").read_text()
    assert decoding.table() in text, "put what decoding.table() returns into docs/images.md"


def test_the_limit_of_pixels_is_that_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert decoding.MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_sizes_are_read_from_headers_alone() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF"):
        content = encoded(Image.new("RGB", (600, 400)), kind)
        assert decoding.size_of(content) == (400, 600)
    assert decoding.size_of(b"P6 30000 5000 255\n") == (5_000, 30_000)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        assert decoding.size_of(encoded(NOISE, kind, exif=lying(6))) == (WIDTH, HEIGHT), kind
    assert decoding.size_of(metadata_last()) == (WIDTH, HEIGHT)
    assert decoding.size_of(RAMP) == (HEIGHT, WIDTH)
    cut = encoded(np.random.default_rng(1).integers(0, 256, (99, 50, 3), np.uint8), "PNG")[:5_000]
    assert decoding.size_of(cut) == (99, 50)


def test_bytes_in_every_form() -> None:
    content = encoded(NOISE, "PNG")
    for form in (memoryview(content), memoryview(np.frombuffer(content, np.uint8)), memoryview(bytearray(content))):
        np.testing.assert_array_equal(decoded(form), NOISE)


def files() -> dict[str, bytes]:
    """A small file of each format and of each way in which Pillow decodes one."""
    image, second = Image.fromarray(SMOOTH), [Image.fromarray(NOISE)]
    animated: dict[str, Any] = {"save_all": True, "append_images": second}
    made = {
        "baseline": encoded(image, "JPEG", exif=lying(6)),
        "progressive": encoded(image, "JPEG", progressive=True),
        "inks": encoded(image.convert("CMYK"), "JPEG"),
        "pairs": encoded(image, "MPO", **animated),
        "png": encoded(image, "PNG", exif=lying(6)),
        "apng": encoded(image, "PNG", **animated),
        "palette": encoded(image.quantize(9), "PNG", transparency=1),
        "deep": encoded(RAMP.astype(np.uint16) * 256, "PNG"),
        "gif": encoded(image, "GIF", **animated),
        "lossy webp": encoded(image, "WEBP", exif=lying(6)),
        "lossless webp": encoded(image, "WEBP", lossless=True),
        "bmp": encoded(image, "BMP"),
        "tiff": encoded(image, "TIFF", exif=lying(6)),
        "floats": encoded(RAMP.astype(np.float32), "TIFF"),
        "ppm": encoded(image, "PPM"),
        "avif": encoded(image, "AVIF", exif=lying(6)),
    }
    return made | {"lzw": encoded(image, "TIFF", compression="tiff_lzw")}


@pytest.mark.parametrize("name", list(files()))
def test_a_file_that_is_cut_anywhere_is_bad_or_whole(name: str) -> None:
    content = files()[name]
    whole, out = decoded(content, 8, 8), np.zeros((8, 8, 3), np.uint8)
    reasons: set[str] = set()
    for length in range(0, len(content), 1 + len(content) // 300):
        try:
            decoding.decode(content[:length], out)
        except decoding.BadImage as error:
            reasons.add(str(error))
        else:
            np.testing.assert_array_equal(out, whole, f"{length} of {len(content)} bytes")
    assert reasons
    assert all(0 < len(reason) < 160 and reason.isprintable() for reason in reasons), reasons


@pytest.mark.parametrize("name", list(files()))
def test_damaged_bytes_are_an_image_or_a_bad_one(name: str) -> None:
    content, out, chance = files()[name], np.zeros((8, 8, 3), np.uint8), random.Random(name)
    bad = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 2, 5])):
            damaged[chance.randrange(min(len(damaged), chance.choice([40, 200, 10**6])))] = chance.randrange(256)
        # Large images take long.
        if (size := size_or_none(damaged)) and np.prod(size) > 10**6:
            continue
        try:
            decoding.decode(memoryview(damaged), out)
        except decoding.BadImage:
            bad += 1
    assert bad


def size_or_none(content: bytes | bytearray) -> tuple[int, int] | None:
    try:
        return decoding.size_of(memoryview(content))
    except decoding.BadImage:
        return None


def test_threads() -> None:
    content = files()

    def come_back(name: str) -> bool:
        expected = decoded(content[name])
        return all(np.array_equal(decoded(content[name]), expected) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(come_back, content))


def test_nothing_is_printed_of_large_or_odd_images() -> None:
    code = (
        "import numpy as np; from scripts.dataset import decoding\n"
        "for content in (b'P5 10000 10000 255 ', b'II*\\0\\x08\\0\\0\\0\\x05\\0' + bytes(99), b'\\xff\\xd8\\xff'):\n"
        "    try: decoding.decode(content, np.zeros((2, 2, 3), np.uint8))\n"
        "    except decoding.BadImage: print('bad')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert (run.stdout.split(), run.stderr) == (["bad"] * 3, "")
