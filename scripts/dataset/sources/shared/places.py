"""What lies at a path, by a quick look: files under a pattern, how files begin, and what changes with them."""

import glob
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.common.digests import file_sha256
from scripts.dataset.sources.shared import image_names

HEAD_BYTES = 512
"""Bytes of a file's start that tell what it is; a tar has its mark at byte 257."""
MOST_LOOKS = 1_000
"""Entries of a folder that are looked at to tell what it holds."""
MOST_IMAGE_BYTES = 1 << 30
"""Bytes of one image, as a file or as pixels, that are read at most: 350 megapixels without compression."""
MOST_HASHED_BYTES = 1_000_000_000
"""Bytes of files up to which their content tells whether a source has changed; above, sizes and times do."""

IMAGE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM....\0\0\0\0|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s"
    rb"|....ftyp|\0\0\0\x0cj(P  |XL )|\xff\x4f\xff\x51|\xff\x0a",
    re.DOTALL,
)
"""How the files of common image formats begin."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")


def expand(path: Path) -> list[Path]:
    """Return the files under a pattern of `*`, `?`, `[...]`, `{a,b}` and `{000..012}`; a path that's there is itself.

    Braces give their files in the order in which they stand, the rest is sorted. What isn't there is left out.
    """
    if os.path.lexists(path):
        return [path]
    found = itertools.chain.from_iterable(sorted(glob.glob(each)) for each in _without_braces(str(path)))
    return [Path(each) for each in dict.fromkeys(found)]


def is_pattern(path: Path) -> bool:
    """Say whether a path is a pattern rather than the name of what is there."""
    return not os.path.lexists(path) and (glob.has_magic(str(path)) or _BRACES.search(str(path)) is not None)


def _without_braces(text: str) -> Iterator[str]:
    """Yield the texts that a pattern with braces stands for, as a shell does."""
    braces = _BRACES.search(text)
    if braces is None:
        yield text
        return
    if span := _RANGE.fullmatch(braces[1]):
        first, last = (int(number) for number in span.groups())
        inside: Sequence[str] | Iterator[str] = (f"{number:0{len(span[1])}}" for number in range(first, last + 1))
    else:
        inside = braces[1].split(",")
    for each in inside:
        yield from _without_braces(text[: braces.start()] + each + text[braces.end() :])


def head(path: Path | str) -> bytes:
    """Return how a regular file begins, and nothing of anything else."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb", buffering=0) as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""


def inner(path: Path) -> Path:
    """Return the folder in a folder that holds nothing else, save for oddities, and so on; else the folder itself."""
    while True:
        try:
            with os.scandir(path) as entries:
                held = [each for each in itertools.islice(entries, MOST_LOOKS) if not image_names.is_oddity(each.name)]
        except OSError:
            return path
        held = [each for each in held if each.is_dir(follow_symlinks=False) or image_names.is_data(each.name)]
        if len(held) != 1 or not held[0].is_dir(follow_symlinks=False):
            return path
        path = Path(held[0].path)


def files_that_begin(path: Path, start: bytes, place: int = 0) -> list[Path]:
    """Return the files directly in a folder, sorted, that have those bytes at that place; [] where it isn't theirs.

    A folder with images or with folders in it is another kind of source, whatever else it holds.
    """
    found: list[Path] = []
    try:
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                if image_names.is_oddity(entry.name):
                    continue
                if entry.is_dir() or (number >= MOST_LOOKS and not found):
                    return []
                beginning = head(entry.path)
                if IMAGE.match(beginning):
                    return []
                if beginning[place:].startswith(start):
                    found.append(Path(entry.path))
    except OSError:
        return []
    return sorted(found)


def identity(paths: Sequence[Path]) -> str:
    """Return a text that changes when one of the files does: by content where they're small, else by size and time."""
    states = [path.stat() for path in paths]
    small = sum(state.st_size for state in states) < MOST_HASHED_BYTES
    whole = hashlib.sha256()
    for path, state in zip(paths, states, strict=True):
        content = file_sha256(path) if small else f"{state.st_size} {state.st_mtime_ns}"
        whole.update(os.fsencode(path.name) + b"\0" + content.encode() + b"\0")
    return whole.hexdigest()
