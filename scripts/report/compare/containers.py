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
from scripts.report.tables import Tables
from scripts.report.ties import DIFFERENT, TIED, UNDECIDED, Ratio

FEWEST = 2
"""The fewest containers, and the fewest codecs, that can be compared."""
MISSING = (
    "This compares containers that share two codecs or more, with defaults otherwise; in this run no two do. "
    "To measure more, list two or more backends with the option codec, and set codecs, as in codecs=[raw,png]."
)
WANTED = (
    catalogue.answering("read-all", catalogue.WARM),
    catalogue.answering("shuffle", catalogue.WARM),
    catalogue.answering("import", catalogue.FRESH),
)
"""The first operation of each group that was measured says what containers and codecs cost."""
Pair = tuple[str, str]
"""A container and a codec."""
Compare = Callable[[str, str], Ratio]
"""How many times as long the first of two variants takes as the second."""


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
    return "" if share_codecs(found.variants) else MISSING


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
    """Sentences on the time that each codec and each container costs; None where no two containers share codecs.

    Codecs that keep the files are compared with each other, and so are those of decoded pixels.
    """
    found = combinations_of(results.tables)
    size = cutoff(results.tables, found)
    if size is None:
        return None
    operation = operations(results.tables, found, size)[0]
    pairs = {name: pair for pair, name in found.variants.items()}
    ranked = {pairs[name]: name for name in results.tables.by_time(operation, size) if name in pairs}
    ratio = partial(results.ratio, operation, size)
    sentences = [
        sentence
        for among in results.tables.groups.values()
        for sentence in _codecs({pair: name for pair, name in ranked.items() if name in among}, found.codecs, ratio)
    ]
    sentences += _containers(ranked, found, ratio)
    return Costs(operation, size, [f"{sentence}." for sentence in sentences])


def _codecs(ranked: Mapping[Pair, str], codecs: Sequence[str], ratio: Compare) -> list[str]:
    """For each codec, how much time the fastest codec of the same container saves; `ranked` has the variants, the
    fastest first."""
    by_container: dict[str, dict[str, str]] = {}
    for (container, codec), name in ranked.items():
        by_container.setdefault(container, {})[codec] = name
    unbeaten = {}
    for container, names in by_container.items():
        first, *others = names
        tied = [codec for codec in others if ratio(names[codec], names[first]).outcome == TIED]
        unbeaten[container] = [codec for codec in codecs if codec in (first, *tied)]
    often = Counter(codec for best in unbeaten.values() for codec in best)
    ratios: dict[Pair, dict[str, Ratio]] = {}
    for container, names in by_container.items():
        # Of several codecs that tie, the one that is best in most containers: these then share a sentence.
        fastest = max(unbeaten[container], key=often.__getitem__)
        for codec in names.keys() - {fastest}:
            ratios.setdefault((codec, fastest), {})[container] = ratio(names[codec], names[fastest])
    return [_saving(*pair, ratios[pair]) for pair in sorted(ratios, key=lambda pair: codecs.index(pair[0]))]


def _saving(codec: str, fastest: str, ratios: Mapping[str, Ratio]) -> str:
    """How much time one codec saves against another, by container: the least and the most."""
    said = []
    different, tied, undecided = (
        [container for container, ratio in ratios.items() if ratio.outcome == outcome]
        for outcome in (DIFFERENT, TIED, UNDECIDED)
    )
    if different:
        ends = dict.fromkeys(end(different, key=lambda container: ratios[container].value) for end in (min, max))
        parts = " to ".join(f"{wording.part(ratios[container])} in {container}" for container in ends)
        said.append(f"is shorter by {parts}")
    said += [
        f"{verb} in {wording.join(names)}" for verb, names in (("ties", tied), ("is undecided", undecided)) if names
    ]
    return f"With codec {fastest} instead of {codec}, the time {'; it '.join(said)}"


def _containers(ranked: Mapping[Pair, str], found: Combinations, ratio: Compare) -> list[str]:
    """For each codec, how many times as long the slowest container takes as the fastest, in one sentence."""
    said = []
    measured = [container for container in found.containers if any(container == own for own, _ in ranked)]
    for codec in found.codecs:
        names = {container: name for (container, own), name in ranked.items() if own == codec}
        if len(names) < FEWEST:
            continue
        lacking = [container for container in measured if container not in names]
        where = f", not measured in {wording.join(lacking)}" if lacking else ""
        fastest, *others = names
        ratios = {container: ratio(names[container], names[fastest]) for container in others}
        slowest = max(others, key=lambda container: (ratios[container].longer, ratios[container].value))
        if ratios[slowest].longer:
            apart = f"{slowest} takes {wording.factor(ratios[slowest], f'as long as {fastest}')}"
        elif all(ratio.outcome == TIED for ratio in ratios.values()):
            apart = f"all tie with {fastest}"
        else:
            apart = f"none surely takes longer than {fastest}"
        said.append(f"with codec {codec}{where}, {apart}")
    return [f"From the fastest container to the slowest: {'; '.join(said)}"] if said else []
