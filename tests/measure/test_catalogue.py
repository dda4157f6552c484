"""The catalogue of operations: what it says of each, and what reading it loads."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.measure.operations import catalogue
from scripts.measure.settings import Settings
from tests.support.checkout import CHECKOUT


@pytest.mark.parametrize("entry", catalogue.entries().values(), ids=lambda entry: entry.name)
def test_every_operation_has_its_words_and_known_settings(entry: catalogue.Entry) -> None:
    assert entry.title[0].isupper()
    assert not entry.title.endswith(".")
    assert entry.meaning.endswith(".")
    assert catalogue.adds(entry.kind, durable=entry.durable).endswith(".")
    assert set(entry.all_settings) <= set(vars(Settings()))
    assert ("drop_caches" in entry.all_settings) == (entry.state == catalogue.COLD)
    assert callable(catalogue.load(entry.name))


def test_operations_of_one_purpose_and_state_answer_in_an_order() -> None:
    assert catalogue.answering("import", catalogue.FRESH) == ("write-durable", "write")
    assert catalogue.answering("shuffle", catalogue.COLD) == ("batch-cold", "random-cold")


def test_a_name_that_nothing_has_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match="there is no operation read-wram; did you mean read-warm"):
        catalogue.entry("read-wram")


def test_reading_the_catalogue_loads_no_library() -> None:
    program = (
        "import sys; from scripts.measure.operations import catalogue; catalogue.entries();"
        "assert not {'numpy', 'psutil'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True)


@pytest.mark.parametrize(
    ("declared", "docstring"),
    [
        ('kind="read", state=WARM, position=1', "Title.\n\nWhat is timed."),
        ('kind="read", state="warm"', "Title.\n\nWhat is timed."),
        ('kind="read", state="warm", position=1', "Title."),
        ('kind="read", state="warm", position=1', "Title.\n\nWhat is timed.\n\nMore without a label."),
    ],
)
def test_an_operation_that_is_declared_wrongly_is_named(tmp_path: Path, declared: str, docstring: str) -> None:
    file = tmp_path / "scripts/measure/operations/slow.py"
    said = read_with(file, f'@catalogue.Declaration({declared})\nclass Slow:\n    """{docstring}"""\n')
    assert f"UserError: {file}: the operation Slow isn't declared" in said


def test_two_operations_of_one_name_are_named(tmp_path: Path) -> None:
    file = tmp_path / "scripts/measure/operations/slow.py"
    said = read_with(file, (CHECKOUT / "scripts/measure/operations/read.py").read_text())
    assert "UserError: read.py and slow.py both have an operation read-warm; rename one" in said


def read_with(file: Path, text: str) -> str:
    """What reading the catalogue says in a copy of the code with one more file."""
    top = file.parents[3]
    shutil.copytree(CHECKOUT / "scripts", top / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    file.write_text(text)
    program = "from scripts.measure.operations import catalogue; catalogue.entries()"
    return subprocess.run([sys.executable, "-c", program], cwd=top, capture_output=True, text=True).stderr
