"""All backends and codecs as a page of documentation, with the versions that are pinned: the same text everywhere."""

import re
from collections.abc import Iterable
from pathlib import Path

from scripts import backends, codecs, native
from scripts.report import stores_table, wording
from scripts.report.stores_table import Codec, Described, Store

PINS = Path(__file__).parent.parent.parent / "requirements" / "stores.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+)", re.MULTILINE)
HEADER = (
    "# The stores",
    "What each backend stores, with which library, and where its settings come from. Made from the docstrings in "
    "`scripts/backends` and `scripts/codecs` and from the pins in `requirements/stores.txt`.",
)


def markdown() -> str:
    """The text of the page."""
    stores = stores_table.stores(backends.names())
    kept = stores_table.codecs_of(codecs.names())
    parts = [*HEADER, *_table(stores, kept)]
    for store in stores:
        parts += [f"## {store.name}", *_of_store(store)]
    parts += ["## Codecs", "How one image becomes bytes, in backends with the option `codec`."]
    for codec in kept:
        parts += [f"### {codec.name}", codec.described.sentence, f"Library: {_libraries(codec.packages)}."]
        parts += _body(codec.described)
    return "\n\n".join(parts) + "\n"


def _table(stores: list[Store], kept: list[Codec]) -> list[str]:
    """One line for each backend and codec."""
    rows = ["| backend | library | what it is |", "|---|---|---|"]
    rows += [
        f"| [{one.name}](#{one.name}) | {_libraries_of(one)} | {_cell(one.described.sentence)} |" for one in stores
    ]
    coded = ["| codec | library | what it is |", "|---|---|---|"]
    coded += [
        f"| [{one.name}](#{_anchor(one.name, stores)}) | {_libraries(one.packages)} | {_cell(one.described.sentence)} |"
        for one in kept
    ]
    return ["\n".join(rows), "\n".join(coded)]


def _of_store(store: Store) -> list[str]:
    parts = [store.described.sentence, f"Library: {_libraries_of(store)}."]
    if store.native:
        parts.append(f"Built with `{store.native.tool}` from `scripts/{store.native.directory}`.")
    parts += _body(store.described)
    if store.options:
        rows = ["| option | default | meaning |", "|---|---|---|"]
        rows += [
            f"| `{name}` | `{stores_table.default(one)}` | {_cell(one.meaning)} |"
            for name, one in store.options.items()
        ]
        parts.append("\n".join(rows))
    return parts


def _body(described: Described) -> list[str]:
    layout = [f"```text\n{described.layout}\n```"] if described.layout else []
    settings = ["\n".join(f"- {setting}" for setting in described.settings)] if described.settings else []
    above = [described.measured_on] if described.measured_on else []
    return [*layout, *described.more, *above, *settings]


def _libraries_of(store: Store) -> str:
    built = native.versions(store.native) if store.native else {}
    return _libraries(store.packages, [f"{name} {version}" for name, version in built.items()])


def _libraries(packages: Iterable[str], more: Iterable[str] = ()) -> str:
    """Distributions with their pinned versions, of which there may be one for each version of Python."""
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(PINS.read_text()):
        pins.setdefault(_normal(name), []).append(version)
    found = [" ".join([name, wording.join(pins.get(_normal(name), []), "or")]).strip() for name in packages]
    return wording.join([*found, *more]) or "none but Python's and NumPy"


def _normal(name: str) -> str:
    """The name of a distribution as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _anchor(name: str, stores: list[Store]) -> str:
    """The anchor of a codec's heading, which comes after those of the backends."""
    return f"{name}-1" if name in {store.name for store in stores} else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
