"""Backends and codecs described from their own code: taken apart rightly, all of them, without their libraries."""

import re
import subprocess
import sys

import pytest
import yaml

from scripts import backends, codecs
from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import Notes, Property
from scripts.common import requirements
from scripts.steps import describe
from tests.support.checkout import CHECKOUT
from tests.support.page import shown
from tests.support.report_run import Run

DOCSTRING = """Backend box: one file of boxes, each of which
holds an image.

Layout of a store:

    box.bin    the boxes
        lid    8 bytes

Not for
birds.
"""
NOTES = """
take: You have boxes.
append: {is: yes, note: Boxes stack., source: "https://example.org"}
measured_on: 10 images
settings:
  - what: lid
    chosen: none
    tried:
      - {tried: "2", effect: Opening is 1.2x slower.}
      - {tried: a tin, effect: There is no difference., measured_on: 1 image}
  - what: colour
    chosen: brown
"""


def test_a_docstring_is_taken_apart():
    found = descriptions.read(DOCSTRING)
    layout = "box.bin    the boxes\n    lid    8 bytes"
    assert found == ("One file of boxes, each of which holds an image.", layout, ("Not for birds.",))
    assert descriptions.read("Codec bare: as it is.") == ("As it is.", "", ())


def test_notes_are_read(tmp_path):
    file = descriptions.notes_file(tmp_path / "box.py")
    assert descriptions.notes_files([tmp_path / "box.py"]) == []
    file.parent.mkdir()
    file.write_text(NOTES)
    assert descriptions.notes_files([tmp_path / "box.py", tmp_path / "bag.py"]) == [file]
    found = descriptions.read_notes(file)
    assert (found.take, found.leave) == ("You have boxes.", "")
    assert found.properties == {"append": Property("yes", "Boxes stack.", "https://example.org")}
    assert [(setting.what, setting.chosen) for setting in found.settings] == [("lid", "none"), ("colour", "brown")]
    assert [(trial.tried, trial.measured_on) for trial in found.trials] == [("2", "10 images"), ("a tin", "1 image")]


def test_without_notes_a_backend_is_described_by_its_code(tmp_path):
    assert descriptions.read_notes(tmp_path / "notes" / "new.yaml") == Notes("", "", {}, (), ())


@pytest.mark.parametrize("folder", ["backends", "codecs"])
def test_notes_say_what_is_asked_of_code_that_is_there(folder):
    known = {
        "": {"take", "leave", "measured_on", "settings", *descriptions.PROPERTIES},
        "property": {"is", "note", "source"},
        "setting": {"what", "chosen", "tried"},
        "trial": {"tried", "effect", "measured_on"},
    }
    for file in (CHECKOUT / "scripts" / folder / "notes").iterdir():
        assert (CHECKOUT / "scripts" / folder / f"{file.stem}.py").is_file()
        content = yaml.safe_load(file.read_text())
        assert content.keys() <= known[""], file
        properties = [content[name] for name in descriptions.PROPERTIES if name in content]
        assert all(one.keys() <= known["property"] for one in properties), file
        assert all(setting.keys() <= known["setting"] for setting in content["settings"]), file
        trials = [trial for setting in content["settings"] for trial in setting.get("tried", [])]
        assert all(trial.keys() <= known["trial"] for trial in trials), file
        for trial in trials:
            assert "measured_on" in content or "measured_on" in trial or not re.search(r"\d", trial["effect"]), file
            assert not re.search(r"\b0\.\d+x|\btimes as", trial["effect"]), f"{trial}: a ratio is at least 1"
        for name in list(descriptions.PROPERTIES)[:-2]:
            assert content.get(name, {}).get("is", True) in (True, False, "partly", descriptions.UNKNOWN), file


def test_every_backend_and_codec_is_described():
    found = descriptions.backends_of(backends.names())
    assert [backend.name for backend in found] == backends.names()
    for backend in found:
        assert backend.sentence, backend.name
        assert backend.layout, backend.name
        assert backend.notes.settings, backend.name
        assert backend.notes.take, backend.name
        assert backend.notes.leave, backend.name
    assert [codec.name for codec in descriptions.codecs_of(codecs.names())] == codecs.names()
    assert descriptions.backends_of(["hdf5", "no-such", "hdf5"]) == descriptions.backends_of(["hdf5"])


def test_the_documentation_has_everything_with_pinned_versions():
    text = describe.markdown()
    for backend in descriptions.backends_of(backends.names()):
        assert f"## {backend.name}\n\n{backend.sentence}" in text
        assert all(f"| {setting.what} | {setting.chosen} |" in text for setting in backend.notes.settings)
        assert all(f"| {trial.tried} | {trial.effect} |" in text for trial in backend.notes.trials)
        assert all(f"| `{name}` |" in text for name in backend.options)
    for codec in codecs.names():
        assert f"### {codec}\n" in text
    assert "Library: h5py 3.16.0." in text
    pins = (CHECKOUT / "requirements" / "all.txt").read_text()
    for name in backends.names():
        for distribution in requirements.distributions(backends.load(name).packages).values():
            version = pins.split(f"\n{distribution}==")[1].split()[0]
            assert f"{distribution} {version}" in text


def test_the_documentation_is_what_the_step_prints(capsys):
    describe.main([])
    printed = capsys.readouterr().out
    assert printed == describe.markdown()
    documented = (CHECKOUT / "docs" / "stores.md").read_text()
    assert documented == printed, "run `python scripts describe > docs/stores.md`"


def test_who_needs_no_package_is_said():
    without = f"Library: {describe.NO_PACKAGE}."
    cards = re.split(r"^##+ ", describe.markdown(), flags=re.MULTILINE)
    found = sorted(card.split("\n")[0] for card in cards if without in card)
    bare = [
        name for name in backends.names() if not backends.load(name).packages and not backends.load(name).go_modules
    ]
    assert found == sorted(bare + [name for name in codecs.names() if not codecs.load(name).packages])


def test_the_table_of_properties_is_whole_and_first():
    first_table = describe.markdown().partition("\n## ")[0]
    rows = [line.split(" | ") for line in first_table.splitlines() if line.startswith("| [")]
    assert [row[0] for row in rows] == [f"| [{name}](#{name})" for name in backends.names()]
    readers = {name: "yes" if backends.load(name).several_readers else "no" for name in backends.names()}
    assert {name: row[3] for name, row in zip(backends.names(), rows, strict=True)} == readers
    files = dict(zip(backends.names(), [row[6] for row in rows], strict=True))
    assert (files["png"], files["hdf5"]) == ("100,001", "1")


def test_no_library_of_a_backend_is_imported():
    code = (
        "import sys; from scripts.steps import describe; describe.markdown();"
        "from scripts import backends; print(*(name for each in backends.names()"
        " for name in backends.load(each).packages if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_the_page_describes_the_backends_of_its_run(tmp_path):
    run = Run(tmp_path, backends=("lmdb", "mine", "no-such"), cutoffs=(1,), operations=("write",))
    run.kinds = {"mine": ("lmdb", {"codec": "png"})}
    text = run.write().summarise().draw("single_image").page("single_image")
    section = shown(text[text.index('<section id="backends"') : text.index('<section id="claims"')])
    (backend,) = descriptions.backends_of(["lmdb"])
    assert f"lmdb {backend.sentence}" in section
    assert "Measured as lmdb and mine Versions lmdb 3.0.0, numpy 2.4.6" in section
    assert "how one image becomes bytes; by default raw" in section
    plain = section.replace(" ,", ",")
    assert all(f"{setting.what} {setting.chosen}".replace("`", "") in plain for setting in backend.notes.settings)
    assert all(f"{trial.tried} {trial.effect}".replace("`", "") in plain for trial in backend.notes.trials)
    (codec,) = descriptions.codecs_of(["png"])
    assert f"png {codec.sentence}" in section
    assert "hdf5" not in section
    assert "no-such" not in section
