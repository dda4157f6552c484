"""The stores described from their own code: taken apart rightly, all of them, and without their libraries."""

import subprocess
import sys

from conftest import CHECKOUT

from scripts import backends, codecs
from scripts.report import stores_markdown, stores_table
from tests.report_run import Run
from tests.test_report_page import shown

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
    found = stores_table.read(DOCSTRING)
    assert found.sentence == "One file of boxes, each of which holds an image."
    assert found.layout == "box.bin    the boxes\n    lid    8 bytes"
    assert found.measured_on.startswith(
        "Settings and where they come from, measured on 10 images unless said otherwise:"
    )
    assert found.settings == ("One box at a time: `two` take longer, by 1.2 times.", "No lid.")
    assert found.more == ("Not for birds.",)
    bare = stores_table.read("Codec bare: as it is.")
    assert (bare.sentence, bare.layout, bare.settings, bare.more) == ("As it is.", "", (), ())


def test_every_backend_and_codec_is_described():
    found = stores_table.stores(backends.names())
    assert [store.name for store in found] == backends.names()
    for store in found:
        assert store.described.sentence, store.name
        assert store.described.layout, store.name
        assert store.described.settings, store.name
    assert [codec.name for codec in stores_table.codecs_of(codecs.names())] == codecs.names()
    assert stores_table.stores(["hdf5", "no-such", "hdf5"]) == stores_table.stores(["hdf5"])


def test_the_documentation_has_everything_with_pinned_versions():
    text = stores_markdown.markdown()
    for store in stores_table.stores(backends.names()):
        assert f"## {store.name}\n\n{store.described.sentence}" in text
        assert all(f"- {setting}\n" in text for setting in store.described.settings)
        assert all(f"| `{name}` |" in text for name in store.options)
    for codec in codecs.names():
        assert f"### {codec}\n" in text
    assert "Library: h5py 3.16.0." in text
    pins = (CHECKOUT / "requirements" / "stores.txt").read_text()
    for name in backends.names():
        for distribution in backends.load(name).packages.values():
            version = pins.split(f"\n{distribution}==")[1].split()[0]
            assert f"{distribution} {version}" in text


def test_no_library_of_a_backend_is_imported():
    code = (
        "import sys; from scripts.report import stores_markdown; stores_markdown.markdown();"
        "from scripts import backends; print(*(name for each in backends.names()"
        " for name in backends.load(each).packages if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_the_page_describes_the_stores_of_its_run(tmp_path):
    run = Run(tmp_path, backends=("lmdb", "mine", "no-such"), cutoffs=(1,), operations=("write",))
    run.kinds = {"mine": ("lmdb", {"codec": "png"})}
    text = run.write().summarise().draw("single_image").page("single_image")
    section = shown(text[text.index('<section id="stores"') : text.index('<section id="claims"')])
    (store,) = stores_table.stores(["lmdb"])
    assert f"lmdb {store.described.sentence}" in section
    assert "Measured as lmdb and mine Versions lmdb 3.0.0, numpy 2.4.6" in section
    assert "how one image becomes bytes; by default raw" in section
    assert all(setting.replace("`", "") in section.replace(" ,", ",") for setting in store.described.settings)
    (codec,) = stores_table.codecs_of(["png"])
    assert f"png {codec.described.sentence}" in section
    assert "hdf5" not in section
    assert "no-such" not in section
