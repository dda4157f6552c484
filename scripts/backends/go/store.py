"""Stores of Go libraries, through one C library that is built from the Go files beside this one: many images to a call.

A process that was forked from one that has loaded the library can't use it: Go's runtime needs its threads, and a fork
copies one thread (https://github.com/golang/go/issues/15538). There, every use is a UserError.
"""

import ctypes
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.go import library
from scripts.backends.shared import values

LIBRARY = "a Go library"
KIND = "kind"
"""The option, none of the config's, by which a reader knows which library it is to use."""
IMAGES_PER_CALL = 1024
METADATA = 2**64 - 1
"""The number of the value after all images; this value says what the store holds."""
FIRST_BUFFER_BYTES = 4096
"""The bytes of a reader's first buffer: enough for that value, and for an image of 32x32 by most codecs."""
HANDLE, NUMBER, COUNT, POINTER = ctypes.c_size_t, ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p
TEXT, OUTPUT = ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)
CALLS = {
    "store_create": (TEXT, TEXT, TEXT, OUTPUT),
    "store_put": (HANDLE, NUMBER, COUNT, POINTER, POINTER),
    "store_finish": (HANDLE, ctypes.c_int),
    "store_open": (TEXT, TEXT, TEXT, OUTPUT),
    "store_images": (HANDLE, POINTER, NUMBER, COUNT, COUNT, POINTER, POINTER),
    "store_values": (HANDLE, POINTER, NUMBER, COUNT, POINTER, COUNT, POINTER, POINTER),
    "store_close": (HANDLE,),
}
"""The library's functions and the types of their arguments. All return None or a text that must be freed."""


Calls = dict[str, Callable[..., None]]
"""The library's functions by name; each raises the text that it returns, as OSError or GoError."""


class GoError(Exception):
    """An error of a Go library that isn't an error of the system."""


class Reader(base.Reader):
    """Holds a handle of the open database; with a codec other than raw also a buffer of values."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._call = library_calls()
        self._handle = _handle(self._call["store_open"], path, options)
        self._resources.callback(lambda: self._call["store_close"](self._handle))
        self._buffer = np.empty(FIRST_BUFFER_BYTES, np.uint8)
        [value] = self._values_of(None, METADATA, 1)
        count, image_shape = values.described(value)
        self._image_bytes = math.prod(image_shape)
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._fill(None, 0, images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            self._fill(None, int(ids[0]), images, labels)
        else:
            self._fill(np.ascontiguousarray(ids), 0, images, labels)

    def _fill(self, ids: np.ndarray | None, first: int, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the arrays with the images of `ids`, or with the next ones from number `first` on."""
        count = len(labels)
        if self._codec.is_identity:
            numbers = None if ids is None else ids.ctypes.data
            self._call["store_images"](
                self._handle, numbers, first, count, self._image_bytes, _address(images), _address(labels)
            )
        else:
            values.split(self._values_of(ids, first, count), images, labels, self._codec)

    def _values_of(self, ids: np.ndarray | None, first: int, count: int) -> Iterator[memoryview]:
        """Yield the values of `ids`, or of `count` numbers from `first` on; each is valid until the next one."""
        lengths, done = np.empty(count, np.int64), ctypes.c_int64()
        read = 0
        while read < count:
            numbers = None if ids is None else ids[read:].ctypes.data
            room, places = len(self._buffer), lengths[read:].ctypes.data
            buffer, end = self._buffer.ctypes.data, ctypes.addressof(done)
            self._call["store_values"](self._handle, numbers, first + read, count - read, buffer, room, places, end)
            view, start, stop = memoryview(self._buffer), 0, read + done.value
            if stop < count and room < (wanted := max(base.BLOCK_BYTES, int(lengths[stop]))):
                self._buffer = np.empty(wanted, np.uint8)
            for length in lengths[read:stop].tolist():
                yield view[start : start + length]
                start += length
            read = stop


class Backend(base.Backend):
    """A backend whose stores the library knows by the name `kind`."""

    kind: ClassVar[str]
    thread_variables = ("GOMAXPROCS",)
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    reader = Reader

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        """Open the database read-only, with a lock that readers share."""
        return super().open(path, options | {KIND: self.kind})

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        codec, call = codecs.load(options["codec"]), library_calls()
        handle = _handle(call["store_create"], path, options | {KIND: self.kind})

        def put(first: int, packed: np.ndarray, lengths: np.ndarray) -> None:
            call["store_put"](handle, first, len(lengths), packed.ctypes.data, lengths.ctypes.data)

        try:
            rows = min(IMAGES_PER_CALL, values.rows_per_block(images, codec))
            for start, block, label_block in values.blocks(images, labels, codec, rows):
                put(start, *_packed(block, label_block, codec))
            metadata = values.metadata(images.shape)
            put(METADATA, np.frombuffer(metadata, np.uint8), np.array([len(metadata)]))
        except BaseException:
            with suppress(OSError, GoError):
                call["store_finish"](handle, False)
            raise
        call["store_finish"](handle, True)


@cache
def library_calls() -> Calls:
    """Load the library, which is built first where it isn't there, and return its functions."""
    base.refuse_after_fork(LIBRARY)
    loaded = ctypes.CDLL(str(library.built().resolve()))
    free = loaded.store_free
    free.argtypes, free.restype = [POINTER], None

    def checked(address: int | None, *call: Any) -> None:
        if address:
            number, _, message = ctypes.string_at(address).decode(errors="replace").partition(" ")
            free(address)
            raise OSError(int(number), os.strerror(int(number))) if int(number) else GoError(message)

    functions = {name: getattr(loaded, name) for name in CALLS}
    for name, function in functions.items():
        function.argtypes, function.restype, function.errcheck = CALLS[name], POINTER, checked
    os.register_at_fork(after_in_child=lambda: functions.update(dict.fromkeys(functions, _refuse)))
    return functions


def _refuse(*arguments: Any) -> None:
    base.refuse_after_fork(LIBRARY)


def _handle(create_or_open: Callable[..., None], path: Path, options: dict[str, Any]) -> int:
    handle = ctypes.c_size_t()
    create_or_open(options[KIND].encode(), os.fsencode(path), json.dumps(options).encode(), ctypes.byref(handle))
    return handle.value


def _address(array: np.ndarray) -> int:
    """Return the address of a writeable array. `array.ctypes.data` is 2x slower, which shows in reads of one image."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array))


def _packed(block: values.Block, labels: np.ndarray, codec: codecs.Codec) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all values of a block, one after the other, and the length of each."""
    if codec.is_identity and isinstance(block, np.ndarray):
        count, size = len(block), block[0].nbytes
        packed = np.empty((count, base.LABEL_BYTES + size), np.uint8)
        packed[:, : base.LABEL_BYTES] = labels.view(np.uint8).reshape(count, base.LABEL_BYTES)
        packed[:, base.LABEL_BYTES :] = block.reshape(count, size)
        return packed, np.full(count, base.LABEL_BYTES + size, np.int64)
    joined = values.join(block, labels, codec)
    return np.frombuffer(b"".join(joined), np.uint8), np.array([len(value) for value in joined], np.int64)
