"""What JPEG photographs cost as files and at a training size, and their power spectrum."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps

SIDE = 224


def costs(files: Iterable[bytes]) -> dict[str, np.ndarray]:
    """Return what each file costs, by name: its bytes and pixels, and bytes at 224 as JPEG of quality 90 and as PNG."""
    rows = [_cost(file) for file in files]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def spectrum_slope(files: Iterable[bytes]) -> float:
    """Return the exponent of the power spectrum of the luminance at 224 x 224, from 4 to 80 cycles per image.

    Torralba and Oliva, "Statistics of natural image categories", 2003, have about -2 for photographs.
    """
    window = np.hanning(SIDE)[:, np.newaxis] * np.hanning(SIDE)
    power = np.zeros((SIDE, SIDE // 2 + 1))
    for file in files:
        luminance = np.asarray(scaled(file).convert("L"), float)
        power += np.abs(np.fft.rfft2((luminance - luminance.mean()) * window)) ** 2
    cycles = np.hypot(np.fft.fftfreq(SIDE)[:, np.newaxis], np.fft.rfftfreq(SIDE)) * SIDE
    rings = [(cycles >= ring) & (cycles < ring + 1) for ring in range(4, 80)]
    return float(np.polyfit(np.log(np.arange(4.5, 80)), [np.log(power[ring].mean()) for ring in rings], 1)[0])


def _cost(file: bytes) -> dict[str, int]:
    width, height = Image.open(io.BytesIO(file)).size
    pixels = scaled(file)
    return {
        "file bytes": len(file),
        "file pixels": width * height,
        "JPEG bytes at 224": _bytes(pixels, "JPEG", quality=90),
        "PNG bytes at 224": _bytes(pixels, "PNG"),
    }


def scaled(file: bytes) -> Image.Image:
    """Decode a file, scale it bilinearly, and take the centre, 224 x 224 RGB."""
    return ImageOps.fit(Image.open(io.BytesIO(file)).convert("RGB"), (SIDE, SIDE), Image.Resampling.BILINEAR)


def _bytes(image: Image.Image, kind: str, **options: int) -> int:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.tell()
