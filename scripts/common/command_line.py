"""Command lines, made from the signature of a function.

    @command
    def main(name: Annotated[str, "which figure"], *, svg: Annotated[Path, "file to write"]) -> None:

makes `python scripts STEP NAME --svg SVG`. STEP is the name of the module, whose docstring explains the command. An
option is required where its parameter has no default. The type of a parameter says how its text is read: a list takes
several texts, a `dict` takes JSON, and a `bool` is an option without a value.
"""

import argparse
import functools
import inspect
import json
import sys
import types
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints


def command(function: Callable[..., None]) -> Callable[[list[str]], None]:
    """Return `function` as a command: it takes the texts of a command line, and ends the process with exit code 2 and a
    usage where they don't fit."""

    @functools.wraps(function)
    def main(arguments: list[str]) -> None:
        function(**vars(_parser(function).parse_args(arguments)))

    return main


def _parser(function: Callable[..., None]) -> argparse.ArgumentParser:
    module = sys.modules[function.__module__]
    step = module.__name__.rpartition(".")[2]
    parser = argparse.ArgumentParser(prog=f"python scripts {step}", description=module.__doc__)
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        flag = name.replace("_", "-")
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            required = parameter.default is inspect.Parameter.empty
            parser.add_argument(f"--{flag}", required=required, **_settings(parameter, hints[name]))
        else:
            parser.add_argument(name, metavar=name.upper(), **_settings(parameter, hints[name]))
    return parser


def _settings(parameter: inspect.Parameter, hint: Any) -> dict[str, Any]:
    """How `argparse` reads a parameter of a type, and what it says of it."""
    kind, said = get_args(hint)
    settings: dict[str, Any] = {"help": said}
    if parameter.default is not inspect.Parameter.empty:
        settings["default"] = parameter.default
    if kind is bool:
        return settings | {"action": "store_true"}
    if isinstance(kind, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
    if get_origin(kind) is list:
        settings["nargs"] = "+" if parameter.default else "*"
        (kind,) = get_args(kind)
    return settings | {"type": json.loads if get_origin(kind) is dict else kind}
