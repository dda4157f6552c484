"""Containers and codecs: which variants hold the same bytes in another container, and what each of the two costs."""

from dataclasses import dataclass

from scripts.report import wording
from scripts.report.tables import Tables

FEWEST = 2
"""Containers and codecs that there must be of each to compare them."""
WANTED = (("read-warm",), ("batch-warm", "random-warm"), ("write", "write-durable"))
"""Of each, the first operation that was measured says what containers and codecs cost."""


@dataclass(frozen=True)
class Combinations:
    """Containers, which are backends' modules, and codecs, in order of appearance, and the name of the variant that
    combines the two; of several with other options in addition, the first."""

    containers: list[str]
    codecs: list[str]
    name: dict[tuple[str, str], str]

    @property
    def names(self) -> list[str]:
        """The variants, in order of appearance."""
        return list(self.name.values())


def of(tables: Tables) -> Combinations:
    """The combinations in a run."""
    found: dict[tuple[str, str], str] = {}
    for name in tables.backends:
        module, codec = tables.kinds.get(name, ("", None))
        if codec is not None:
            found.setdefault((module, codec), name)
    containers, codecs = (list(dict.fromkeys(pair[place] for pair in found)) for place in (0, 1))
    return Combinations(containers, codecs, found)


def missing(found: Combinations) -> str:
    """Why containers and codecs can't be compared, with the remedy; empty where they can."""
    short = [
        f"{wording.number(len(names))} {kind}{'' if len(names) == 1 else 's'}"
        for kind, names in (("container", found.containers), ("codec", found.codecs))
        if len(names) < FEWEST
    ]
    if not short:
        return ""
    return (
        "This compares two containers and two codecs at least; of stores whose codec can be chosen this run has "
        f"{' and '.join(short)}. To measure more, add variants with the option codec to config.yaml."
    )


def cutoff(tables: Tables, found: Combinations) -> int | None:
    """The largest cutoff at which any combination was measured in an operation that says what they cost."""
    wanted = [operation for group in WANTED for operation in group]
    for size in reversed(tables.cutoffs):
        if any(tables.cell(name, size, operation) for name in found.names for operation in wanted):
            return size
    return None


def operations(tables: Tables, found: Combinations, size: int) -> list[str]:
    """The operations that say at a cutoff what containers and codecs cost, by `WANTED`."""

    def measured(operation: str) -> bool:
        return any(tables.cell(name, size, operation) for name in found.names)

    first = (next(filter(measured, group), None) for group in WANTED)
    return [operation for operation in first if operation]
