"""What a run consists of, from the config: its stores and cells, and where their files are.

The plan reads files and asks what is installed; it changes and measures nothing.
"""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.backends import base
from scripts.backends.go import library
from scripts.common.atomic import nearest_directory, writable
from scripts.common.cells import Cell, Store
from scripts.dataset import gathered, sources
from scripts.dataset.gathered import GATHERED
from scripts.dataset.image_set import PROVENANCE
from scripts.measure import ground
from scripts.measure.operations import catalogue
from scripts.plan import available, chosen, images, in_place
from scripts.plan.config import configuration, places
from scripts.report import intact
from scripts.stores import manifest
from scripts.stores.choice import Choice
from scripts.system import machine
from scripts.system.disk import file_system

TABLES = ("timings.csv", "summary.csv", "latencies.csv", "disk_usage.csv", "selection.csv", "conditions.json")
"""The files that `summarise` writes beside their digests: the tables, and the conditions of the run."""

HANDED = ("config", "kind", "machine", "dataset", "writes", "identity", "not_in_place", "missing")
HANDED_VARIABLE = "IMAGE_STORAGE_BENCHMARK_FOUND"
"""The environment variable by which jobs of a cluster get these. Snakemake starts jobs with those of the run."""

QUICK_BUDGET_FACTOR = 0.05
QUICK_SAMPLES = 6
"""The fewest samples that have an interval."""


Names = Any
"""What names a store or a cell: the wildcards of a rule, which are text, or a `Store` or `Cell`."""


@dataclass(frozen=True)
class Plan:
    """What a valid config asks for. Paths are relative to the directory that Snakemake runs in, or absolute."""

    config: configuration.Config
    with_conda: bool
    on_cluster: bool

    @cached_property
    def asked(self) -> dict[str, Choice]:
        """The backends and variants asked for, by name, in the config's order; backends with each codec asked for."""
        return self._in_place[0]

    @cached_property
    def missing(self) -> dict[str, str]:
        """Why a backend or variant that is asked for can't run here, and the remedy, by name."""
        why_not = available.why_not_with_conda if self.with_conda else available.why_not
        reasons = {name: why_not(choice) for name, choice in self.asked.items()}
        without = configuration.without_codecs(self.config)
        return {name: reason for name, reason in reasons.items() if reason} | self._in_place[1] | without

    @cached_property
    def _in_place(self) -> tuple[dict[str, Choice], dict[str, str]]:
        """What is asked for, with the user's own folder in the place of copies, and why it isn't compared."""
        return in_place.choices(configuration.choices(self.config), self.config["variants"], self.not_in_place)

    @cached_property
    def not_in_place(self) -> str | None:
        """Why the files of the images can't be read where they lie, None where they can."""
        return in_place.why_not(self.own_folder, Path(self.stores), self.config["scratch_dir"])

    @property
    def own_folder(self) -> str | None:
        """The user's folder in which the files of the images lie, None where they lie in none."""
        return sources.root(self.kind, self.config["images"])

    def root(self, store: Names) -> str | None:
        """Return the folder in which a store's files lie, None where they are in the store."""
        return self.own_folder if self.choices[store.backend].options.get(base.IN_PLACE) else None

    @cached_property
    def kind(self) -> str | None:
        """The kind of source that the path of the images is."""
        return images.kind(self.config["images"])

    @cached_property
    def choices(self) -> dict[str, Choice]:
        """The backends and variants that are asked for and can run here, by name."""
        return {name: choice for name, choice in self.asked.items() if name not in self.missing}

    @property
    def known(self) -> images.Images | None:
        """What is known of the images, None where they must be gathered first."""
        return images.known(self.config["images"], self.dataset, self.most_images, self.identity)

    @cached_property
    def most_images(self) -> int | None:
        """How many images are gathered at most; all of a source that is repeated, None.

        They are as many as before where the cutoffs are smaller now: of fewer images all stores would be others.
        """
        if self.config["images"] in images.REPEATED:
            return None
        return max(self._largest_cutoff, images.read_before(self.dataset))

    @property
    def _largest_cutoff(self) -> int:
        cutoffs: list[int] = self.config["cutoffs"] or [images.MOST_BY_DEFAULT]
        return max(cutoffs)

    def file_bytes(self, store: Names) -> float:
        """Return the mean bytes of the files that a store keeps and decodes, 0 where it keeps none."""
        codec = self.choices[store.backend].codec
        return self.known.file_bytes if self.known and codec and codec.keeps_originals else 0

    @property
    def most_bytes(self) -> int:
        """Bytes of pixels that are kept of an image size at most."""
        return int(self.config["largest_store_gb"] * 1e9)

    def most_of_size(self, image_set: Names) -> int:
        """Return how many images the image set of an image size has at most: as many as its largest store may hold.

        They are as many as before where that is lower now: of fewer images all stores would be others.
        """
        fitting = gathered.fitting(image_set.image_size, self.most_bytes)
        most = max(fitting, images.unpacked_before(self.image_set(image_set)))
        return min(most, (self.known and self.known.count) or most)

    def sizes_to_gather(self) -> str:
        """Return the option of the step `gather` that names image sizes to decode to."""
        sizes = self.config["image_sizes"]
        return f"--image-sizes {' '.join(map(str, sizes))}" if sizes else ""

    @property
    def cutoffs(self) -> list[int]:
        """The numbers of images, ascending, without those that are left out; none before the images are known."""
        return sorted({cutoff for _, cutoff in self.sets})

    @property
    def image_sizes(self) -> list[str]:
        """The image sizes, height x width in pixels, in the config's order; none before the images are known."""
        return list(dict.fromkeys(size for size, _ in self.sets))

    @property
    def sets(self) -> list[tuple[str, int]]:
        """The image sizes and cutoffs of which there are stores; none before the images are known."""
        return self._chosen.pairs

    @property
    def left_out(self) -> dict[str, str]:
        """Why image sizes and cutoffs are left out, by what they are."""
        return self._chosen.left_out

    @property
    def _chosen(self) -> chosen.Sets:
        known = self.known
        if known is None:
            return chosen.Sets()
        if known not in self._sets:
            self._sets[known] = chosen.sets(self.config, known)
        return self._sets[known]

    @cached_property
    def _sets(self) -> dict[images.Images, chosen.Sets]:
        """The image sets and cutoffs by what is known of the images, which changes once, when they are gathered."""
        return {}

    @property
    def operations(self) -> list[str]:
        """What is timed, in the config's order; in a quick run only what is quick, if any of that is asked for."""
        asked = self.config["operations"]
        few = [name for name in asked if catalogue.entry(name).quick] if self.config["quick"] else []
        return few or asked

    @property
    def budget_seconds(self) -> float:
        """Seconds of sampling for each cell."""
        budget: float = self.config["budget_seconds"]
        return budget * (QUICK_BUDGET_FACTOR if self.config["quick"] else 1)

    def module(self, store: Names) -> str:
        """Return the name of the module of a store's backend."""
        return self.choices[store.backend].module

    def options(self, store: Names) -> str:
        """Return the complete options of a store's backend or variant, as canonical JSON."""
        return json.dumps(self.choices[store.backend].options, sort_keys=True)

    def settings(self, cell: Names) -> str:
        """Return the settings that the timing of a cell depends on, as canonical JSON."""
        used = {name: self.config[name] for name in catalogue.entry(cell.operation).all_settings}
        if self.config["quick"]:
            used["minimum_samples"] = QUICK_SAMPLES
        return json.dumps(used | {"budget_seconds": self.budget_seconds}, sort_keys=True)

    def working_places(self) -> list[str]:
        """Return the options of a timing that say where it works."""
        scratch = self.config["scratch_dir"]
        return ["--writes", self.writes, *(["--node-scratch", scratch] if scratch else [])]

    @cached_property
    def machine(self) -> str:
        """The name of this kind of machine. On a cluster, jobs run on nodes, of which only the file system is known."""
        named: str | None = self.config["machine"]
        if named:
            return named
        scratch = self.config["scratch_dir"]
        if self.on_cluster:
            return f"cluster-{'scratch' if scratch else file_system.type_of(Path(self.stores))}"
        return machine.name(ground.expanded(scratch) if scratch else Path(self.stores))

    @property
    def results(self) -> str:
        """Where records, tables, figures and page go."""
        return "results/quick" if self.config["quick"] else "results"

    @property
    def stores(self) -> str:
        """Where the stores are."""
        return places.expanded(self.config["store_dir"]) or "results/stores"

    @property
    def downloads(self) -> str:
        """Where the archive is kept."""
        return places.expanded(self.config["download_dir"]) or "results/dataset"

    @cached_property
    def dataset(self) -> str:
        """Where what is gathered and the image sets are: in the directory of a shared archive, or in the results, where
        nothing of the source is in that directory and may not be added."""
        source = self.config["images"]
        own = f"results/dataset/{images.folder(source, images.location(source))}"
        if not self.config["download_dir"]:
            return own
        shared = f"{self.downloads}/{images.folder(source, images.identity(source, self._largest_cutoff))}"
        return shared if os.path.exists(f"{shared}/{GATHERED}") or writable(nearest_directory(shared)) else own

    def image_set(self, store: Names) -> str:
        """Return the directory of the image set of a store's image size."""
        return f"{self.dataset}/{store.image_size}"

    def provenance(self, store: Names) -> str:
        """Return the provenance of the image set of a store's image size."""
        return f"{self.image_set(store)}/{PROVENANCE}"

    @cached_property
    def identity(self) -> str:
        """What decides whether the source must be looked at again."""
        return images.identity(self.config["images"], self.most_images or 0)

    @cached_property
    def writes(self) -> str:
        """Where timings write, on the file system of the stores: beside them, unless they may only be read."""
        return self.stores if writable(nearest_directory(self.stores)) else "results"

    def hand_to_jobs(self) -> None:
        """Hand to the jobs of a cluster what the start has found. Their nodes may see other mounts and packages."""
        os.environ[HANDED_VARIABLE] = json.dumps({name: getattr(self, name) for name in HANDED})

    def take_from_start(self) -> None:
        """Take what the start of the run has handed to this job."""
        # A cached property isn't computed where the object has its value.
        vars(self).update(json.loads(os.environ.get(HANDED_VARIABLE, "{}")))
        images.tell_kind(self.config["images"], self.kind)

    def all_stores(self) -> list[Store]:
        """Return every store, in the config's order of backends."""
        return [Store(name, size, cutoff) for name in self.choices for size, cutoff in self.sets]

    def cells(self) -> list[Cell]:
        """Return every cell, in the config's order of backends and operations."""
        return [
            Cell(self.machine, store.backend, store.image_size, store.cutoff, operation)
            for store in self.all_stores()
            for operation in self.operations
        ]

    def manifest(self, store: Store) -> Path:
        """Return the manifest of a store."""
        return store.directory(self.stores) / manifest.MANIFEST

    def manifests(self) -> list[str]:
        """Return the manifests of all stores."""
        return [str(self.manifest(store)) for store in self.all_stores()]

    def stores_of(self, manifests: Collection[str]) -> list[Store]:
        """Return the stores whose manifests are among these normal paths."""
        return [store for store in self.all_stores() if os.path.normpath(self.manifest(store)) in manifests]

    def record(self, cell: Cell) -> Path:
        """Return the record of a cell."""
        return cell.record(f"{self.results}/records")

    def records(self) -> list[str]:
        """Return the records of all cells."""
        return [str(self.record(cell)) for cell in self.cells()]

    def cells_of(self, records: Collection[str]) -> list[Cell]:
        """Return the cells whose records are among these normal paths."""
        return [cell for cell in self.cells() if os.path.normpath(self.record(cell)) in records]

    def other_records(self) -> list[str]:
        """Return the records that runs of other machines in this directory have of these backends and operations."""
        paths = [(path, Cell.of_record(path)) for path in Path(self.results, "records").glob("*/*/*/*/*.json")]
        return sorted(
            str(path)
            for path, cell in paths
            if cell.machine != self.machine and cell.backend in self.asked and cell.operation in self.operations
        )

    @property
    def tables(self) -> list[str]:
        """The tables, and the conditions of the run."""
        return [f"{self.results}/{table}" for table in TABLES]

    @property
    def index(self) -> str:
        """The file of the tables' digests."""
        return f"{self.results}/{intact.INDEX}"

    def libraries(self) -> list[str]:
        """Return the libraries that must be built for the backends that are run."""
        return [str(library.path())] if any(one.backend.go_modules for one in self.choices.values()) else []

    def libraries_to_build(self, store: Names) -> list[str]:
        """Return the library without which a store can't be built: with conda its step lacks the tools."""
        needed = self.with_conda and self.choices[store.backend].backend.go_modules
        return [str(library.path())] if needed else []

    @property
    def source_environment(self) -> Callable[[Any], str | None]:
        """The conda environment for reading the source of the images, as a function of wildcards."""
        return self.environment("all" if images.needs_packages(self.config["images"]) else "dataset")

    def environment(self, name: str) -> Callable[[Any], str | None]:
        """Return the conda environment of a rule, as a function of its wildcards; Snakemake wants one for each rule.

        Without conda it returns None: Snakemake would look for the file of an environment even then.
        """
        return lambda wildcards: f"envs/{name}.yaml" if self.with_conda else None

    def store_environment(self, store: Names) -> str | None:
        """Return the conda environment for building a store and timing its cells."""
        name = "core" if available.needs_only_core(self.choices[store.backend]) else "all"
        return self.environment(name)(store)

    def settings_shown(self) -> dict[str, Any]:
        """Return what differs from the defaults in what is measured and how."""
        return configuration.not_default(self.config, list(self.choices), images.has(self.config["images"]))
