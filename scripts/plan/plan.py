"""The plan of a run, from the config: which cells there are, where their files go, and which code each rule depends on.

It reads files and asks what is installed; it changes and measures nothing. The Snakefile imports it, for its rules.
"""

import glob
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from scripts.backends.go import library
from scripts.common import digests
from scripts.common.atomic import nearest_directory, writable
from scripts.common.cells import Cell, Store, image_size
from scripts.common.errors import UserError
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.dataset.sources.cifar10 import IMAGE_SHAPE
from scripts.measure import ground
from scripts.measure.operations import catalogue
from scripts.plan import available, config_file, configuration, existing, permission, places
from scripts.report import intact
from scripts.report.draw import captions
from scripts.stores import manifest, store
from scripts.system import machine
from scripts.system.disk import file_system

WHOLE_MACHINE = 10_000
"""Threads that a timing job asks for: Snakemake scales it down to all there are, so that nothing runs beside it."""

ARRAYS = ("images.npy", "labels.npy", "test_images.npy", "test_labels.npy")
CONDA_PYTHON = "3.11"
"""The version of Python in the conda environments."""

CORE_ENVIRONMENT, LARGE_ENVIRONMENT = "envs/core.yaml", "envs/all.yaml"

TABLES = ("timings", "summary", "latencies", "disk_usage")

MEASURED = (
    *("operations", "budget_seconds", "minimum_samples", "random_images", "batch_size", "threads"),
    *("drop_caches", "quick"),
)
"""Keys of the config that say what is measured and how, beside images, cutoffs, backends and variants."""

QUICK_LARGEST_CUTOFF = 100
QUICK_BUDGET_FACTOR = 0.05

FOUND_VARIABLE = "IMAGE_STORAGE_BENCHMARK_FOUND"
"""Hands what the start of a run has found to its jobs on a cluster, which read the plan again, each on its node."""


@dataclass(frozen=True)
class Plan:
    """What a valid config asks for. Paths are relative to the directory that Snakemake runs in, or absolute."""

    config: configuration.Config
    with_conda: bool
    on_cluster: bool
    found: Mapping[str, Any] = field(default_factory=dict)
    """What the start of the run has found, in a job on a node, which may see other mounts and permissions; by name."""

    @cached_property
    def asked(self) -> dict[str, store.Choice]:
        """The backends and variants asked for, by name, in the config's order; backends with each codec asked for."""
        return configuration.choices(self.config)

    @cached_property
    def missing(self) -> dict[str, str]:
        """Those of `asked` that can't run here: why not, and the remedy. What conda will install isn't looked for."""
        if "missing" in self.found:
            return self.found["missing"]
        reasons = {
            name: available.lacks_wheel(choice, choice.packages().values(), CONDA_PYTHON)
            if self.with_conda
            else available.why_not(choice)
            for name, choice in self.asked.items()
        }
        return {name: reason for name, reason in reasons.items() if reason}

    @cached_property
    def choices(self) -> dict[str, store.Choice]:
        """Those of `asked` that can run here."""
        return {name: choice for name, choice in self.asked.items() if name not in self.missing}

    @cached_property
    def cutoffs(self) -> list[int]:
        """The numbers of images, ascending."""
        cutoffs = sorted(self.config["cutoffs"])
        return [cutoff for cutoff in cutoffs if cutoff <= QUICK_LARGEST_CUTOFF] if self.config["quick"] else cutoffs

    @property
    def operations(self) -> list[str]:
        """What is timed, in the config's order; in a quick run only what is quick, if any of that is asked for."""
        asked = self.config["operations"]
        few = [name for name in asked if catalogue.entry(name).quick] if self.config["quick"] else []
        return few or asked

    @property
    def budget_seconds(self) -> float:
        """Seconds of sampling for each cell."""
        return self.config["budget_seconds"] * (QUICK_BUDGET_FACTOR if self.config["quick"] else 1)

    def settings_of(self, operation: str) -> str:
        """The settings that the timing of an operation depends on, as JSON."""
        chosen = {name: self.config[name] for name in catalogue.entry(operation).all_settings}
        return json.dumps(chosen | {"budget_seconds": self.budget_seconds}, sort_keys=True)

    @cached_property
    def machine(self) -> str:
        """The name of this kind of machine; where jobs run elsewhere, only what is timed on can be told from here."""
        if known := self.config["machine"] or self.found.get("machine"):
            return known
        scratch = self.config["scratch_dir"]
        if self.on_cluster:
            return f"cluster-{'scratch' if scratch else file_system.type_of(Path(self.stores))}"
        return machine.name(ground.expanded(scratch) if scratch else Path(self.stores))

    @property
    def results(self) -> str:
        """Where records, tables, figures and page go."""
        return "results/quick" if self.config["quick"] else "results"

    @cached_property
    def dataset(self) -> str:
        """Where the image set is: with the archive where that is shared, by the images' name, unless it isn't there and
        nothing may be added."""
        own = "results/dataset"
        if "dataset" in self.found:
            return self.found["dataset"]
        if not self.config["download_dir"]:
            return own
        name = self.config["images"]
        if configuration.is_path(name):
            own_name = re.sub(r"[^\w-]+", "-", Path(name).name.split(".")[0])
            name = f"{own_name}-{self.archive_digest()[:12]}"
        shared = f"{self.downloads}/{name}"
        return shared if os.path.exists(f"{shared}/provenance.json") or writable(nearest_directory(shared)) else own

    @property
    def stores(self) -> str:
        """Where the stores are."""
        return places.expanded(self.config["store_dir"]) or "results/stores"

    @property
    def downloads(self) -> str:
        """Where the archive is kept."""
        return places.expanded(self.config["download_dir"]) or "results/dataset"

    @cached_property
    def writes(self) -> str:
        """Where timings write, on the file system of the stores: beside them, unless they may only be read."""
        if "writes" in self.found:
            return self.found["writes"]
        return self.stores if writable(nearest_directory(self.stores)) else "results"

    def found_text(self) -> str:
        """What is for the environment variable that hands it to jobs."""
        archive = self.archive_digest()
        found = {"machine": self.machine, "dataset": self.dataset, "writes": self.writes, "archive": archive}
        return json.dumps(found | {"missing": self.missing})

    @property
    def file_system_uses(self) -> int:
        """How much of the resource `file_system` a build or timing takes; there is one for a whole run on a cluster."""
        at_once = self.config["timings_at_once"]
        return int(not self.config["scratch_dir"] if at_once is None else at_once == "one")

    @cached_property
    def figures(self) -> list[str]:
        """The names of the figures: the files in scripts/report/figures."""
        return captions.names()

    @property
    def image_sizes(self) -> list[str]:
        """The image sizes, height x width in pixels: the one that the images have."""
        return [image_size(IMAGE_SHAPE)]

    def all_stores(self) -> list[Store]:
        """Every store, in the config's order of backends."""
        return [Store(*names) for names in product(self.choices, self.image_sizes, self.cutoffs)]

    def cells(self) -> list[Cell]:
        """Every cell, in the config's order of backends and operations."""
        return [
            Cell(self.machine, store.backend, store.image_size, store.cutoff, operation)
            for store in self.all_stores()
            for operation in self.operations
        ]

    def manifests(self) -> list[str]:
        """The manifests of all stores."""
        return [f"{store.directory(self.stores)}/{manifest.MANIFEST}" for store in self.all_stores()]

    def records(self) -> list[str]:
        """The records of all cells."""
        return [str(cell.record(f"{self.results}/records")) for cell in self.cells()]

    def tables(self) -> list[str]:
        """The tables, and the file of their digests."""
        return [f"{self.results}/{name}" for name in (*(f"{table}.csv" for table in TABLES), intact.INDEX)]

    def other_records(self) -> list[str]:
        """The records that other machines have of these backends and operations, from other runs in this directory."""
        found = [
            path
            for path in Path(self.results, "records").glob("*/*/*/*/*.json")
            if (cell := Cell.of_record(path)).machine != self.machine
            and cell.backend in self.asked
            and cell.operation in self.operations
        ]
        return sorted(map(str, found))

    def priority(self, wildcards: Any) -> int:
        """Which cells are timed first: those of small cutoffs, and one right after the other those that are compared.

        Those are of one cutoff and operation: the less time lies between two jobs, the less the machine has changed.
        """
        groups = [(str(cutoff), operation) for cutoff in self.cutoffs for operation in self.operations]
        group = (wildcards.cutoff, wildcards.operation)
        return len(groups) - groups.index(group) if group in groups else 0

    @property
    def build_priority(self) -> int:
        """That of stores, which are all built before the first cell is timed."""
        return len(self.cutoffs) * len(self.operations) + 1

    def options_text(self, name: str) -> str:
        """The complete options of a backend or variant, as canonical JSON."""
        return json.dumps(self.choices[name].options, sort_keys=True)

    def libraries(self) -> list[str]:
        """The libraries that must be built for the backends that are run."""
        needed = [choice.backend.native for choice in self.choices.values()]
        return sorted({str(library.path(each)) for each in needed if each})

    def libraries_first(self, name: str) -> list[str]:
        """The library without which the stores of a backend can't be built: with conda their steps lack the tools."""
        needed = self.choices[name].backend.native if self.with_conda else None
        return [str(library.path(needed))] if needed else []

    def built_for(self, path: str) -> str:
        """A backend, by its module's name, that needs the library of that path."""
        return next(
            choice.module
            for choice in self.asked.values()
            if choice.backend.native and str(library.path(choice.backend.native)) == path
        )

    def stores_environment(self, name: str) -> str:
        """The conda environment for building and timing a backend or variant, as the Snakefile names it."""
        return CORE_ENVIRONMENT if available.needs_only_core(self.choices[name]) else LARGE_ENVIRONMENT

    def environment(self, file: str) -> str | None:
        """A rule's conda environment; None without conda, where Snakemake would still format the file's whole path."""
        return file if self.with_conda else None

    def missing_text(self) -> str:
        """What was asked for and can't run here, with the reasons, as JSON."""
        return json.dumps(self.missing)

    def places_text(self) -> str:
        """The options of a timing that say where it works, for a shell."""
        scratch = self.config["scratch_dir"]
        return shlex.join(["--writes", self.writes, *(["--node-scratch", scratch] if scratch else [])])

    def step_command(self) -> str:
        """The start of every step's command, for a shell.

        The interpreter is the one that runs Snakemake, or that of the rule's conda environment.
        """
        python = "python" if self.with_conda else sys.executable
        return shlex.join([python, os.path.relpath(digests.CHECKOUT / digests.PACKAGE)])

    def discard_command(self) -> list[str]:
        """The command that removes what timing jobs wrote and what killed jobs left, for the end of a run."""
        step = [sys.executable, str(digests.CHECKOUT / digests.PACKAGE), "discard", "--stores", self.writes]
        return [*step, "--among", *self.made_in()]

    def made_in(self) -> list[str]:
        """The directories in which files and stores appear, as patterns of paths."""
        of_results = [self.results, f"{self.results}/figures", f"{self.results}/records/*/*/*/*", "results/libraries"]
        of_images = map(glob.escape, dict.fromkeys((self.dataset, self.downloads)))
        return [*of_results, *of_images, f"{glob.escape(self.stores)}/*/*"]

    @cached_property
    def _codes(self) -> dict[tuple[str, str | None], str]:
        """Digests that are known already: Snakemake asks again for each job."""
        return {}

    def code(self, step: str, name: str | None = None) -> str:
        """The digest of the code and libraries that a step depends on; with `name`, that of the backend's too."""
        if (step, name) not in self._codes:
            choice = self.choices[name] if name else None
            files = [digests.step_file(step), *(choice.files() if choice else [])]
            versions = choice.backend.versions() if choice else {}
            self._codes[step, name] = digests.digest([digests.code_digest(files), versions])
        return self._codes[step, name]

    def summary_code(self) -> str:
        """The digest of the code and libraries that the tables depend on, and of the catalogue of operations."""
        return digests.digest([self.code("summarise"), _catalogue()])

    def figure_code(self, figure: str) -> str:
        """The digest of the code and libraries that one figure depends on, and of the catalogue of operations."""
        code = digests.code_digest([digests.step_file("figure"), _figure_file(figure)])
        return digests.digest([code, _catalogue()])

    def page_code(self) -> str:
        """The digest of the page's code, of the backends' files, and of the words in both that the page shows."""
        files = {file for choice in self.choices.values() for file in choice.files()}
        code = digests.code_digest([digests.step_file("page"), *files])
        shown = [*files, *map(_figure_file, self.figures)]
        return digests.digest([code, digests.docstrings(shown), _catalogue()])

    def archive_digest(self) -> str:
        """What decides whether the archive must be looked at again: its name, or a file's SHA-256."""
        images = self.config["images"]
        if not configuration.is_path(images):
            return images
        if "archive" in self.found:
            return self.found["archive"]
        with open(images, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults in what is measured and how; places and the machine's name are left out."""
        images = self.config["images"]
        asked = {
            "images": f"path/to/{Path(images).name}" if configuration.is_path(images) else images,
            "backends": list(self.choices),
            "variants": {
                name: self.config["variants"][name] for name in self.choices if name in self.config["variants"]
            },
            **{name: self.config[name] for name in MEASURED},
            "cutoffs": self.config["cutoffs"],
        }
        usual = configuration.defaults()
        return {name: value for name, value in asked.items() if value != usual[name]}

    def settings_text(self) -> str:
        """The settings, as JSON."""
        return json.dumps(self.settings())

    def closing(self) -> str:
        """Where the result of a finished run is, and that it isn't of the images asked for where that is so."""
        page = os.path.abspath(f"{self.results}/report.html")
        told = f"The page is {page}" if os.path.exists(page) else f"Done; the page {page} was not asked for"
        if self.config["images"] == "synthetic":
            return told
        try:
            images = read_provenance(Path(self.dataset, PROVENANCE))
        except UserError:  # where it is read, that is said
            return told
        return f"{told}\nIt was measured with {images['label']}: {images['note']}" if images["synthetic"] else told


def check_config_files(*paths: str | Path) -> None:
    """End the process with one line where one of these files is no config."""
    try:
        for path in paths:
            config_file.check(Path(path))
    except UserError as error:
        sys.exit(f"error: {error}")


def read(config: configuration.Config, *, with_conda: bool, on_cluster: bool, in_job: bool = False) -> Plan:
    """Return the plan of a config, or end the process with one line that says what is wrong with it and the remedy.

    In a job, which another process with this plan has started, nothing is looked at again.
    """
    try:
        if in_job:
            return Plan(
                configuration.complete(config), with_conda, on_cluster, json.loads(os.environ.get(FOUND_VARIABLE, "{}"))
            )
        plan = Plan(configuration.complete(config), with_conda, on_cluster)
        configuration.check(plan.config, on_cluster=on_cluster)
        if not plan.cutoffs:
            raise UserError(
                f"config key cutoffs: quick leaves out what is above {QUICK_LARGEST_CUTOFF:,} images, and that leaves "
                "none; give a smaller one"
            )
        if with_conda and set("{}") & set(str(digests.CHECKOUT)):
            raise UserError(
                f"conda can't be used in {digests.CHECKOUT}, whose name has a brace in it; rename the folder"
            )
        permission.check_snakemakes()
        if not with_conda:
            _check_what_can_run(plan)
        existing.check_what_may_only_be_read(plan)
        # They are asked of the system, and what goes wrong with that is said here.
        _ = plan.machine, plan.dataset, plan.writes
    except PermissionError as error:
        sys.exit(f"error: no permission to read {error.filename}; ask its owner, or set store_dir to one of your own")
    except UserError as error:
        sys.exit(f"error: {error}")
    return plan


def untracked(value: Any) -> Callable[..., Any]:
    """Return a value as a rule's parameter that Snakemake doesn't compare between runs: it says where, not what.

    Snakemake leaves out of its comparison what a function derives from output (or input, threads, resources).
    """
    return lambda wildcards, output: value


def _check_what_can_run(plan: Plan) -> None:
    if plan.config["backends"] != configuration.ALL:
        for name, choice in plan.asked.items():
            if reason := available.lacks_package(choice):
                raise UserError(f"backend {name} can't run in {sys.prefix}: {reason}, or leave it out of the config")
    if not plan.choices:
        raise UserError(f"none of the backends asked for can run here: {'; '.join(plan.missing.values())}")


def _catalogue() -> list[dict[str, Any]]:
    """What tables, figures and page read of the operations; it is no code of theirs."""
    return [asdict(entry) for entry in catalogue.entries().values()]


def _figure_file(figure: str) -> Path:
    return digests.CHECKOUT / "scripts/report/figures" / f"{figure}.py"
