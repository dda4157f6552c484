"""The config: its keys with their defaults, what its names of backends and variants mean, and its mistakes."""

import os
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from scripts import backends, codecs, digests
from scripts.errors import UserError, did_you_mean
from scripts.measure import store

ALL = "all"
"""The word for every backend and variant."""

Config = dict[str, Any]


def complete(config: Config) -> Config:
    """Return the config with the default of every key that isn't given. Raises UserError for its first mistake."""
    schema = _schema()
    known = schema["properties"]
    for name in config:
        if name not in known:
            raise UserError(f"config key {name} is unknown; {did_you_mean(name, known)}")
    completed = {
        name: _typed(described["default"] if given is None else given, from_text="string" not in described["type"])
        for name, described in known.items()
        for given in [config.get(name)]
    }
    completed["images"] = expanded(completed["images"])
    for error in Draft202012Validator(schema).iter_errors(completed):
        name, *inside = (str(part) for part in error.absolute_path)
        place = f"config key {name}" + (f" ({' '.join(inside)})" if inside else "")
        if error.validator == "enum":
            nearest = did_you_mean(error.instance, error.validator_value)
            raise UserError(f"{place}: {error.instance!r} is unknown; {nearest}")
        hint = "; write a list, such as [a,b]" if "array" in known[name]["type"] and not inside else ""
        raise UserError(f"{place}: {error.message}{hint}; it means: {known[name]['description']}")
    return completed


def choices(config: Config) -> dict[str, store.Choice]:
    """Return the backends and variants that a complete config asks for, by name and in its order.

    A backend that keeps one value per image is there with each of `codecs`.

    Raises UserError for options that a backend doesn't take.
    """
    names = [*backends.names(), *config["variants"]] if config["backends"] == ALL else config["backends"]
    every = [each for name in names for each in _with_codecs(config, name)]
    return {name: _choice(config, name) for name in dict.fromkeys(every)}


def check(config: Config) -> None:
    """Raise UserError where a complete config names an archive, codec, backend or variant wrongly."""
    _check_images(config["images"])
    _check_names(config)


def defaults() -> Config:
    """Return the default of every key."""
    return {name: described["default"] for name, described in _schema()["properties"].items()}


def is_path(images: str) -> bool:
    """Say whether the key `images` is the path of an archive."""
    return images not in ("cifar10", "synthetic")


def expanded(path: str | None) -> str | None:
    """Return a path with variables and `~` expanded; None stays."""
    return os.path.normpath(os.path.expanduser(os.path.expandvars(path))) if path else None


def _schema() -> dict[str, Any]:
    return yaml.safe_load((digests.CHECKOUT / "scripts/schemas/config.schema.yaml").read_text())


def _typed(value: Any, *, from_text: bool) -> Any:
    """Read the numbers and truth values that `--config` hands over as text: true, and all within lists and mappings."""
    if isinstance(value, dict):
        return {key: _typed(item, from_text=True) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, from_text=True) for item in value]
    if from_text and isinstance(value, str):
        read = yaml.safe_load(value)
        value = read if isinstance(read, int | float) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _choice(config: Config, name: str) -> store.Choice:
    options = dict(_described(config, name) or {"backend": name})
    module = options.pop("backend")
    return store.Choice(module, backends.resolve(module, options))


def _described(config: Config, name: str) -> dict[str, Any] | None:
    """What a variant is, as the config says or as its name does: lmdb-png is backend lmdb with codec png."""
    if name in config["variants"]:
        return config["variants"][name]
    backend, _, codec = name.rpartition("-")
    known = backend in backends.names() and codecs.OPTION in backends.load(backend).options and codec in codecs.names()
    return {"backend": backend, codecs.OPTION: codec} if known else None


def _with_codecs(config: Config, name: str) -> list[str]:
    """The names of a backend with each of the codecs asked for; of anything else its own."""
    if name in backends.names() and (option := backends.load(name).options.get(codecs.OPTION)):
        return [name if codec == option.default else f"{name}-{codec}" for codec in config["codecs"]]
    return [name]


def _check_images(images: str) -> None:
    if is_path(images) and not Path(images).is_file():
        raise UserError(
            f"config key images: there is no archive {images}; give cifar10, synthetic, or the path of a file"
        )
    if is_path(images) and not os.access(images, os.R_OK):
        raise UserError(f"config key images: no permission to read {images}; make it readable")


def _check_names(config: Config) -> None:
    known = backends.names()
    for codec in config["codecs"]:
        if codec not in codecs.names():
            raise UserError(f"config key codecs: {codec} is unknown; {did_you_mean(codec, codecs.names())}")
    for name, variant in config["variants"].items():
        if name in known:
            raise UserError(f"config key variants: {name} is a backend already; give the variant a name of its own")
        if variant["backend"] not in known:
            nearest = did_you_mean(variant["backend"], known)
            raise UserError(f"variant {name}: there is no backend {variant['backend']}; {nearest}")
        _choice(config, name)
        meant = _described({"variants": {}}, name)
        if meant and _choice({"variants": {name: meant}}, name) != _choice(config, name):
            raise UserError(f"config key variants: {name} means {meant} already; give the variant a name of its own")
    for name in [] if config["backends"] == ALL else config["backends"]:
        if name not in known and not _described(config, name):
            raise UserError(
                f"config key backends: {name} is unknown; {did_you_mean(name, [*known, *config['variants']])}"
            )
