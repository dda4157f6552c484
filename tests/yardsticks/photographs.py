"""Whether synthetic photographs cost what real ones do: `python -m tests.yardsticks.photographs FOLDER`.

FOLDER holds JPEG photographs, in any folders below it. A table has the mean and the spread (deviation by mean) of what
both cost, and their ratios: of the files as they are, and of both decoded to 224 x 224 and encoded in the same way.
Times are ratios within one run. Exits with 1 where a mean is off by more than 15 %, or a spread by more than 30 %.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.dataset.sources import synthetic_photographs
from tests.support.photographs import costs, scaled, spectrum_slope

MEAN_MOST, SPREAD_MOST = 0.15, 0.3
REPEATS = 3
"""Decodings of a file, of which the quickest counts."""


def whole(file: bytes) -> None:
    Image.open(io.BytesIO(file)).load()


def quickest(decode: Callable[[bytes], object], file: bytes) -> float:
    """Return the milliseconds of one core that a file takes."""
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        decode(file)
        times.append(time.thread_time() - start)
    return min(times) * 1e3


def decode_times(files: list[bytes]) -> dict[str, np.ndarray]:
    """Return the milliseconds to decode each file in full, and to decode and scale it."""
    return {
        "decode ms": np.array([quickest(whole, file) for file in files]),
        "decode and scale ms": np.array([quickest(scaled, file) for file in files]),
    }


def main() -> int:
    """Print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder of JPEG photographs")
    parser.add_argument("--images", type=int, default=500, help="how many synthetic photographs")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    real = [path.read_bytes() for path in paths]
    start = time.thread_time()
    synthetic = synthetic_photographs.generate(arguments.images)
    each = (time.thread_time() - start) / arguments.images * 1e3
    print(f"{len(real):,} real, {len(synthetic):,} synthetic photographs, drawn in {each:.0f} ms each on one core")
    print(
        f"{'':20}{'real: mean':>12}{'spread':>8}{'synthetic: mean':>17}{'spread':>8}{'ratios: mean':>14}{'spread':>8}"
    )
    all_met = True
    of_real, of_synthetic = (costs(files) | decode_times(files) for files in (real, synthetic))
    for name in of_real:
        (mean, spread), (other_mean, other_spread) = (
            (values.mean(), values.std() / values.mean()) for values in (of_real[name], of_synthetic[name])
        )
        ratios = other_mean / mean, other_spread / spread
        met = abs(ratios[0] - 1) <= MEAN_MOST and abs(ratios[1] - 1) <= SPREAD_MOST
        all_met &= met
        print(
            f"{name:20}{mean:12,.2f}{spread:8.3f}{other_mean:17,.2f}{other_spread:8.3f}{ratios[0]:14.2f}{ratios[1]:8.2f}"
            f"  {'met' if met else 'MISSED'}"
        )
    print(f"slope of the power spectrum: real {spectrum_slope(real):.2f}, synthetic {spectrum_slope(synthetic):.2f}")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
