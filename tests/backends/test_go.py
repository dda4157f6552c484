"""Go libraries as a C library: building it, its errors, values of many sizes, and what a fork does to it."""

import ast
import errno
import fcntl
import multiprocessing
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base
from scripts.backends.go import library, store
from scripts.common.errors import UserError
from tests.support.backend_variants import Variant, assert_same, installed, load_all, make
from tests.support.checkout import CHECKOUT
from tests.support.host import as_who_obeys_permissions

KINDS = ("bolt", "badger")


@pytest.fixture(params=KINDS)
def variant(request: pytest.FixtureRequest) -> Variant:
    return installed(Variant(request.param, backends.resolve(request.param, {})))


@pytest.fixture
def buildable() -> None:
    """For what is the same for all kinds: a skip where the library can't be built."""
    installed(Variant(KINDS[0], backends.resolve(KINDS[0], {})))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, free to be edited."""
    directory = tmp_path / "copy" / "go"
    shutil.copytree(library.SOURCES, directory)
    monkeypatch.setattr(library, "SOURCES", directory)
    return directory


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What has been found out about this machine, forgotten before and afterwards."""
    library.missing.cache_clear()
    yield
    library.missing.cache_clear()


def program(directory: Path, name: str, text: str) -> None:
    """A program on a PATH of its own."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{text}\n")
    (directory / name).chmod(stat.S_IRWXU)


# Where it is, and whether it can be built


def test_an_edit_changes_the_place_and_a_compiled_file_of_python_does_not(copied: Path) -> None:
    before = library.path()
    (copied / "__pycache__").mkdir(exist_ok=True)
    (copied / "__pycache__" / "new.pyc").write_bytes(b"new")
    (copied / "__init__.py").write_text("")
    assert library.path() == before
    for name in ("main.go", "go.sum"):
        (copied / name).write_text((copied / name).read_text() + "\n")
        assert library.path() != before
        before = library.path()


def test_versions_are_those_that_the_sources_ask_for() -> None:
    bolt, badger = (library.versions(backends.load(name).go_modules) for name in ("bolt", "badger"))
    assert bolt["go.etcd.io/bbolt"].startswith("v1.")
    assert badger["github.com/dgraph-io/badger/v4"].startswith("v4.")
    assert bolt.keys() == {"go.etcd.io/bbolt"}
    assert badger.keys() == {"github.com/dgraph-io/badger/v4", "github.com/dgraph-io/ristretto/v2"}


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("go", "has_compiler", "reason"),
    [
        (None, True, "no `go` on the PATH"),
        ("echo 'go.mod requires go >= 1.25.0 (running go 1.24.1)' >&2; exit 1", True, "requires go >= 1.25.0"),
        ("echo broken >&2; exit 1", True, "broken"),
        ("echo gcc -m64", False, "C compiler"),
        ("echo gcc -m64", True, None),
    ],
)
def test_what_is_missing_is_said_with_the_remedy(
    go: str | None, has_compiler: bool, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if go:
        program(tmp_path / "bin", "go", go)
    if has_compiler:
        program(tmp_path / "bin", "gcc", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = library.missing()
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert reason in found
        assert "install" in found
        assert "\n" not in found
        with pytest.raises(UserError, match="can't be built"):
            library.build(tmp_path / "library.so")


@pytest.mark.usefixtures("buildable", "forgotten")
def test_sources_for_a_later_version_of_the_tool_are_not_tried(copied: Path) -> None:
    file = copied / "go.mod"
    file.write_text(re.sub(r"^go .*$", "go 1.999.0", file.read_text(), flags=re.MULTILINE))
    found = library.missing()
    assert found is not None
    assert "go 1.999.0" in found or "go >= 1.999.0" in found
    assert "install Go" in found


@pytest.mark.usefixtures("buildable")
def test_sources_that_do_not_compile_leave_nothing(copied: Path, tmp_path: Path) -> None:
    (copied / "main.go").write_text("package main\nfunc main() { this is no Go }\n")
    with pytest.raises(UserError, match="failed") as raised:
        library.build(tmp_path / "libraries" / "library.so")
    assert "main.go:2" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert os.listdir(tmp_path / "libraries") == []


@pytest.mark.slow
@pytest.mark.usefixtures("buildable")
def test_the_step_builds_what_can_be_loaded(tmp_path: Path) -> None:
    step = [sys.executable, str(CHECKOUT / "scripts"), "compile"]
    subprocess.run(step, cwd=tmp_path, check=True)
    place = tmp_path / library.path()
    whole = place.read_bytes()
    loads = f"import ctypes; ctypes.CDLL({str(place)!r}).store_open"
    subprocess.run([sys.executable, "-c", loads], check=True)
    place.write_bytes(whole[: len(whole) // 2])
    library.told(place).write_text("[]")
    assert not library.is_whole(place)
    subprocess.run(step, cwd=tmp_path, check=True)
    assert place.read_bytes() == whole
    assert library.is_whole(place)


@pytest.mark.slow
@pytest.mark.usefixtures("buildable")
def test_a_library_is_the_same_wherever_it_is_built(copied: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "copy"], check=True)
    library.build(tmp_path / "library.so")
    assert (tmp_path / "library.so").read_bytes() == library.built().read_bytes()


def test_a_file_system_without_locks_takes_the_library_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(library, "path", lambda: tmp_path / "library.so")
    monkeypatch.setattr(library, "build", lambda output: output.write_bytes(b"built"))
    assert library.built().read_bytes() == b"built"


@pytest.mark.usefixtures("buildable")
def test_beside_the_library_is_written_what_has_built_it() -> None:
    assert library.toolchain()["go"].startswith("go1.")


# Errors and values


@pytest.mark.usefixtures("buildable")
def test_errors_of_the_system_keep_their_number(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory") as raised:
        store.Reader(tmp_path / "nothing", backends.resolve("bolt", {}) | {store.KIND: "bolt"})
    assert raised.value.errno == errno.ENOENT


@pytest.mark.usefixtures("buildable")
@pytest.mark.parametrize("kind", ["unheard-of", "nothing"])
def test_a_store_that_is_not_in_the_library(kind: str, tmp_path: Path) -> None:
    with pytest.raises(store.GoError, match=f"there is no store {kind}"):
        store.Reader(tmp_path, {"codec": "raw", store.KIND: kind})


@pytest.mark.usefixtures("buildable")
def test_a_panic_is_an_error() -> None:
    with pytest.raises(store.GoError, match="panic"):
        store.library_calls()["store_close"](12345)


def test_errors_of_the_libraries_are_texts(variant: Variant, tmp_path: Path) -> None:
    variant.write(tmp_path / "store", *make())
    for file in (tmp_path / "store").iterdir():
        file.write_bytes(b"\x55" * file.stat().st_size)
    with pytest.raises(store.GoError):
        variant.open(tmp_path / "store")


def test_a_file_that_is_cut_while_it_is_mapped_is_an_error(variant: Variant, tmp_path: Path) -> None:
    images, labels = make(500)
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        largest = max((tmp_path / "store").iterdir(), key=lambda file: file.stat().st_blocks)
        os.truncate(largest, 8192)
        with pytest.raises(store.GoError):
            load_all(reader)


def write_blocks(
    variant: Variant, path: Path, options: dict[str, Any], blocks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that says it has twenty images, and has these blocks."""
    with monkeypatch.context() as patch:
        patch.setattr(base, "blocks", lambda *_: blocks)
        backends.load(variant.name)._write(path, *make(20), options)


@pytest.mark.parametrize("codec", ["raw", "pickle"])
def test_a_number_without_a_value_is_an_error(
    variant: Variant, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = make(10)
    options = backends.resolve(variant.name, {"codec": codec})
    blocks = [(start, images[start:stop], labels[start:stop]) for start, stop in ((0, 4), (6, 10))]
    write_blocks(variant, tmp_path, options, blocks, monkeypatch)
    with variant.backend.open(tmp_path, options) as reader:
        assert_same(reader.load([9, 3]), images[[9, 3]], labels[[9, 3]])
        for ids, missing in (([4], 4), ([9, 5, 3], 5), ([10], 10), ([9, 19], 19)):
            with pytest.raises(store.GoError, match=f"no value of number {missing}"):
                reader.load(ids)
        with pytest.raises(store.GoError, match="no value of number 4"):
            load_all(reader)


@pytest.mark.parametrize("codec", ["raw", "pickle"])
def test_a_number_after_the_last_value_is_an_error(
    variant: Variant, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = make(10)
    options = backends.resolve(variant.name, {"codec": codec})
    write_blocks(variant, tmp_path, options, [(0, images, labels)], monkeypatch)
    with variant.backend.open(tmp_path, options) as reader:
        for load in (lambda: reader.load([10]), lambda: reader.load([9, 10]), lambda: load_all(reader)):
            with pytest.raises(store.GoError, match="no value of number 10"):
                load()


@pytest.mark.parametrize("images_per_call", [1, 7, 1024])
def test_values_larger_than_the_buffer(
    variant: Variant, images_per_call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(store, "IMAGES_PER_CALL", images_per_call)
    options = backends.resolve(variant.name, {"codec": "pickle"})
    images, labels = make(30, 60, 50)
    images[:15] = 0
    variant.backend.write(tmp_path / "store", images, labels, durable=False, options=options)
    ids = np.array([29, 0, 14, 15, 15, 3])
    with variant.backend.open(tmp_path / "store", options) as reader:
        assert_same(load_all(reader), images, labels)
        assert_same(reader.load(ids[::-1]), images[ids[::-1]], labels[ids[::-1]])


def test_ids_that_are_not_contiguous(variant: Variant, tmp_path: Path) -> None:
    images, labels = make()
    variant.write(tmp_path / "store", images, labels)
    ids = np.arange(40)[::3]
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load(ids), images[ids], labels[ids])


def test_many_readers_leave_no_file_and_no_thread(variant: Variant, tmp_path: Path) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("this system doesn't list threads")
    variant.write(tmp_path / "store", *make())

    def open_and_close() -> tuple[int, int]:
        for _ in range(30):
            with variant.open(tmp_path / "store") as reader:
                reader.load([3])
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    files, threads = open_and_close()
    for _ in range(3):
        more_files, more_threads = open_and_close()
    assert more_files <= files
    assert more_threads <= threads + 4


# Forks


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_fork_after_use_is_refused_and_does_not_hang(variant: Variant, tmp_path: Path) -> None:
    images, labels = make()
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        for use in (lambda: variant.open(tmp_path / "store"), lambda: reader.load([1])):
            assert "spawn" in said_in_a_fork(use)
        assert_same(load_all(reader), images, labels)


def said_in_a_fork(use: Callable[[], object]) -> str:
    """The UserError that a forked child meets."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        try:
            use()
            sender.send("nothing")
        except UserError as error:
            sender.send(str(error))

    process = context.Process(target=child, daemon=True)
    process.start()
    try:
        assert receiver.poll(30)
        return receiver.recv()
    finally:
        process.kill()


def test_caches_that_cannot_be_written_are_put_where_the_library_is_built(buildable: None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    program = (
        "from pathlib import Path; from scripts.backends.go import library;print(library.caches_within(Path('/b')))"
    )
    command = [*as_who_obeys_permissions(), sys.executable, "-c", program]
    for places, moved in (
        ({"HOME": str(home)}, {"GOCACHE": "/b/GOCACHE", "GOMODCACHE": "/b/GOMODCACHE"}),
        ({"HOME": str(home), "GOMODCACHE": str(tmp_path)}, {"GOCACHE": "/b/GOCACHE"}),
        ({"HOME": str(tmp_path)}, {}),
    ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "XDG"))}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=kept | places, capture_output=True, text=True, timeout=60, check=True
        )
        found = ast.literal_eval(done.stdout)
        assert found.pop("GOFLAGS", None) == ("-modcacherw" if moved else None)
        assert found == moved
