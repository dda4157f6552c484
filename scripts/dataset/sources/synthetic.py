"""Synthetic images that cost a store what photographs cost it: as many PNG bytes, as little to gain by compression.

Dead leaves: a smooth background under a few boxes and ellipses at random places, sizes, tones and hues, every surface
with texture of its own. (Lee, Mumford and Huang, "Occlusion models for natural images", 2001, show why such pictures
have the statistics of photographs.) All constants below were fitted to statistics of 6,102 real CIFAR-10 images: PNG
bytes per image (mean, spread), zlib ratio, power spectrum, means and correlations of channels.
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from scripts.dataset.sources import Sample

LABEL_NAMES = [f"class {number}" for number in range(10)]

SIDE = 32
BLOCK = 256
"""Images drawn together, from one seed."""
BLOCKS_AT_ONCE = 16

LUMINANCE, WARM, GREEN, TEXTURE_GAIN, UNCOVERED = range(5)
"""Layers of a scene: light, warm against cold, green against purple, strength of texture, background still seen."""

FIELD_SIDE = 512
"""Side of a random field: it is cut into one tile for each image of a block."""


class Spectrum(NamedTuple):
    """Power spectrum of a random field, f**-slope up to a soft cut-off; f in cycles per image."""

    slope: float
    cut_off: float


LUMINANCE_SPECTRUM = Spectrum(slope=2.0, cut_off=6.107)
CHROMA_SPECTRUM = Spectrum(slope=2.0, cut_off=4.275)
TEXTURE_SPECTRUM = Spectrum(slope=-0.4987, cut_off=6.2406)
LOWEST_FREQUENCY = 0.5

LEAVES = 5
BOX_SHARE = 0.4
RADIUS_RANGE = (5.2056, 15.472)
RADIUS_EXPONENT = 1.406
ASPECT_SPREAD = 0.35
MARGIN = 4.0
"""How far outside the image the centre of a leaf may lie."""
EDGE_WIDTH = 0.8514
SURFACE_WEIGHT = 0.31876
TONE_SPREAD = 1.4785
HUE_SPREAD = 2.4114

TEXTURE_WEIGHT = 7.912
TEXTURE_GAIN_SPREAD = 1.283
TEXTURE_CONTRAST_EXPONENT = 1.3428
SMOOTH_SHARE, SMOOTH_TEXTURE = 0.0568, 0.15
TEXTURE_LEAK = 0.011976
"""Share of another image's texture in red and in blue: channels of a photograph differ by a little noise."""

CONTRAST_MEAN, CONTRAST_SPREAD, CONTRAST_RANGE = 53.017, 15.2, (10, 100)
CHROMA_SCALES = (12.254, 4.2149)
CHROMA_SCALE_SPREADS = (0.62, 0.72)
MEAN_COLOUR = np.array([126.0, 123.7, 114.4], np.float32) - np.float32(4.3395)
MEAN_COLOUR_SPREAD = 1.07746 * np.array([[33.1, 0, 0], [27.5, 17.1, 0], [25.7, 22.0, 20.0]], np.float32)
"""Cholesky factor of the covariance of an image's mean red, green and blue."""
WHITE_BACKGROUND_SHARE = 0.0703


class Synthetic:
    """The first `count` images of the sequence as a source of images (`scripts.dataset.sources.Source`)."""

    label_names = LABEL_NAMES
    has_originals = False
    has_order = True

    def __init__(self, count: int) -> None:
        self.count = count

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Draw the images of these numbers, in ascending order, some blocks at a time with all cores."""
        numbers = np.sort(np.asarray(numbers))
        parts = np.split(numbers, np.flatnonzero(np.diff(numbers // BLOCK)) + 1)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(parts), BLOCKS_AT_ONCE):
                several = parts[start : start + BLOCKS_AT_ONCE]
                firsts = [int(part[0]) // BLOCK * BLOCK for part in several]
                for part, first, images in zip(several, firsts, pool.map(_block, firsts), strict=True):
                    labels = generate_labels(BLOCK, first=first)
                    for number in part.tolist():
                        place = number - first
                        yield Sample(number, f"{number:05d}", int(labels[place]), images[place])


def source() -> Synthetic:
    """Return as many images as CIFAR-10 has for training."""
    return Synthetic(50_000)


def _block(first: int) -> np.ndarray:
    return generate(BLOCK, first=first)


def generate(count: int, seed: int = 0, first: int = 0) -> np.ndarray:
    """Return images `first` to `first + count` of the endless sequence of `seed`, (count, 32, 32, 3) uint8.

    An image depends on its index and the seed alone, so that a short sequence is the start of a longer one. The same
    NumPy on the same kind of processor gives the same bytes.
    """
    return _drawn(_images, count, seed, first, purpose=0)


def generate_labels(count: int, seed: int = 0, first: int = 0) -> np.ndarray:
    """Return labels `first` to `first + count` of the sequence of `seed`, (count,) int64 from 0 to 9."""
    return _drawn(_labels, count, seed, first, purpose=1)


def _drawn(
    draw: Callable[[np.random.Generator], np.ndarray], count: int, seed: int, first: int, *, purpose: int
) -> np.ndarray:
    """What is drawn block by block, each block from a generator of random numbers of its own."""
    blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
    drawn = [draw(np.random.Generator(np.random.SFC64([seed, block, purpose]))) for block in blocks]
    return np.concatenate(drawn)[first % BLOCK :][:count]


def _labels(random: np.random.Generator) -> np.ndarray:
    return random.integers(len(LABEL_NAMES), size=BLOCK)


def _images(random: np.random.Generator) -> np.ndarray:
    """Draw one block of images, (BLOCK, 32, 32, 3) uint8."""
    light, other_light = _tiles(random, LUMINANCE_SPECTRUM), _tiles(random, LUMINANCE_SPECTRUM)
    warm = _tiles(random, CHROMA_SPECTRUM)
    green = np.roll(warm, BLOCK // 2, axis=0).swapaxes(1, 2)
    texture = _tiles(random, TEXTURE_SPECTRUM)

    scene = _surface(light, warm, green, _log_normal(random, TEXTURE_GAIN_SPREAD / 2), uncovered=1)
    radii = _radii(random)
    for leaf in range(LEAVES):
        mask = _leaf_mask(random, radii[leaf])
        tone, *hues = _normal(random, 3)
        gain = _log_normal(random, TEXTURE_GAIN_SPREAD)
        cover = _surface(other_light if leaf % 2 == 0 else light[::-1], warm[::-1], green[::-1], gain, uncovered=0)
        cover[LUMINANCE] += TONE_SPREAD * tone
        cover[WARM] += HUE_SPREAD * hues[0]
        cover[GREEN] += HUE_SPREAD * hues[1]
        cover -= scene
        cover *= mask
        scene += cover

    colours = _colours(random, scene, texture)
    white = random.random(BLOCK, dtype=np.float32) < WHITE_BACKGROUND_SHARE
    colours[white] += scene[UNCOVERED, white, :, :, np.newaxis] * (255 - colours[white])
    np.clip(colours, 0, 255, out=colours)
    np.rint(colours, out=colours)
    return colours.astype(np.uint8)


def _tiles(random: np.random.Generator, spectrum: Spectrum) -> np.ndarray:
    """Cut one random field of that spectrum into BLOCK tiles, scaled to unit variance over all of them."""
    amplitude = _amplitude(spectrum)
    noise = random.standard_normal((*amplitude.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    field = np.fft.irfft2(noise * amplitude)
    field /= field.std()
    per_side = FIELD_SIDE // SIDE
    return field.reshape(per_side, SIDE, per_side, SIDE).swapaxes(1, 2).reshape(BLOCK, SIDE, SIDE)


@functools.cache
def _amplitude(spectrum: Spectrum) -> np.ndarray:
    rows, columns = np.fft.fftfreq(FIELD_SIDE), np.fft.rfftfreq(FIELD_SIDE)
    frequency = SIDE * np.hypot(rows[:, np.newaxis], columns)
    power_law = np.maximum(frequency, LOWEST_FREQUENCY) ** (-spectrum.slope / 2)
    amplitude: np.ndarray = power_law * np.exp(-((frequency / spectrum.cut_off) ** 2) / 2)
    amplitude[0, 0] = 0
    return amplitude.astype(np.float32)


def _surface(
    luminance: np.ndarray, warm: np.ndarray, green: np.ndarray, texture_gain: np.ndarray, *, uncovered: int
) -> np.ndarray:
    """What is seen of the background or of a leaf where nothing covers it, all layers, (5, BLOCK, 32, 32)."""
    surface = np.empty((5, BLOCK, SIDE, SIDE), np.float32)
    for layer, tiles in ((LUMINANCE, luminance), (WARM, warm), (GREEN, green)):
        np.multiply(tiles, SURFACE_WEIGHT, out=surface[layer])
    surface[TEXTURE_GAIN] = texture_gain
    surface[UNCOVERED] = uncovered
    return surface


def _radii(random: np.random.Generator) -> np.ndarray:
    """Draw the radii of all leaves by a power law, (LEAVES, BLOCK), the largest of each image first."""
    low, high = (radius**-RADIUS_EXPONENT for radius in RADIUS_RANGE)
    radii = (low - random.random((LEAVES, BLOCK), dtype=np.float32) * (low - high)) ** (-1 / RADIUS_EXPONENT)
    return np.sort(radii, axis=0)[::-1]


def _leaf_mask(random: np.random.Generator, radius: np.ndarray) -> np.ndarray:
    """Draw one leaf for each image: 1 where it covers, 0 outside, in between at its edge, (BLOCK, 32, 32)."""
    pixels = np.arange(SIDE, dtype=np.float32)
    centres = random.random((2, BLOCK, 1), dtype=np.float32) * (SIDE + 2 * MARGIN) - MARGIN
    right, down = (pixels - centres[0])[:, np.newaxis, :], (pixels - centres[1])[:, :, np.newaxis]
    angle = random.random((BLOCK, 1, 1), dtype=np.float32) * np.float32(np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    stretch = _log_normal(random, ASPECT_SPREAD)
    along = right * (cosine * stretch) + down * (sine * stretch)
    across = down * (cosine / stretch) - right * (sine / stretch)
    distance = np.sqrt(along * along + across * across)
    box = random.random(BLOCK, dtype=np.float32) < BOX_SHARE
    distance[box] = np.maximum(np.abs(along[box]), np.abs(across[box]))
    mask: np.ndarray = np.clip((radius[:, np.newaxis, np.newaxis] - distance) / (2 * EDGE_WIDTH) + 0.5, 0, 1)
    return mask


def _colours(random: np.random.Generator, scene: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Turn the layers of a scene into red, green and blue about 0 to 255, (BLOCK, 32, 32, 3) float32."""
    smooth = random.random((BLOCK, 1, 1), dtype=np.float32) < SMOOTH_SHARE
    contrast = np.clip(CONTRAST_MEAN + CONTRAST_SPREAD * _normal(random), *CONTRAST_RANGE)
    strength = TEXTURE_WEIGHT * np.where(smooth, SMOOTH_TEXTURE, 1) * (contrast / 50) ** TEXTURE_CONTRAST_EXPONENT
    texture = texture * scene[TEXTURE_GAIN] * strength.astype(np.float32)
    luminance = _standardised(scene[LUMINANCE]) * contrast + texture
    warm, green = (
        _standardised(scene[layer]) * (scale * _log_normal(random, spread))
        for layer, scale, spread in zip((WARM, GREEN), CHROMA_SCALES, CHROMA_SCALE_SPREADS, strict=True)
    )
    colours = np.empty((BLOCK, SIDE, SIDE, 3), np.float32)
    colours[..., 0] = luminance + warm - 0.3 * green + TEXTURE_LEAK * texture[::-1]
    colours[..., 1] = luminance + 0.7 * green
    colours[..., 2] = luminance - warm - 0.3 * green + TEXTURE_LEAK * np.roll(texture, -1, axis=0)
    mean_colour = MEAN_COLOUR + random.standard_normal((BLOCK, 3), dtype=np.float32) @ MEAN_COLOUR_SPREAD.T
    colours += mean_colour[:, np.newaxis, np.newaxis]
    # What lies outside 0 to 255 is bent back softly: x / (1 + x**4)**(1/4) about the middle.
    colours -= 127.5
    colours /= np.sqrt(np.sqrt(1 + np.square(np.square(colours / 127.5))))
    colours += 127.5
    return colours


def _standardised(layer: np.ndarray) -> np.ndarray:
    """Scale each image of a layer to mean 0 and deviation 1."""
    centred = layer - layer.mean((1, 2), keepdims=True)
    standardised: np.ndarray = centred / (centred.std((1, 2), keepdims=True) + 1e-3)
    return standardised


def _normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal((*shape, BLOCK, 1, 1), dtype=np.float32)


def _log_normal(random: np.random.Generator, spread: float) -> np.ndarray:
    return np.exp(spread * _normal(random))
