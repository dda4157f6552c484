"""The backends that there are: every file in this folder but `base.py` is one, under its file name."""

import importlib
from pathlib import Path
from typing import Any

from scripts import codecs
from scripts.backends import base
from scripts.common.errors import UserError, did_you_mean


def names() -> list[str]:
    """Return the name of every backend, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "base"))


def load(name: str) -> base.Backend:
    """Return the backend of that name, without importing its library. Raises UserError when there is none."""
    if name not in names():
        raise UserError(f"there is no backend {name}; {did_you_mean(name, names())}")
    backend: base.Backend = importlib.import_module(f"{__name__}.{name}").Backend()
    return backend


def resolve(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return all options of the backend `name`: the given ones, and the default of every other.

    Raises UserError for an unknown backend or option and for a value that the option doesn't take,
    alone or beside the others.
    """
    backend = load(name)
    known = backend.options
    for key, value in options.items():
        if key not in known:
            raise UserError(f"backend {name} has no option {key}; {did_you_mean(key, known)}")
        option = known[key]
        if key == codecs.OPTION and isinstance(value, str) and codecs.is_known(value):
            continue
        if option.choices:
            if not any(type(value) is type(choice) and value == choice for choice in option.choices):
                raise UserError(
                    f"option {key} of backend {name} can't be {value}; {did_you_mean(value, option.choices)}"
                )
        elif type(value) is not type(option.default):
            kind = type(option.default).__name__
            raise UserError(f"option {key} of backend {name} takes a value of type {kind}, not {value!r}")
        elif type(value) is int and value < option.minimum:
            raise UserError(f"option {key} of backend {name} must be at least {option.minimum}, not {value}")
    complete = {key: options.get(key, option.default) for key, option in known.items()}
    backend.check(complete)
    return complete
