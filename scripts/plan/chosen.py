"""Which image sizes and cutoffs are measured: those that the config asks for, or that suit the images, as far as the
images allow it."""

import math
from dataclasses import dataclass, field

from scripts.common.cells import shape_of
from scripts.common.errors import UserError
from scripts.dataset.gathered import OWN, USUAL_SIZE, square
from scripts.plan.config.configuration import CUTOFFS, Config
from scripts.plan.images import MOST_BY_DEFAULT, Images

QUICK_LARGEST_CUTOFF = 100


@dataclass(frozen=True)
class Sets:
    """Pairs of image size and cutoff that are measured, and the reason of what is left out, by what it is."""

    pairs: list[tuple[str, int]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def sets(config: Config, images: Images) -> Sets:
    """Return what is measured of images that are known. Raises UserError where nothing is left."""
    found = Sets()
    sizes = _sizes(config, images, found)
    cutoffs = _cutoffs(config, images, found)
    for size in sizes:
        image_bytes = math.prod(shape_of(size))
        fitting = [cutoff for cutoff in cutoffs if cutoff * image_bytes <= config["largest_store_gb"] * 1e9]
        if too_large := [cutoff for cutoff in cutoffs if cutoff not in fitting]:
            found.left_out[f"{_numbers(too_large)} images of {size}"] = (
                f"their pixels exceed largest_store_gb ({config['largest_store_gb']:g} GB)"
            )
        found.pairs.extend((size, cutoff) for cutoff in fitting)
    if not found.pairs:
        reasons = "; ".join(f"{what}: {why}" for what, why in found.left_out.items())
        raise UserError(f"nothing is left to measure: {reasons}; give other cutoffs or image_sizes")
    return found


def _sizes(config: Config, images: Images, found: Sets) -> list[str]:
    """The image sizes asked for: by default the images' own, else the usual one."""
    if config["image_sizes"] is None:
        return [images.own_size or square(USUAL_SIZE)]
    sizes = [images.own_size if size == OWN else square(size) for size in config["image_sizes"]]
    if None in sizes:
        found.left_out["image size own"] = "the images have several sizes"
    return list(dict.fromkeys(size for size in sizes if size))


def _cutoffs(config: Config, images: Images, found: Sets) -> list[int]:
    """The cutoffs asked for: by default powers of ten and all images, as far as there are so many."""
    count = images.count
    if config["cutoffs"] is None:
        most = MOST_BY_DEFAULT if count is None else min(count, MOST_BY_DEFAULT)
        powers = [10**power for power in range(len(str(most))) if 10**power < most]
        cutoffs = CUTOFFS if count is None else [*powers, most]
    else:
        cutoffs = sorted(config["cutoffs"])
    if count is not None and (more := [cutoff for cutoff in cutoffs if cutoff > count]):
        found.left_out[f"{_numbers(more)} images"] = f"the source has {count:,}, and its images aren't repeated"
        cutoffs = [cutoff for cutoff in cutoffs if cutoff <= count]
    if config["quick"]:
        if cutoffs and cutoffs[0] > QUICK_LARGEST_CUTOFF:
            found.left_out[f"{_numbers(cutoffs)} images"] = f"quick leaves out what is above {QUICK_LARGEST_CUTOFF}"
        cutoffs = [cutoff for cutoff in cutoffs if cutoff <= QUICK_LARGEST_CUTOFF]
        if images.file_bytes and config["cutoffs"] is None:
            return cutoffs[-1:]
    return cutoffs


def _numbers(cutoffs: list[int]) -> str:
    return ", ".join(f"{cutoff:,}" for cutoff in cutoffs)
