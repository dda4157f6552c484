"""The one rule by which an image file, of any mode and size, becomes pixels of an image size.

The rule, in this order:

- The first frame of several.
- EXIF orientation is applied.
- Modes other than RGB become RGB.
- The largest box in the middle with the proportions of the image size is scaled to that size, bilinear.

`RULES` has it in full. docs/images.md shows them.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scripts.common.errors import shown

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""The formats that are read, by Pillow's names, the frequent ones first; it knows them by the first bytes of a file.

Formats that start other programs (EPS), that have no signature (TGA), or that hold no photographs are left out, as is
JPEG 2000, whose files decode without an error when they are cut. MPO is read as the JPEG file that it begins with.
"""
BACKGROUND = "white"
"""The colour behind transparent pixels."""
ORIENTATION = 0x0112
"""The tag of EXIF that says how an image lies. Source: CIPA DC-008 (Exif 2.32), 4.6.4."""
LYING = (5, 6, 7, 8)
"""The orientations in which rows and columns change places. Source: as ORIENTATION."""
PNG_METADATA = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""What a PNG file has somewhere, maybe behind its pixels, if it says how it lies. Source: Pillow 13, `getexif`."""
LIBJPEG_GREY = (127, 128)
"""Values of every channel where the data of a JPEG file have ended too early: libjpeg takes what it lacks for 0."""
MOST_PIXELS = 178_956_970
"""Twice Pillow's `MAX_IMAGE_PIXELS`, above which it raises DecompressionBombError."""
PADDING = bytes(range(255))
"""Bytes that a decoder skips behind the data of a whole JPEG file, as none begins a marker."""

RULES = (
    ("format", f"{', '.join(FORMATS)}, told by content; any other file is a bad image."),
    ("several frames", "The first frame (GIF, APNG, TIFF, WebP, MPO)."),
    ("EXIF orientation", "It is applied. Metadata that can't be read count as none."),
    ("ICC profile", "It is ignored, as training loaders do: numbers stay as they are in the file."),
    ("RGB", "As it is. Of 16 bits per channel, the high byte."),
    ("L", "Grey is repeated in all three channels."),
    ("1", "Black is 0 and white is 255 in all three channels."),
    ("P", "The palette's colours."),
    ("LA, PA, RGBA", f"Laid over {BACKGROUND}."),
    ("transparent colour", f"As alpha: a colour or a palette's entry that is transparent shows {BACKGROUND}."),
    ("I;16", "16-bit grey: the high byte."),
    ("I, F", "Grey of 32 bits: from the image's least value, 0, to its greatest, 255. What isn't finite is 0."),
    ("CMYK", "Pillow's conversion, without profiles. Adobe's inverted values are turned round first."),
    ("YCbCr", "Pillow's conversion."),
    ("LAB", "Converted to sRGB by LittleCMS."),
    ("size", "The largest box in the middle with the image size's proportions is scaled to it (Pillow, bilinear)."),
    ("nothing to scale", "Where the box has the image size already, its pixels are taken as they are."),
    ("smaller images", "They are scaled up in the same way."),
    ("cut or damaged", "A bad image; nothing is filled in. A JPEG file has no checksum: not every damage shows."),
    ("too large", f"More than {MOST_PIXELS:,} pixels, at which Pillow suspects a decompression bomb, are a bad image."),
)
"""What each part of the rule is about, and what it says."""


class BadImage(ValueError):
    """What is no whole image that may be decoded; the message is the reason, in a few words."""


def size_of(content: bytes | memoryview | np.ndarray) -> tuple[int, int]:
    """Return height and width (pixels) of an image, orientation applied, by its header. Raises BadImage."""
    with _refusing():
        image = _open(content)
        width, height = image.size
        return (width, height) if _orientation(image) in LYING else (height, width)


def decode(
    content: bytes | memoryview | np.ndarray,
    out: np.ndarray,
    of_jpeg: "Callable[[Image, bytes | memoryview], Image] | None" = None,
) -> tuple[int, int]:
    """Fill `out`, a C-contiguous (height, width, 3) uint8 array, with an image by the rule. Raises BadImage.

    Returns the image's own height and width, as `size_of` does.

    `content` is the bytes of a file, or pixels, (height, width, 3) or (height, width) uint8. `of_jpeg` decodes JPEG
    files of mode L and RGB in Pillow's place: an opened file and its bytes to an image, orientation not applied.
    """
    with _refusing():
        image = opened = _open(content)
        if not isinstance(content, np.ndarray) and opened.format in ("JPEG", "MPO"):
            if of_jpeg and opened.mode in ("L", "RGB"):
                image = of_jpeg(opened, content)
            _refuse_half(image, content)
        image.load()
        orientation = _orientation(opened)
        width, height = opened.size
        image = _rgb(_turned(image, orientation))
    _fill(image, out)
    return (width, height) if orientation in LYING else (height, width)


def table() -> str:
    """Return `RULES` as a table in Markdown."""
    rows = (f"| {what} | {rule} |\n" for what, rule in RULES)
    return "".join(["| What | Rule |\n", "| --- | --- |\n", *rows])


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise BadImage for whatever Pillow raises: its classes of formats raise any error for bytes that are no image."""
    from PIL import Image, UnidentifiedImageError

    _silence()
    try:
        yield
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("not the start of an image of a known format") from None
    except Image.DecompressionBombError:
        raise BadImage(f"more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:
        raise BadImage(shown(str(error).partition("\n")[0]) if str(error) else type(error).__name__) from error


@cache
def _silence() -> None:
    """Print none of Pillow's warnings: a damaged image is refused or isn't, and a large one below the limit is fine."""
    warnings.filterwarnings("ignore", module=r"PIL\b")
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _open(content: bytes | memoryview | np.ndarray) -> "Image":
    """Return the image of a file, of which only the header is read, or of pixels."""
    from PIL import Image

    if isinstance(content, np.ndarray):
        if content.dtype != np.uint8 or content.shape[2:] not in ((), (3,)) or content.ndim < 2 or not content.size:
            raise BadImage(f"pixels of {content.dtype} {content.shape}")
        return Image.fromarray(content)
    if not len(content):
        raise BadImage("empty")
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _orientation(image: "Image") -> int:
    """Return the orientation by EXIF (1 to 8) that is still to be applied."""
    # Pillow turns TIFF files itself. It decodes a PNG file to see whether metadata follow the pixels.
    if image.format == "TIFF" or (image.format == "PNG" and not _may_have_metadata(image)):
        return 1
    try:
        return int(image.getexif()[ORIENTATION])
    except Exception:
        return 1


def _may_have_metadata(image: "Image") -> bool:
    file = getattr(image, "fp", None)
    return file is None or any(mark in file.getvalue() for mark in PNG_METADATA)


def _turned(image: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)


def _rgb(image: "Image") -> "Image":
    """Return an image as RGB, or as L, whose grey is to be repeated."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = Image.fromarray((values >> 8).astype(np.uint8))
        if "transparency" in image.info:
            grey.paste(BACKGROUND, mask=Image.fromarray(values == image.info["transparency"]))
        return grey
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(image)))
    if image.has_transparency_data:
        transparent = _converted(image, "RGBA")
        behind = Image.new("RGB", image.size, BACKGROUND)
        behind.paste(transparent, mask=transparent)
        return behind
    return _converted(image, "L" if image.mode in ("1", "L") else "RGB")


def _converted(image: "Image", mode: str) -> "Image":
    """Return an image in a mode, without the copy that Pillow makes of one in that mode."""
    return image if image.mode == mode else image.convert(mode)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Return values (height, width) from their least, as 0, to their greatest, as 255, in uint8."""
    finite = np.isfinite(values)
    known = values[finite].astype(np.float64)
    stretched = np.zeros(values.shape, np.uint8)
    if known.size and known.max() > known.min():
        stretched[finite] = np.rint((known - known.min()) * (255 / (known.max() - known.min())))
    return stretched


def _fill(image: "Image", out: np.ndarray) -> None:
    """Fill `out` from the largest box in the middle of an image in mode RGB or L."""
    from PIL.Image import Resampling

    height, width, _ = out.shape
    box_width = min(image.width, image.height * width / height)
    box_height = min(image.height, image.width * height / width)
    left, top = (image.width - box_width) / 2, (image.height - box_height) / 2
    if (box_width, box_height) != (width, height):
        box = (left, top, image.width - left, image.height - top)
        image = image.resize((width, height), Resampling.BILINEAR, box)
    elif image.size != (width, height):
        image = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    out[:] = np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, -1)


def _refuse_half(image: "Image", content: bytes | memoryview) -> None:
    """Raise BadImage where the data of a JPEG file end before its picture does, though an end is marked.

    libjpeg makes the rest grey. Only a picture that ends in such a grey is decoded again, with further bytes at the end
    of its data: they change nothing in a whole one.
    """
    last = np.asarray(image.getpixel((image.width - 1, image.height - 1)))
    if not np.isin(last, LIBJPEG_GREY).all():
        return
    whole = bytes(content)
    end = whole.rfind(b"\xff\xd9")
    if _open(whole).tobytes() != _open(whole[:end] + PADDING + whole[end:]).tobytes():
        raise BadImage("its data end too early")
