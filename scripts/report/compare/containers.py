"""Containers and codecs: which variants hold the same bytes in another container, and what each of the two costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.tables import Tables

FEWEST = 2
"""The fewest containers, and the fewest codecs, that can be compared."""
WANTED = (
    catalogue.answering("read-all", catalogue.WARM),
    catalogue.answering("shuffle", catalogue.WARM),
    catalogue.answering("import", catalogue.FRESH),
)
"""The first operation of each group that was measured says what containers and codecs cost."""
Pair = tuple[str, str]
"""A container and a codec."""


@dataclass(frozen=True)
class Combinations:
    """Containers, which are backends' modules, and codecs, in order of appearance.

    `variants` has the name of the variant that combines the two, with the module's defaults in all other options. Of
    several such variants it is the first.
    """

    containers: list[str]
    codecs: list[str]
    variants: dict[Pair, str]


def combinations_of(tables: Tables) -> Combinations:
    """The combinations of container and codec in a run."""
    found: dict[Pair, str] = {}
    for name in tables.backends:
        kind = tables.kinds[name]
        if kind.codec is not None and kind.other_options is None:
            found.setdefault((kind.module, kind.codec), name)
    containers, codecs = (list(dict.fromkeys(pair[place] for pair in found)) for place in (0, 1))
    return Combinations(containers, codecs, found)


def share_codecs(pairs: Iterable[Pair]) -> bool:
    """Whether any two of the containers share two of their codecs."""
    codecs: dict[str, set[str]] = {}
    for container, codec in pairs:
        codecs.setdefault(container, set()).add(codec)
    return any(len(one & other) >= FEWEST for one, other in combinations(codecs.values(), 2))


def missing(found: Combinations) -> str:
    """Why containers and codecs can't be compared, with the remedy; empty where they can."""
    if share_codecs(found.variants):
        return ""
    containers, codecs = (
        f"{wording.number(len(names))} {kind}{'' if len(names) == 1 else 's'}"
        for kind, names in (("container", found.containers), ("codec", found.codecs))
    )
    few = len(found.containers) < FEWEST
    apart = "" if few or len(found.codecs) < FEWEST else ", of which no two containers share two codecs"
    more = "list two or more backends with the option codec, and set" if few else "set"
    return (
        "This compares containers that have two codecs at least in common; of backends whose codec can be chosen, with "
        f"defaults otherwise, this run has {containers} and {codecs}{apart}. To measure more, {more} codecs, as in "
        "codecs=[raw,png]."
    )


def cutoff(tables: Tables, found: Combinations) -> int | None:
    """The largest cutoff at which containers and codecs can be compared in an operation that says what they cost."""
    return next((size for size in reversed(tables.cutoffs) if operations(tables, found, size)), None)


def operations(tables: Tables, found: Combinations, size: int) -> list[str]:
    """The operations that say what containers and codecs cost at a cutoff: the first of each group of `WANTED` in which
    enough was measured."""

    def enough(operation: str) -> bool:
        return share_codecs(pair for pair, name in found.variants.items() if tables.cell(name, size, operation))

    first = (next(filter(enough, group), None) for group in WANTED)
    return [operation for operation in first if operation]
