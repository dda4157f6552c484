"""The config: its keys with their defaults, what its names of backends and variants mean, and its mistakes."""

import math
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from scripts import backends, codecs
from scripts.common.errors import UserError, did_you_mean, shown
from scripts.measure.operations import catalogue
from scripts.plan.config import places
from scripts.plan.images import FILES, PIXELS, is_path
from scripts.stores.choice import Choice

DATA_FILES = ("../../schemas/config.schema.yaml",)

ALL = "all"
"""The word for every backend and variant."""

SHOWN = (
    *("images", "image_sizes", "upscale", "backends", "codecs", "variants", "operations", "budget_seconds"),
    *("minimum_samples", "random_images", "batch_size", "threads", "drop_caches", "quick", "cutoffs"),
    "largest_store_gb",
)
"""Keys that say what is measured and how, in the order in which the page shows them."""
EVERY_OPERATION = ("write", "write-durable", "read-warm", "read-cold", "random-warm", "random-cold", "batch-warm")
BY_SOURCE: dict[str, dict[str, Any]] = {
    PIXELS: {
        "backends": ["png", "lmdb", "hdf5", "memmap"],
        "codecs": ["raw"],
        "operations": [*EVERY_OPERATION, "batch-cold"],
        "random_images": 2000,
    },
    FILES: {
        "backends": ["files-original", "lmdb", "hdf5", "memmap", "tar", "sqlite"],
        "codecs": ["raw", "original"],
        "operations": ["write-durable", "read-warm", "batch-warm", "batch-cold"],
        "random_images": 256,
    },
}
QUICK_FILES = {"random_images": 32}
"""What a quick run takes in their place for a source of files."""
"""What the config leaves open (null), by what a source has. To decode a photograph takes a thousand times as long as to
read it, so what tells little of photographs is left out of the operations, and fewer are drawn."""
CUTOFFS = [1, 10, 100, 1000, 10_000, 100_000]
"""The cutoffs of a source that is repeated, as in the article."""

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NULL = ("null", "~")
ENDLESS = re.compile(r"(.+?)\1{19,}$")
"""A name that ends so, Snakemake takes for the result of rules that call each other for ever."""

PLAIN = re.compile(r"[A-Za-z0-9][\w:/.-]*")
"""An item of a list that needs no quotes."""

Config = dict[str, Any]
Schema = dict[str, Any]


def complete(config: Config) -> Config:
    """Return the config with the default of every key that isn't given. Raises UserError for its first mistake."""
    known = _keys()
    for name in config:
        if name not in known:
            raise UserError(f"config key {shown(name)} is unknown; {did_you_mean(name, known)}")
    completed = {name: _value(config, name, key) for name, key in known.items()}
    for name, key in known.items():
        for error in Draft202012Validator(key).iter_errors(completed[name]):
            raise UserError(f"config key {name}: {_fault(name, key, completed[name], error)}")
    for codec in completed["codecs"] or []:
        if not codecs.is_known(codec):
            raise UserError(f"config key codecs: {shown(codec)} is unknown; {did_you_mean(codec, codecs.names())}")
    completed["images"] = places.expanded(completed["images"])
    return completed


def for_source(config: Config, has: str) -> Config:
    """Return a complete config with the values that suit a source, by what it has, where the config leaves them open.

    Raises UserError for a codec that keeps the files of a source without files.
    """
    suits = BY_SOURCE[has] | (QUICK_FILES if has == FILES and config["quick"] else {})
    found: Config = {name: suits.get(name) if value is None else value for name, value in config.items()}
    lacking = [name for name in found["codecs"] if has == PIXELS and codecs.load(name).keeps_originals]
    if lacking:
        raise UserError(
            f"config key codecs: {lacking[0]} keeps the files of images, and {shown(config['images'])} has none; leave "
            f"out {lacking[0]}, or give images: that are files"
        )
    return found


def choices(config: Config) -> dict[str, Choice]:
    """Return the backends and variants that a complete config asks for, by name and in its order.

    A backend that keeps one value per image is there with each of `codecs`. Raises UserError for options that a backend
    doesn't take.
    """
    names = [*backends.names(), *config["variants"]] if config["backends"] == ALL else config["backends"]
    every = [each for name in names for each in _with_codecs(config, name)]
    return {name: _choice(config, name) for name in dict.fromkeys(every)}


def check(config: Config, *, on_cluster: bool = False) -> None:
    """Raise UserError where a complete config names a path, codec, backend or variant wrongly.

    On a cluster each node expands the variables in `scratch_dir` for itself.
    """
    faults = {"images": places.faults_of_images(config["images"])} if is_path(config["images"]) else {}
    for key in ("download_dir", "store_dir", "scratch_dir"):
        if config[key]:
            for_nodes = on_cluster and key == "scratch_dir"
            faults[key] = places.faults_of_directory(key, config[key], variables_are_the_nodes=for_nodes)
    for key, fault in ((key, fault) for key, every in faults.items() for fault in every):
        raise UserError(f"config key {key}: {shown(config[key])} {fault}")
    _check_names(config)


def defaults() -> Config:
    """Return the default of every key."""
    return {name: key["default"] for name, key in _keys().items()}


def not_default(config: Config, names: list[str], has: str) -> Config:
    """Return what differs from the defaults in what is measured and how, for a source that has what `has` says.

    `names` are the backends and variants that are run, which stand for those asked for. Of a path to images only its
    last part is told.
    """
    images = config["images"]
    asked = {key: config[key] for key in SHOWN} | {
        "images": f"path/to/{Path(images).name}" if is_path(images) else images,
        "backends": names,
        "variants": {name: config["variants"][name] for name in names if name in config["variants"]},
    }
    usual = for_source(defaults() | {"images": images}, has)
    usual["backends"] = list(choices(usual))
    return {key: value for key, value in asked.items() if value != usual[key]}


@cache
def _keys() -> dict[str, Schema]:
    """The schema of each key, with the names of the operations, codecs and backends that there are."""
    keys: dict[str, Schema] = yaml.safe_load(Path(__file__).parent.joinpath(*DATA_FILES).read_text())["properties"]
    keys["operations"]["items"]["enum"] = list(catalogue.entries())
    keys["variants"]["additionalProperties"]["properties"]["backend"]["enum"] = backends.names()
    return keys


def _value(config: Config, name: str, key: Schema) -> Any:
    """The value of a key with its numbers and truth values read; its default where the config hasn't the key."""
    types = key["type"]
    given = config.get(name, key["default"])
    if given is None and types == "object":
        return {}
    if "null" in types and given in NULL:
        return None
    return _typed(given, from_text="string" not in types)


def _typed(value: Any, *, from_text: bool) -> Any:
    """Read the numbers and truth values that `--config` hands over as text: true, and all within lists and mappings."""
    if isinstance(value, dict):
        return {str(name): _typed(item, from_text=True) for name, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, from_text=True) for item in value]
    if from_text and isinstance(value, str):
        value = _read(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # which is no number for the schema
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read(text: str) -> Any:
    """The number or truth value that a text is, otherwise the text."""
    for read in (TRUTH.__getitem__, int, float):
        with suppress(KeyError, ValueError):
            return read(text.lower())
    return text


def _fault(name: str, key: Schema, value: Any, error: ValidationError) -> str:
    """What is wrong with a value of a key, and which value would be right."""
    instead = f"give {key['takes']}, such as {name}={key['examples'][0]}"
    where = f" of {error.absolute_path[0]}" if isinstance(value, dict) and error.absolute_path else ""
    if error.validator == "enum" and error.absolute_path:
        known: Any = error.validator_value
        return f"{shown(error.instance)}{where} is unknown; {did_you_mean(error.instance, known)}"
    if value is None or value == "":
        return f"no value is given; {instead}"
    if error.validator == "uniqueItems":
        twice = next(item for place, item in enumerate(value) if item in value[:place])
        return f"{shown(twice)} is there twice; {instead}"
    if error.validator == "required":
        return f"{shown(error.absolute_path[0])} names no backend; {instead}"
    if (meant := _meant(key, value)) is not None:
        return f"{shown(value)} won't do; write it as {name}={meant}"
    return f"{shown(error.instance)}{where} won't do; {instead}"


def _meant(key: Schema, value: Any) -> str | None:
    """The value of a key, as a command line has it, that was most likely meant; None where there is none."""
    parts = [part for part in re.split(r"[\s,;]+", value) if part] if isinstance(value, str) else [value]
    items = [_read(part) if isinstance(part, str) else part for part in parts]
    if all(PLAIN.fullmatch(str(item)) for item in items) and Draft202012Validator(key).is_valid(items):
        return f"[{','.join(map(str, items))}]"
    if isinstance(value, int) and not isinstance(value, bool) and Draft202012Validator(key).is_valid(f"./{value}"):
        return f"./{value}"
    return None


def _choice(config: Config, name: str) -> Choice:
    options = dict(_described(config, name) or {"backend": name})
    module = options.pop("backend")
    return Choice(module, backends.resolve(module, options))


def _described(config: Config, name: str) -> dict[str, Any] | None:
    """What a variant is, as the config says or as its name does: lmdb-png is backend lmdb with codec png."""
    variants: dict[str, dict[str, Any]] = config["variants"]
    if name in variants:
        return variants[name]
    backend, _, codec = name.rpartition("-")
    known = backend in backends.names() and codecs.OPTION in backends.load(backend).options and codecs.is_known(codec)
    return {"backend": backend, codecs.OPTION: codec} if known else None


def _with_codecs(config: Config, name: str) -> list[str]:
    """The names of a backend with each of the codecs asked for; of anything else its own."""
    if name in backends.names() and (option := backends.load(name).options.get(codecs.OPTION)):
        return [name if codec == option.default else f"{name}-{codec}" for codec in config["codecs"]]
    return [name]


def without_codecs(config: Config) -> dict[str, str]:
    """Return why a backend that a complete config asks for isn't there with a codec that keeps the files of images, by
    the name that it would have."""
    names = backends.names() if config["backends"] == ALL else config["backends"]
    found = {}
    for name in names:
        if name in backends.names() and codecs.OPTION not in backends.load(name).options:
            for codec in config["codecs"]:
                if codecs.load(codec).keeps_originals:
                    found[f"{name}-{codec}"] = f"backend {name} keeps pixels in its own way, not the files of images"
    return found


def _check_names(config: Config) -> None:
    known = backends.names()
    for key, name in [*(("variants", name) for name in config["variants"]), ("machine", config["machine"] or "")]:
        if endless := ENDLESS.search(name):
            raise UserError(
                f"config key {key}: {shown(name)} repeats {endless[1]} to its end, which Snakemake takes for "
                "an endless loop; give a shorter name"
            )
    for name in config["variants"]:
        if name in known:
            raise UserError(f"config key variants: {name} is a backend already; give the variant a name of its own")
        _choice(config, name)
        meant = _described({"variants": {}}, name)
        if meant and _choice({"variants": {name: meant}}, name) != _choice(config, name):
            raise UserError(f"config key variants: {name} means {meant} already; give the variant a name of its own")
    for name in [] if config["backends"] in (ALL, None) else config["backends"]:
        if name not in known and not _described(config, name):
            raise UserError(
                f"config key backends: {shown(name)} is unknown; {did_you_mean(name, [*known, *config['variants']])}"
            )
