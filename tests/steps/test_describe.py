"""Backends and codecs described from their own code: taken apart rightly, all of them, without their libraries."""

import subprocess
import sys

from scripts import backends, codecs
from scripts.backends.shared import descriptions
from scripts.common import requirements
from scripts.steps import describe
from tests.support.checkout import CHECKOUT
from tests.support.page import shown
from tests.support.report_run import Run

DOCSTRING = """Backend box: one file of boxes, each of which
holds an image.

    box.bin    the boxes
        lid    8 bytes

Not for birds.

Settings and where they come from, measured on 10 images unless said
otherwise:

- One box at a time: `two` take longer,
  by 1.2 times.
- No lid.
"""


def test_a_docstring_is_taken_apart():
    found = descriptions.read(DOCSTRING)
    assert found.sentence == "One file of boxes, each of which holds an image."
    assert found.layout == "box.bin    the boxes\n    lid    8 bytes"
    assert found.measured_on.startswith(
        "Settings and where they come from, measured on 10 images unless said otherwise:"
    )
    assert found.settings == ("One box at a time: `two` take longer, by 1.2 times.", "No lid.")
    assert found.more == ("Not for birds.",)
    bare = descriptions.read("Codec bare: as it is.")
    assert (bare.sentence, bare.layout, bare.settings, bare.more) == ("As it is.", "", (), ())


def test_every_backend_and_codec_is_described():
    found = descriptions.backends_of(backends.names())
    assert [backend.name for backend in found] == backends.names()
    for backend in found:
        assert backend.described.sentence, backend.name
        assert backend.described.layout, backend.name
        assert backend.described.settings, backend.name
    assert [codec.name for codec in descriptions.codecs_of(codecs.names())] == codecs.names()
    assert descriptions.backends_of(["hdf5", "no-such", "hdf5"]) == descriptions.backends_of(["hdf5"])


def test_the_documentation_has_everything_with_pinned_versions():
    text = describe.markdown()
    for backend in descriptions.backends_of(backends.names()):
        assert f"## {backend.name}\n\n{backend.described.sentence}" in text
        assert all(f"- {setting}\n" in text for setting in backend.described.settings)
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
    documented = (CHECKOUT / "docs" / "backends.md").read_text()
    assert documented == printed, "run `python scripts describe > docs/backends.md`"


def test_who_needs_no_package_is_said():
    lines = [line for line in describe.markdown().splitlines() if line.startswith("| [")]
    without = {line.split("]")[0].removeprefix("| [") for line in lines if f"| {describe.NO_PACKAGE} |" in line}
    bare = {name for name in backends.names() if not backends.load(name).packages and not backends.load(name).native}
    assert without == bare | {name for name in codecs.names() if not codecs.load(name).packages}


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
    assert f"lmdb {backend.described.sentence}" in section
    assert "Measured as lmdb and mine Versions lmdb 3.0.0, numpy 2.4.6" in section
    assert "how one image becomes bytes; by default raw" in section
    assert all(setting.replace("`", "") in section.replace(" ,", ",") for setting in backend.described.settings)
    (codec,) = descriptions.codecs_of(["png"])
    assert f"png {codec.described.sentence}" in section
    assert "hdf5" not in section
    assert "no-such" not in section
