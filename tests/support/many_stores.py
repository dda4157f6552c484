"""22 made-up stores: containers of any codec, which cost the same in each, and others."""

from scripts import backends
from tests.support.plausible_times import SIZES, images_of, seconds

CONTAINERS = {"lmdb": (60, 1.7), "sqlite": (150, 5.1), "rocksdb": (2500, 3.9), "leveldb": (900, 4.4), "tar": (400, 9.0)}
"""Made-up containers of any codec: microseconds to open one, and to find an image in it."""
CODECS = {"raw": (0.3, 0.3, 3072), "png": (210, 58, 2264), "webp": (900, 72, 1800), "zstd": (24, 6.5, 2700)}
"""Made-up codecs: microseconds to encode and to decode an image, and its bytes then."""
UNMADE = ("leveldb-webp", "tar-zstd")
OTHERS = {
    "png": ("png", {"compress_level": 6}, (90, 82)),
    "hdf5": ("hdf5", {"compression": "none"}, (520, 0.35)),
    "memmap": ("memmap", {}, (35, 0.29)),
    "hdf5-chunks-of-64-gz": ("hdf5", {"images_per_chunk": 64, "compression": "gzip"}, (600, 21)),
}
"""Made-up stores without a choice of codec: module, options, and microseconds to open one and to read an image."""


def named(container: str, codec: str) -> str:
    """The name of a variant: the container's alone with the first codec."""
    return container if codec == next(iter(CODECS)) else f"{container}-{codec}"


COMBINED = {
    name: (container, codec)
    for container in CONTAINERS
    for codec in CODECS
    if (name := named(container, codec)) not in UNMADE
}
MANY = (*COMBINED, *OTHERS)
"""22 names, of which the longest has twenty letters: containers with several codecs, and others."""
DEFAULTS = {
    container: {name: option.default for name, option in backends.load(container).options.items()}
    for container in CONTAINERS
}
KINDS = {name: (module, options) for name, (module, options, _) in OTHERS.items()} | {
    name: (container, {**DEFAULTS[container], "codec": codec}) for name, (container, codec) in COMBINED.items()
}
"""Module and options of each of them."""
MANY_SIZES = SIZES | {
    name: (4096 * place, CODECS[codec][2] + 60 + 4 * place, 1.1 * CODECS[codec][2] + 90 + 30 * place)
    for place, (name, (_, codec)) in enumerate(COMBINED.items(), start=1)
}
PEAKS = {name: 1 + place * 5 % 7 for place, name in enumerate(MANY)}
"""How many times as much memory each takes as the first."""
WRITES = {"write": 1.5, "write-durable": 1.8}
READS = {"read": 1.0, "random": 2.4, "batch": 1.7, "workers": 1.8, "first": 3.0}
"""How many times as long an operation takes the container as reading everything in order does."""
COLD = 11.0
"""Microseconds more for an image that isn't in the page cache."""


def many_seconds(name: str, cutoff: int, operation: str) -> float:
    """A plausible time (s) of one of `MANY`: the container's, and the codec's, which is the same in each."""
    if name == "baseline":
        return seconds(name, cutoff, operation)
    if name in COMBINED:
        container, codec = COMBINED[name]
        (fixed, each), (encode, decode, _) = CONTAINERS[container], CODECS[codec]
    else:
        (fixed, each), encode, decode = OTHERS[name][2], 0, 0
    images = images_of(cutoff, operation)
    if operation in WRITES:
        return WRITES[operation] * (3 * fixed + 2 * each * images) / 1e6 + encode * images / 1e6
    cold = COLD if operation.endswith("cold") else 0
    return READS[operation.split("-")[0]] * (fixed + each * images) / 1e6 + (decode + cold) * images / 1e6
