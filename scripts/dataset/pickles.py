"""Pickles that nobody vouches for: numbers, text, bytes, lists, dicts and arrays of numbers or text come out.

Nothing else does. NumPy's own functions are never called on behalf of a pickle: stand-ins collect what it says about an
array and build it from its bytes. So a pickle cannot reach code, nor memory beyond its own bytes. NumPy's scalars come
out as numbers and text of Python.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MOST_MEMO_ENTRIES = 1_000_000
"""Largest index a pickle may give to a value that it remembers: `pickle` makes a table of that length at once."""

MOST_TUPLES = 1_000
"""Largest number of tuples that a pickle may keep, where a batch has four: millions of nested ones overflow the stack.
A tuple that only holds the arguments of a call, as each NumPy scalar needs one, isn't kept."""

MOST_REASON_CHARACTERS = 200
_TOO_MUCH = "it asks for more memory than a batch of images needs"

_CODE = re.compile("[ui][1248]|f[48]|[SU][0-9]{1,5}|O[48]?")
"""NumPy's codes of the types that an array may have; those of text have its length."""


def load(content: bytes) -> dict[str, Any]:
    """Read a dict from a pickle of Python 2 or 3; its keys come out as text, arrays among its values as ndarray.

    Text of Python 2 stays bytes. Raises `pickle.UnpicklingError` with the reason, whatever is wrong with the pickle.
    """
    try:
        _refuse_bombs(content)
        result = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(result, dict):
            raise pickle.UnpicklingError("it holds no dict")
        return {_text(key): value.array if isinstance(value, _Array) else value for key, value in result.items()}
    except Exception as error:  # a damaged pickle may raise anything, and put anything into the message
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else f"it is damaged ({type(error).__name__})"
        raise pickle.UnpicklingError(" ".join(reason[:MOST_REASON_CHARACTERS].split())) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it asks for {module!r} {name!r}, which no batch of images needs")
        return stand_in


class _DataType:
    """Stands in for `numpy.dtype`: a number of fixed size, text or bytes of fixed length, or objects that are text."""

    def __init__(self, code: str | bytes, *_flags: object) -> None:
        self._code, self._byte_order = _text(code), "="
        if not _CODE.fullmatch(self._code):
            raise pickle.UnpicklingError(f"it holds an array of {self._code!r}, which is no plain number or text")
        self.is_object = self._code.startswith("O")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._byte_order = _text(state[1])

    def numpy(self) -> np.dtype:
        return np.dtype(self._byte_order + self._code)


class _Array:
    """Stands in for `numpy.ndarray` and for the function that makes an empty one, to be filled by `__setstate__`."""

    def __init__(self, *_arguments: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, data_type, column_major, content = state
        if data_type.is_object:
            if not all(isinstance(item, str | bytes) for item in content):
                raise pickle.UnpicklingError("it holds an array of objects that are no text")
            content, data_type = np.array(content), None
        values = content if data_type is None else np.frombuffer(content, data_type.numpy())
        self.array = values.reshape(shape, order="F" if column_major else "C")


def _array_from_buffer(content: bytes, data_type: _DataType, shape: tuple[int, ...], order: str | bytes) -> _Array:
    """Stands in for the function that arrays use from pickle protocol 5 on."""
    result = _Array()
    result.__setstate__((1, shape, data_type, _text(order) == "F", content))
    return result


def _scalar(data_type: _DataType, content: bytes) -> Any:
    """Stands in for the function that makes one of NumPy's numbers or texts."""
    if data_type.is_object:
        raise pickle.UnpicklingError("it holds a number that is an object")
    return np.frombuffer(content, data_type.numpy(), count=1)[0].item()


def _encode(text: str, *_encoding: object) -> bytes:
    """Stands in for `codecs.encode`, by which Python 3 writes bytes for Python 2: always as Latin-1."""
    return text.encode("latin-1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DataType,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 (and every pickle of Python 2), NumPy 2
    _STAND_INS[(f"{_core}.multiarray", "_reconstruct")] = _Array
    _STAND_INS[(f"{_core}.multiarray", "scalar")] = _scalar
    _STAND_INS[(f"{_core}.numeric", "_frombuffer")] = _array_from_buffer


def _refuse_bombs(content: bytes) -> None:
    """Refuse what would exhaust memory or stack before the unpickler sees it, by reading the pickle's instructions."""
    kept = 0  # tuples that may be part of something
    remembered: dict[int, bool] = {}  # whether what the pickle remembers under an index is a tuple
    is_tuple = False  # whether the last instruction made one
    for instruction, argument, _position in pickletools.genops(content):
        name = instruction.name
        if name == "MEMOIZE" or name.endswith("PUT"):
            index = len(remembered) if argument is None else argument
            if index > MOST_MEMO_ENTRIES:
                raise pickle.UnpicklingError(_TOO_MUCH)
            remembered[index] = is_tuple
            continue
        if name.startswith("TUPLE"):
            kept += 1
        elif name.endswith("GET"):
            kept += remembered.get(argument or 0, True)
        elif name == "REDUCE" and is_tuple:
            kept -= 1
        if kept > MOST_TUPLES:
            raise pickle.UnpicklingError(_TOO_MUCH)
        is_tuple = name.startswith("TUPLE")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
