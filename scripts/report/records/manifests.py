"""The manifests of a run's stores, and whether manifests and records fit together."""

from pathlib import Path
from typing import Any

from scripts import codecs
from scripts.common.cells import Store, image_size
from scripts.common.errors import UserError
from scripts.report.records.record import Records
from scripts.stores import manifest

Manifests = dict[Store, dict[str, Any]]
"""The content of each manifest, by its store."""


def load(directory: Path, stores: list[Store], records: Records) -> Manifests:
    """Read the manifest of every store in `directory` that could be built; others may have none, if all cells are gaps.

    Raises UserError where a manifest is missing, damaged or of another store, for a record that was timed on another
    store, and for stores of one cutoff that hold different images.
    """
    found = {}
    for store in stores:
        place = store.directory(directory)
        cells = {path: record for path, record in records.items() if record.cell.store == store}
        measured = {path: record for path, record in cells.items() if record.measured}
        path = place / manifest.MANIFEST
        if path.exists():
            content = manifest.read(place)
            _refuse_others(place, store, content, measured)
            if not content["failed"]:
                found[store] = content
        elif measured or not cells:
            raise UserError(f"the manifest {path} is missing; run the workflow again to build this store")
    _refuse_different_images(directory, found)
    return found


def _refuse_others(place: Path, store: Store, content: dict[str, Any], measured: Records) -> None:
    name, size, cutoff = content["backend"], image_size(content["image_set"]["image_shape"]), content["cutoff"]
    if Store(name, size, cutoff) != store:
        raise UserError(
            f"the store {place} is that of {name} with {cutoff} images of {size} pixels; {manifest.remedy(place)}"
        )
    for path, record in measured.items():
        if (record.store.key, record.store.digest) != (content["key"], content["digest"]):
            raise UserError(f"the record {path} is of another store than {place}; delete {path} and run again")


def _refuse_different_images(directory: Path, manifests: Manifests) -> None:
    """Raise UserError where two stores of as many images of one image set don't hold the same; of lossy stores, two
    with the same codec."""
    first: dict[tuple[str, int, str | None], Store] = {}
    for store, content in manifests.items():
        codec = None if content["lossless"] else content["options"][codecs.OPTION]
        other = first.setdefault((content["image_set"]["digest"], content["cutoff"], codec), store)
        if manifests[other]["digest"] != content["digest"]:
            places = " and ".join(str(each.directory(directory)) for each in (other, store))
            raise UserError(f"the stores {places} hold different images; delete both and run again")
