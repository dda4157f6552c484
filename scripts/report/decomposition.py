"""What containers and codecs cost, in sentences, from variants that hold the same bytes in different containers."""

from dataclasses import dataclass

from scripts.report import combinations, wording
from scripts.report.combinations import Combinations
from scripts.report.comparison import Results


@dataclass(frozen=True)
class Costs:
    """The operation and cutoff that was looked at, and what was found there."""

    operation: str
    cutoff: int
    sentences: list[str]


def of(results: Results) -> Costs | None:
    """What the codec takes of the time to read, and how far apart containers are; None where too little is known."""
    found = combinations.of(results.tables)
    cutoff = None if combinations.missing(found) else combinations.cutoff(results.tables, found)
    if cutoff is None:
        return None
    operation = combinations.operations(results.tables, found, cutoff)[0]
    said = [*_codecs(results, found, operation, cutoff), _containers(results, found, operation, cutoff)]
    return Costs(operation, cutoff, [f"{sentence}." for sentence in said if sentence])


def _codecs(results: Results, found: Combinations, operation: str, cutoff: int) -> list[str]:
    """For each codec, the part of the time that it takes more than the fastest codec in the same container."""
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for container in found.containers:
        names = {codec: found.name[container, codec] for codec in found.codecs if (container, codec) in found.name}
        ranked = results.tables.by_time(operation, cutoff)
        measured = sorted(
            (codec for codec in names if names[codec] in ranked), key=lambda codec: ranked.index(names[codec])
        )
        for codec in measured[1:]:
            ratio = results.ratio(operation, cutoff, names[codec], names[measured[0]])
            if ratio and not ratio.tie and ratio.value > 1:
                shares.setdefault((codec, measured[0]), {})[container] = 1 - 1 / ratio.value
    return [
        f"Of the time with codec {codec}, {_between(share)} is what it takes more than {fastest}, the fastest codec in "
        "the same container"
        for (codec, fastest), share in shares.items()
    ]


def _containers(results: Results, found: Combinations, operation: str, cutoff: int) -> str:
    """For each codec, how many times as long the slowest container takes as the fastest."""
    said = []
    for codec in found.codecs:
        names = {
            found.name[container, codec]: container
            for container in found.containers
            if (container, codec) in found.name
        }
        ranked = [name for name in results.tables.by_time(operation, cutoff) if name in names]
        ratio = results.ratio(operation, cutoff, ranked[-1], ranked[0]) if len(ranked) > 1 else None
        if ratio:
            apart = (
                "they tie"
                if ratio.tie
                else f"{wording.times(ratio.value)} ({names[ranked[-1]]} over {names[ranked[0]]})"
            )
            said.append(f"with codec {codec} {apart}")
    return f"From the fastest container to the slowest it is, {wording.join(said)}" if said else ""


def _between(shares: dict[str, float]) -> str:
    """One share by its container, or the least and the most."""
    least, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    if len(shares) == 1:
        return f"{shares[least]:.0%} ({least})".replace("%", " %")
    return f"{shares[least]:.0%} ({least}) to {shares[most]:.0%} ({most})".replace("%", " %")
