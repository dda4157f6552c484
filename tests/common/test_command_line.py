"""Command lines made from a function's signature: what each kind of parameter takes, and how mistakes end."""

from pathlib import Path
from typing import Annotated, Any

import pytest

from scripts.common.command_line import command

NOTHING: list[str] = []
taken: dict[str, Any] = {}


@command
def main(
    cell: Annotated[list[str], "which cells"],
    *,
    place_of_all: Annotated[Path, "where they are"],
    kind: Annotated[str, "of which kind"] = "warm",
    options: Annotated[dict[str, Any] | None, "as JSON"] = None,
    counts: Annotated[list[int], "how many"] = NOTHING,
    factor: Annotated[float, "how much"] = 1.5,
    limit: Annotated[float | None, "seconds"] = None,
    check: Annotated[bool, "change nothing"] = False,
) -> None:
    """Keep what was taken."""
    taken.clear()
    taken.update(
        cells=cell,
        place=place_of_all,
        kind=kind,
        options=options,
        counts=counts,
        factor=factor,
        limit=limit,
        check=check,
    )


def test_every_kind_of_parameter_is_read() -> None:
    main(["a", "b", "--place-of-all", "x/y"])
    assert taken == {
        **{"cells": ["a", "b"], "place": Path("x/y"), "kind": "warm", "options": None, "counts": []},
        **{"factor": 1.5, "limit": None, "check": False},
    }
    main(
        [
            *("a", "--place-of-all", "x", "--kind", "cold", "--options", '{"codec": "png"}', "--counts", "1", "2"),
            *("--factor", "3", "--limit", "0.5", "--check"),
        ]
    )
    assert taken == {
        **{"cells": ["a"], "place": Path("x"), "kind": "cold", "options": {"codec": "png"}, "counts": [1, 2]},
        **{"factor": 3.0, "limit": 0.5, "check": True},
    }
    main(["a", "--place-of-all", "x", "--counts"])
    assert taken["counts"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--place-of-all", "x"], "required: CELL"),
        (["a"], "required: --place-of-all"),
        (["a", "--place-of-all", "x", "--factor", "much"], "--factor: invalid float value: 'much'"),
        (["a", "--place-of-all", "x", "--options", "{"], "--options: invalid loads value"),
        (["a", "--place-of-all", "x", "--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_a_mistake_is_a_usage_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_help_is_the_docstring_of_the_module_and_what_is_said_of_each_parameter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "usage: python scripts test_command_line" in shown
    assert "Command lines made from a function's signature" in shown
    for words in ("CELL which cells", "--place-of-all PLACE_OF_ALL where they are", "--kind KIND of which kind"):
        assert words in shown
