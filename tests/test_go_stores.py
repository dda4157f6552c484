"""Go libraries as a C library: building it, its errors, values of many sizes, and what a fork does to it."""

import errno
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CHECKOUT

from scripts import backends, go_stores, native
from scripts.backends import base
from scripts.errors import UserError
from tests.backend_variants import Variant, assert_same, installed, make

KINDS = ("bolt", "badger")


@pytest.fixture(params=KINDS)
def variant(request: pytest.FixtureRequest) -> Variant:
    return installed(Variant(request.param, backends.resolve(request.param, {})))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, free to be edited."""
    directory = tmp_path / "copy" / go_stores.NATIVE.directory
    shutil.copytree(CHECKOUT / "scripts" / go_stores.NATIVE.directory, directory)
    monkeypatch.setattr(native, "_directory", lambda native: directory)
    return directory


def program(directory: Path, name: str, text: str) -> None:
    """A program on a PATH of its own."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{text}\n")
    (directory / name).chmod(stat.S_IRWXU)


# Where it is, and whether it can be built


def test_an_edit_changes_the_place_and_a_compiled_file_of_python_does_not(copied: Path) -> None:
    before = native.path(go_stores.NATIVE)
    (copied / "__pycache__").mkdir(exist_ok=True)
    (copied / "__pycache__" / "new.pyc").write_bytes(b"new")
    (copied / "__init__.py").write_text("")
    assert native.path(go_stores.NATIVE) == before
    for name in ("main.go", "go.sum"):
        (copied / name).write_text((copied / name).read_text() + "\n")
        assert native.path(go_stores.NATIVE) != before
        before = native.path(go_stores.NATIVE)


def test_versions_are_those_that_the_sources_ask_for() -> None:
    bolt, badger = (native.versions(backends.load(name).native) for name in ("bolt", "badger"))
    assert bolt["go.etcd.io/bbolt"].startswith("v1.")
    assert badger["github.com/dgraph-io/badger/v4"].startswith("v4.")
    assert bolt.keys() ^ badger.keys() == {"go.etcd.io/bbolt", "github.com/dgraph-io/badger/v4"}
    assert bolt["go"] == badger["go"]


@pytest.mark.parametrize(
    ("go", "compiler", "reason"),
    [
        (None, True, "no `go` on the PATH"),
        ("echo go version go1.19.8 linux/amd64", True, "older than"),
        ("echo broken >&2; exit 1", True, "broken"),
        ("echo go version go1.99 linux/amd64", False, "C compiler"),
        ("echo go version go1.99 linux/amd64", True, None),
    ],
)
def test_what_is_missing_is_said_with_the_remedy(
    go: str | None, compiler: bool, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if go:
        program(tmp_path / "bin", "go", go)
    if compiler:
        program(tmp_path / "bin", "gcc", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CC", raising=False)
    found = native.missing(go_stores.NATIVE)
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert reason in found
        assert "install" in found
        assert "\n" not in found
        with pytest.raises(UserError, match="can't be built"):
            native.build(go_stores.NATIVE, tmp_path / "library.so")


def test_sources_that_do_not_compile_leave_nothing(variant: Variant, copied: Path, tmp_path: Path) -> None:
    (copied / "main.go").write_text("package main\nfunc main() { this is no Go }\n")
    with pytest.raises(UserError, match="failed") as raised:
        native.build(go_stores.NATIVE, tmp_path / "libraries" / "library.so")
    assert "main.go:2" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert os.listdir(tmp_path / "libraries") == []


def test_the_step_builds_what_can_be_loaded(variant: Variant, tmp_path: Path) -> None:
    output = tmp_path / "libraries" / "library.so"
    step = [sys.executable, str(CHECKOUT / "scripts"), "compile", "--backend", variant.name, "--output", str(output)]
    subprocess.run(step, check=True)
    assert os.listdir(output.parent) == [output.name]
    loads = f"import ctypes; ctypes.CDLL({str(output)!r}).store_open"
    subprocess.run([sys.executable, "-c", loads], check=True)


def test_a_backend_without_a_library_has_nothing_to_build(tmp_path: Path) -> None:
    step = [
        sys.executable,
        str(CHECKOUT / "scripts"),
        "compile",
        "--backend",
        "png",
        "--output",
        str(tmp_path / "x.so"),
    ]
    run = subprocess.run(step, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "png" in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_library_that_is_not_built_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="python scripts compile"):
        native.built(go_stores.NATIVE)


# Errors and values


def test_errors_of_the_system_keep_their_number(variant: Variant, tmp_path: Path) -> None:
    call = go_stores._library()
    with pytest.raises(OSError, match="directory") as raised:
        go_stores._handle(call["store_open"], "bolt", tmp_path / "nothing", {})
    assert raised.value.errno == errno.ENOENT


def test_errors_of_the_libraries_are_texts(variant: Variant, tmp_path: Path) -> None:
    call = go_stores._library()
    with pytest.raises(go_stores.GoError, match="there is no store unheard-of"):
        go_stores._handle(call["store_open"], "unheard-of", tmp_path, {})
    with pytest.raises(go_stores.GoError, match="panic"):
        call["store_close"](12345)
    variant.write(tmp_path / "store", *make())
    for file in (tmp_path / "store").iterdir():
        file.write_bytes(b"\x55" * file.stat().st_size)
    with pytest.raises(go_stores.GoError):
        variant.open(tmp_path / "store")


def test_a_file_that_is_cut_while_it_is_mapped_is_an_error(variant: Variant, tmp_path: Path) -> None:
    images, labels = make(500)
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        largest = max((tmp_path / "store").iterdir(), key=lambda file: file.stat().st_blocks)
        os.truncate(largest, 8192)
        with pytest.raises(go_stores.GoError):
            reader.load_all()


@pytest.mark.parametrize("images_per_call", [1, 7, 1024])
def test_values_larger_than_the_buffer(
    variant: Variant, images_per_call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(go_stores, "IMAGES_PER_CALL", images_per_call)
    options = backends.resolve(variant.name, {"codec": "pickle"})
    images, labels = make(30, 60, 50)
    images[:15] = 0
    variant.backend.write(tmp_path / "store", images, labels, durable=False, options=options)
    ids = np.array([29, 0, 14, 15, 15, 3])
    with variant.backend.open(tmp_path / "store", options) as reader:
        assert_same(reader.load_all(), images, labels)
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
        assert_same(reader.load_all(), images, labels)


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

    process = context.Process(target=child)
    process.start()
    assert receiver.poll(30)
    process.join()
    return receiver.recv()
