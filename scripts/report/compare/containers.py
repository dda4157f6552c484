"""Containers and codecs: which variants hold the same bytes in another container, and what each of the two costs, in
sentences."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare.results import Results
from scripts.report.outcomes import DIFFERENT, TIED, UNDECIDED, Ratio
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
Variants = Mapping[str, Mapping[str, str]]
"""The variants measured, by container and codec."""


@dataclass(frozen=True)
class Combinations:
    """Containers, which are backends' modules, and codecs, in order of appearance.

    `variants` has the name of the variant that combines the two, with the module's defaults in all other options. Of
    several such variants it is the first.
    """

    containers: list[str]
    codecs: list[str]
    variants: dict[Pair, str]


@dataclass(frozen=True)
class Costs:
    """The operation and cutoff that was looked at, and what was found there."""

    operation: str
    cutoff: int
    sentences: list[str]


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


def costs(results: Results) -> Costs | None:
    """What the codec takes of the time, and how far apart containers are; None where too little is known."""
    found = combinations_of(results.tables)
    size = cutoff(results.tables, found)
    if size is None:
        return None
    operation = operations(results.tables, found, size)[0]
    measured = {pair: name for pair, name in found.variants.items() if (name, size, operation) in results.jobs}
    seconds = {name: results.row((name, size, operation)).median_seconds for name in measured.values()}
    ratio = partial(results.ratio, operation, size)
    by_container: dict[str, dict[str, str]] = {container: {} for container in found.containers}
    for (container, codec), name in measured.items():
        by_container[container][codec] = name
    sentences = [*_codecs(by_container, found.codecs, seconds, ratio)]
    sentences += _containers(by_container, found.codecs, seconds, ratio)
    return Costs(operation, size, [f"{sentence}." for sentence in sentences])


def _codecs(
    by_container: Variants, codecs: Sequence[str], seconds: Mapping[str, float], ratio: Callable[[str, str], Ratio]
) -> list[str]:
    """For each codec, the part of the time that it takes more than one that none is faster than in the same
    container."""
    unbeaten = {}
    for container, names in by_container.items():
        if names:
            first = min(names, key=lambda codec: seconds[names[codec]])
            tied = [codec for codec, name in names.items() if ratio(name, names[first]).outcome == TIED]
            unbeaten[container] = dict.fromkeys([*tied, first])
    often = Counter(codec for best in unbeaten.values() for codec in best)
    ratios: dict[Pair, dict[str, Ratio]] = {}
    for container, best in unbeaten.items():
        # Of several codecs that tie, the one that is best in most containers: these then share a sentence.
        names, fastest = by_container[container], max(best, key=often.__getitem__)
        for codec in names:
            if codec != fastest:
                ratios.setdefault((codec, fastest), {})[container] = ratio(names[codec], names[fastest])
    order = sorted(ratios, key=lambda pair: codecs.index(pair[0]))
    return [_share(codec, fastest, ratios[codec, fastest]) for codec, fastest in order]


def _share(codec: str, fastest: str, ratios: Mapping[str, Ratio]) -> str:
    """What a codec takes of the time, by container: one part of it, or the least and the most."""
    longer = {container: ratio for container, ratio in ratios.items() if ratio.outcome == DIFFERENT}
    ties, open_still = (
        [container for container, ratio in ratios.items() if ratio.outcome == outcome] for outcome in (TIED, UNDECIDED)
    )
    others = []
    if ties:
        others.append(f"in {wording.join(ties)} they tie")
    if open_still:
        others.append(f"in {wording.join(open_still)} it is undecided")
    if not longer:
        return f"Codecs {codec} and {fastest}: {'; '.join(others)}"
    ordered = sorted(longer, key=lambda container: longer[container].value)
    ends = dict.fromkeys((ordered[0], ordered[-1]))
    parts = " to ".join(f"{wording.part(longer[container])} in {container}" for container in ends)
    return (
        f"Of the time with codec {codec}, {parts} is what it takes more than {fastest}, which no codec in the same "
        f"container is surely faster than{''.join(f'; {other}' for other in others)}"
    )


def _containers(
    by_container: Variants, codecs: Sequence[str], seconds: Mapping[str, float], ratio: Callable[[str, str], Ratio]
) -> list[str]:
    """For each codec, how many times as long the slowest container takes as the fastest, in one sentence."""
    said = []
    for codec in codecs:
        names = {container: own[codec] for container, own in by_container.items() if codec in own}
        if len(names) < FEWEST:
            continue
        lacking = [container for container, own in by_container.items() if own and codec not in own]
        where = f", not measured in {wording.join(lacking)}" if lacking else ""
        fastest = min(names, key=lambda container: seconds[names[container]])
        ratios = {container: ratio(name, names[fastest]) for container, name in names.items()}
        longer = {container: ratio for container, ratio in ratios.items() if ratio.longer}
        tied = all(ratio.outcome == TIED for ratio in ratios.values())
        apart = f"all tie with {fastest}" if tied else f"none surely takes longer than {fastest}"
        if longer:
            slowest = max(longer, key=lambda container: longer[container].value)
            apart = f"{slowest} takes {wording.factor(longer[slowest], f'as long as {fastest}')}"
        said.append(f"with codec {codec}{where}, {apart}")
    return [f"From the fastest container to the slowest: {'; '.join(said)}"] if said else []
