"""Synthetic photographs as JPEG files: for whoever has no folder of photographs at hand, at a photograph's cost.

Dead leaves as in `synthetic`, at the scale of photographs: several hundred shapes over each other, whose sizes follow
the power law of scale invariance (Lee, Mumford and Huang, "Occlusion models for natural images", 2001), each with tone,
colour, shading and texture of its own, a little out of focus. All constants below were fitted to statistics of 128
photographs of ImageNet, one of a class: size in pixels, encoder's settings, bytes per file, JPEG and PNG bytes at 224
pixels (mean, spread), power spectrum, contrast, means of channels.
"""

import functools
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scripts.dataset.sources import Sample
from scripts.dataset.sources.synthetic import LABEL_NAMES, generate_labels

ALBUM_SHARE = 0.67
"""Share of the files that a web album has made: their longer side has ALBUM_SIDE pixels."""
ALBUM_SIDE, ALBUM_QUALITY, ALBUM_SUBSAMPLING = 500, 96, "4:4:4"
SIDE_MEDIAN, SIDE_SPREAD, SIDE_RANGE = 470, 0.52, (150, 1600)
"""The longer side of other files, in pixels, has a logarithmic normal distribution within limits."""
QUALITY_RANGE, SUBSAMPLING = (68, 95), "4:2:0"
"""Every JPEG quality of the range is as frequent in other files."""
PROPORTIONS, PROPORTION_SHARES = (3 / 4, 2 / 3, None), (0.5, 0.3, 0.2)
"""Shorter by longer side, and the share of the files that have it; None is any within OTHER_PROPORTIONS."""
OTHER_PROPORTIONS = (0.6, 1.0)
PORTRAIT_SHARE = 0.2
GREY_SHARE = 0.03
ORIENTED_SHARE, ORIENTATIONS = 0.01, (3, 6, 8)
"""Share of the files with an EXIF orientation, and which these have. Somewhat more than real ones, to be seen."""
ORIENTATION_TAG = 0x0112


class Spectrum(NamedTuple):
    """Power spectrum of a random field, f**-slope from a lowest frequency to a soft cut-off; f in cycles per pixel."""

    slope: float
    lowest: float
    cut_off: float


LIGHT_SPECTRUM = Spectrum(slope=3.0, lowest=0.004, cut_off=0.1)
TEXTURE_SPECTRUM = Spectrum(slope=1.1, lowest=0.02877, cut_off=0.4768)

SMALLEST_RADIUS_RANGE, LARGEST_RADIUS = (0.01493, 0.18), 0.7
"""The radius of leaves, in shorter sides of a photograph. The smallest differs: some photographs are full of things."""
COVER = 1.5
"""The area of all leaves, in areas of the photograph."""
MOST_LEAVES = 700
CORNERS = 36
"""How many points the outline of a leaf has."""
BOX_SHARE = 0.2
ASPECT_SPREAD = 0.4
WOBBLE = 0.15
"""The outline of a leaf bends in and out by as much, in its radii."""

SHADING_MEDIAN, SHADING_SPREAD = 0.15, 0.6
TEXTURE_MEDIAN, TEXTURE_SPREAD, TEXTURE_LEAF_SPREAD = 5.574, 0.7253, 1.0
"""Deviation of the texture in grey levels, its spread between photographs, and between the leaves of one."""
TEXTURE_MOST = 40
"""The strongest texture of a leaf, as its deviation in grey levels."""
TEXTURE_CLUMPING = 0.6
"""Texture comes and goes within a leaf, by this power of e per deviation of the light."""
TEXTURE_LEAK = 0.104
"""Share of another place's texture in red and in blue: channels of a photograph differ by a little noise."""
BLUR_MEDIAN, BLUR_SPREAD = 0.3, 0.5
"""Radius of the lens blur, in pixels."""
CONTRAST_MEAN, CONTRAST_SPREAD, CONTRAST_RANGE = 71.53, 21.77, (15, 120)
CHROMA_SPREAD = 0.6
MEAN_COLOUR = np.array([120.2, 115.9, 105.7], np.float32)
MEAN_COLOUR_SPREAD = np.array([[33.0, 0, 0], [26.9, 16.2, 0], [26.1, 14.1, 17.8]], np.float32)
"""Cholesky factor of the covariance of a photograph's mean red, green and blue."""
WHITE_BACKGROUND_SHARE = 0.05

COLOUR_SPREADS = np.array([[1.0], [0.2314], [0.2023]], np.float32)
"""Deviations of the tone of leaves and of their two hues; the contrast scales all three."""
COLOUR_AXES = np.array([[1, 1, 1], [1, 0, -1], [-0.3, 0.7, -0.3]], np.float32)
"""Red, green and blue of light, of warm against cold, of green against purple."""


@dataclass
class SyntheticPhotographs:
    """A source of `count` synthetic photographs; each is drawn when it is read."""

    count: int
    label_names = LABEL_NAMES
    has_originals = True
    has_order = True

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Draw the photographs of these numbers, in their order."""
        for number in map(int, numbers):
            (label,) = generate_labels(1, first=number).tolist()
            (file,) = generate(1, first=number)
            yield Sample(number, f"{self.label_names[label]}/{number:06}.jpg", label, file)


def generate(count: int, seed: int = 0, first: int = 0) -> list[bytes]:
    """Return photographs `first` to `first + count` of the endless sequence of `seed`, as JPEG files of mixed sizes.

    A photograph depends on its number and the seed alone, so that a short sequence is the start of a longer one. The
    same NumPy and Pillow on the same kind of processor give the same bytes.
    """
    return [_file(_random(seed, number)) for number in range(first, first + count)]


def images(count: int, height: int, width: int, seed: int = 0, first: int = 0) -> np.ndarray:
    """Return the pixels of such photographs that all have one size, (count, height, width, 3) uint8."""
    drawn = np.empty((count, height, width, 3), np.uint8)
    for place in range(count):
        drawn[place] = _pixels(_random(seed, first + place), height, width)
    return drawn


def _random(seed: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([seed, number, 2]))


def _file(random: np.random.Generator) -> bytes:
    """Draw one photograph and encode it as somebody would have."""
    from PIL import Image

    of_album = random.random() < ALBUM_SHARE
    longer = ALBUM_SIDE if of_album else np.clip(SIDE_MEDIAN * _log_normal(random, SIDE_SPREAD), *SIDE_RANGE)
    proportion = random.choice(np.array(PROPORTIONS), p=PROPORTION_SHARES) or random.uniform(*OTHER_PROPORTIONS)
    height, width = round(longer * proportion), round(longer)
    if random.random() < PORTRAIT_SHARE:
        height, width = width, height
    grey, oriented = random.random(2) < (GREY_SHARE, ORIENTED_SHARE)
    quality, orientation = int(random.integers(*QUALITY_RANGE, endpoint=True)), int(random.choice(ORIENTATIONS))

    exif = Image.Exif()
    if oriented:
        exif[ORIENTATION_TAG] = orientation
    image = Image.fromarray(_pixels(random, height, width))
    file = io.BytesIO()
    (image.convert("L") if grey else image).save(
        file,
        "JPEG",
        quality=ALBUM_QUALITY if of_album else quality,
        subsampling=ALBUM_SUBSAMPLING if of_album else SUBSAMPLING,
        exif=exif if oriented else b"",
    )
    return file.getvalue()


def _pixels(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw one photograph, (height, width, 3) uint8."""
    from PIL import Image, ImageFilter

    light, texture = (_field(random, height, width, spectrum) for spectrum in (LIGHT_SPECTRUM, TEXTURE_SPECTRUM))
    surfaces = MOST_LEAVES + 1
    axes = COLOUR_AXES * np.array([[1], *_log_normal(random, CHROMA_SPREAD, 2, 1)], np.float32)
    colour = random.standard_normal((surfaces, 3), dtype=np.float32) @ (axes * COLOUR_SPREADS)
    shading = SHADING_MEDIAN * _log_normal(random, SHADING_SPREAD, surfaces)
    texture_gain = _log_normal(random, TEXTURE_SPREAD) * _log_normal(random, TEXTURE_LEAF_SPREAD, surfaces)
    texture_gain = np.minimum(TEXTURE_MEDIAN * texture_gain, TEXTURE_MOST)
    contrast = np.clip(CONTRAST_MEAN + CONTRAST_SPREAD * random.standard_normal(), *CONTRAST_RANGE)
    mean_colour = MEAN_COLOUR + MEAN_COLOUR_SPREAD @ random.standard_normal(3, dtype=np.float32)
    blur = ImageFilter.GaussianBlur(float(BLUR_MEDIAN * _log_normal(random, BLUR_SPREAD)))
    white = random.random() < WHITE_BACKGROUND_SHARE
    if white:
        texture_gain[0] = 0
    leaf = _leaves(random, height, width)

    scene: np.ndarray = colour[leaf]
    scene += (shading[leaf] * light)[..., np.newaxis]
    scene *= np.float32(contrast / scene[..., 1].std())
    scene += mean_colour - scene.mean((0, 1))
    # What lies outside 0 to 255 is bent back softly: x / (1 + x**4)**(1/4) about the middle. Rows take less room.
    scene -= 127.5
    for row in scene:
        row /= np.sqrt(np.sqrt(1 + np.square(np.square(row / 127.5))))
    scene += 127.5
    if white:
        scene[leaf == 0] = 255

    scene[:] = np.asarray(Image.fromarray(scene.astype(np.uint8)).filter(blur))
    gain = texture_gain[leaf] * np.exp(TEXTURE_CLUMPING * light)
    scene += (texture * gain)[..., np.newaxis]
    for channel, place in ((0, (height // 2, 0)), (2, (0, width // 2))):
        scene[..., channel] += TEXTURE_LEAK * gain * np.roll(texture, place, (0, 1))
    np.clip(scene, 0, 255, out=scene)
    np.rint(scene, out=scene)
    return scene.astype(np.uint8)


def _leaves(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw leaves over each other; returns which one is seen, from 1, and 0 for none, (height, width) int32."""
    from PIL import Image, ImageDraw

    side = min(height, width)
    smallest = np.exp(random.uniform(*np.log(SMALLEST_RADIUS_RANGE)))
    # Radii of density r**-3 have this mean square.
    mean_square = 2 * np.log(LARGEST_RADIUS / smallest) / (smallest**-2 - LARGEST_RADIUS**-2)
    count = min(round(COVER * height * width / side**2 / (np.pi * mean_square)), MOST_LEAVES)
    radii = side * (smallest**-2 - random.random(count) * (smallest**-2 - LARGEST_RADIUS**-2)) ** -0.5
    box = random.random((count, 1)) < BOX_SHARE
    stretch = _log_normal(random, ASPECT_SPREAD, count, 1)
    turn = random.uniform(0, np.pi, (count, 1))
    bends = random.integers(2, 6, (count, 1))
    centre = random.uniform(0, width, (count, 1)) + 1j * random.uniform(0, height, (count, 1))

    # Outlines are complex numbers, right + 1j * down.
    around = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.exp(1j * around)
    square = circle / np.maximum(np.abs(circle.real), np.abs(circle.imag))
    outline = np.where(box, square, circle * (1 + WOBBLE * np.sin(bends * (around + turn))))
    outline = (outline.real * stretch + 1j * outline.imag / stretch) * np.exp(1j * turn)
    outline = centre + radii[:, np.newaxis] * outline
    map_of_leaves = Image.new("I", (width, height))
    draw = ImageDraw.Draw(map_of_leaves)
    for number, corners in enumerate(outline.view(float).tolist(), 1):
        draw.polygon(corners, fill=number)
    return np.asarray(map_of_leaves)


def _field(random: np.random.Generator, height: int, width: int, spectrum: Spectrum) -> np.ndarray:
    """Draw a random field of that spectrum, of unit variance, (height, width) float32."""
    amplitude = _amplitude(height, width, spectrum)
    noise = random.standard_normal((*amplitude.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    field = np.fft.irfft2(noise * amplitude, (height, width))
    field /= field.std()
    return field


@functools.lru_cache(maxsize=4)
def _amplitude(height: int, width: int, spectrum: Spectrum) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    power_law = np.maximum(frequency, spectrum.lowest) ** (-spectrum.slope / 2)
    amplitude: np.ndarray = power_law * np.exp(-((frequency / spectrum.cut_off) ** 2) / 2)
    amplitude[0, 0] = 0
    return amplitude.astype(np.float32)


def _log_normal(random: np.random.Generator, spread: float, *shape: int) -> np.ndarray:
    factors: np.ndarray = np.exp(np.float32(spread) * random.standard_normal(shape, dtype=np.float32))
    return factors


def source() -> SyntheticPhotographs:
    """Return a thousand of them, for the source `synthetic-photographs`."""
    return SyntheticPhotographs(1000)
