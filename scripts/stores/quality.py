"""How near the images of a lossy store come to those of the image set: PSNR and SSIM, by scikit-image.

PSNR (dB) is that of the mean squared error over all images that are compared, as decoders of the same file may agree in
some images exactly. SSIM is the mean over these images, with the Gaussian window of Wang, Bovik, Sheikh and Simoncelli,
"Image quality assessment: from error visibility to structural similarity", IEEE Transactions on Image Processing 13
(2004), on each channel.
"""

import importlib
import math
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base

packages = {"skimage": "scikit-image==0.26.0"}
"""The library that it needs: import name to requirement, as of a backend."""
MOST_IMAGES = 256
SEED = 2004
LARGEST_PIXEL = 255
WINDOW_PIXELS = 11
"""The side (pixels) of the window of SSIM: Wang and others, section III."""
WINDOW_SIGMA = 1.5
UNKNOWN: dict[str, Any] = dict.fromkeys(("psnr_db", "ssim", "quality_images", "quality_gap"))
"""What a manifest says of the quality of a lossless store."""


def measure(reader: base.Reader, images: base.Source, distinct: int, codec: codecs.Codec | None) -> dict[str, Any]:
    """Return what a manifest says of the quality of a store: `psnr_db`, `ssim`, of how many images, or why not.

    `images` are those of the image set, of which the first `distinct` differ; at most 256 of these are compared. All is
    None for a lossless store, and PSNR is None where no pixel differs.
    """
    if codec is None or codec.is_lossless:
        return UNKNOWN
    if min(reader.image_shape[:2]) < WINDOW_PIXELS:
        return UNKNOWN | {"quality_gap": f"SSIM needs images of at least {WINDOW_PIXELS} pixels in height and width"}
    try:
        # Not by `import`: then every store would be built again where the library is installed later.
        metrics: Any = importlib.import_module("skimage.metrics")
    except ImportError as error:
        return UNKNOWN | {"quality_gap": f"scikit-image can't be used: {error}"}
    chosen = np.random.default_rng(SEED).choice(distinct, min(distinct, MOST_IMAGES), replace=False)
    errors, likeness = [], []
    for number in np.sort(chosen).tolist():
        (original,), ((stored,), _) = images[number : number + 1], reader.load([number])
        errors.append(metrics.mean_squared_error(original, stored))
        likeness.append(
            metrics.structural_similarity(
                original,
                stored,
                channel_axis=-1,
                data_range=LARGEST_PIXEL,
                gaussian_weights=True,
                sigma=WINDOW_SIGMA,
                use_sample_covariance=False,
            )
        )
    mean_error = float(np.mean(errors))
    return UNKNOWN | {
        "psnr_db": 10 * math.log10(LARGEST_PIXEL**2 / mean_error) if mean_error else None,
        "ssim": float(np.mean(likeness)),
        "quality_images": len(chosen),
    }
