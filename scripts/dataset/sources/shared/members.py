"""Members of archives, also hostile ones: .tar, .tar.gz, .tar.bz2, .tar.xz and .zip, told apart by content.

Nothing is ever extracted to disk.
"""

import array
import bz2
import functools
import gzip
import itertools
import lzma
import os
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, cast

from scripts.common.errors import UserError
from scripts.dataset.sources.shared import places

MOST_MEMBER_BYTES = 1 << 31
"""Bytes of the largest member that is read into memory: 174,000 images of 64 x 64 pixels in one batch."""
MOST_MEMBERS = 1 << 24
"""Largest number of members, so that a list of them fits into memory: ten times as many as ImageNet has."""
MOST_RATIO = 200
"""How many times larger than itself an archive may be when decompressed. Images hardly shrink."""
MOST_SURE_BYTES = 1 << 30
"""Bytes to which any archive may be decompressed, however small it is."""
MOST_SEEN_MEMBERS, MOST_SEEN_BYTES = 64, 1 << 26
"""Members, and decompressed bytes in front of them, that are looked at to tell what an archive holds."""

REMEDY = "get this archive again, or name another one with `images:` in config.yaml"
_TOP_FOLDER = "./"
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error, ValueError),
    RuntimeError,
)
"""What libraries raise for a file that they can't make sense of."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class Members(Protocol):
    """The plain files in an archive that is open for reading, and was found to be whole and sane."""

    @property
    def names(self) -> Sequence[str]:
        """Their relative paths, with slashes, in the order in which they lie."""

    @property
    def sizes(self) -> Sequence[int]:
        """Their bytes when decompressed."""

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield number and content of these members, each once, in the order in which they lie.

        Raises UserError where the archive is damaged as a whole. A member of a .zip that is damaged has no bytes.
        """


@contextmanager
def opened(path: Path) -> Iterator[Members]:
    """Open an archive, having read it through once where it's compressed as a whole.

    Raises UserError for anything else than plain files of sane names and sizes: not a .tar or .zip, cut short, absolute
    or `..` paths, links, devices, duplicates, absurd sizes.
    """
    if not _is_zip(path):
        yield Tar(path)
        return
    with path.open("rb") as file:
        with _readable(path):
            members = _Zip(path, file)
        yield members


def first_members(path: Path) -> list[tuple[str, bytes]]:
    """Return name and start of the first plain files in an archive, and [] of anything else; never raises."""
    try:
        state = path.stat()
        return _first_members(path, state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else []
    except (OSError, ValueError):
        return []


@functools.lru_cache(maxsize=1)
def _first_members(path: Path, _size: int, _changed: int) -> list[tuple[str, bytes]]:
    """The first members; all kinds of sources ask for them one after the other."""
    found: list[tuple[str, bytes]] = []
    with suppress(UserError, OSError, *_FAULTS):
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                for info in itertools.islice(archive.infolist(), MOST_SEEN_MEMBERS):
                    if not info.is_dir():
                        found.append((_plain(info.filename), b""))
                        with suppress(*_FAULTS), archive.open(info) as member:
                            found[-1] = (_plain(info.filename), member.read(places.HEAD_BYTES))
            return found
        with decompressed(path) as content, tarfile.open(fileobj=cast(IO[bytes], content), mode="r:") as tar:
            for item in itertools.islice(tar, MOST_SEEN_MEMBERS):
                if item.offset_data > MOST_SEEN_BYTES:
                    break
                if item.isreg():
                    content.seek(item.offset_data)
                    found.append((_plain(item.name), content.read(min(item.size, places.HEAD_BYTES))))
    return found


def refuse_bomb(path: Path, size: int) -> None:
    """Raise UserError where an archive would have so many bytes when decompressed that no images can be in it."""
    if size > _most_bytes(path):
        raise UserError(f"{path} is absurdly large when decompressed: don't trust this archive, {REMEDY}")


def _most_bytes(path: Path) -> int:
    return max(MOST_SURE_BYTES, MOST_RATIO * path.stat().st_size)


def _is_zip(path: Path) -> bool:
    return places.head(path).startswith(_ZIP)


def _plain(name: str) -> str:
    """A member's name without the `./` that tar puts in front."""
    while name.startswith(_TOP_FOLDER):
        name = name[len(_TOP_FOLDER) :]
    return name


class _Listing:
    """The names and places of members, each held against what is sane."""

    def __init__(self, path: Path) -> None:
        self.names: list[str] = []
        self.sizes = array.array("q")
        self._path, self._seen = path, set[str]()

    def take(self, name: str, size: int, *, is_folder: bool, is_plain: bool) -> bool:
        """Add a member; says whether it's a file. Raises UserError where it isn't sane."""
        fault = None
        place = f"/{name}/".replace("\\", "/")
        if place.startswith("//") or "/../" in place:
            fault = "a path that leads outside"
        elif not is_folder and not is_plain:
            fault = "a link, a device or another thing that is no plain file"
        elif not is_folder and _plain(name) in self._seen:
            fault = "a second member of that name"
        elif not 0 <= size <= MOST_MEMBER_BYTES or len(self.names) >= MOST_MEMBERS:
            fault = "more than images need"
        if fault:
            raise UserError(f"{self._path} holds {name[:100]!r}, {fault}: don't trust this archive, {REMEDY}")
        if not is_folder:
            self.names.append(_plain(name))
            self.sizes.append(size)
            self._seen.add(self.names[-1])
        return not is_folder


class Tar:
    """A .tar, or what another compression makes one. It's open only while it's listed and read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = array.array("q")
        listing = _Listing(path)
        with (
            _readable(path),
            decompressed(path) as content,
            tarfile.open(fileobj=cast(IO[bytes], content), mode="r:") as tar,
        ):
            while (member := tar.next()) is not None:
                is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
                if listing.take(member.name, member.size, is_folder=member.isdir(), is_plain=is_plain):
                    self._offsets.append(member.offset_data)
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep all, a kilobyte each
                while common := _common_header(content, tar.offset):
                    listing.take(*common, is_folder=False, is_plain=True)
                    self._offsets.append(tar.offset + tarfile.BLOCKSIZE)
                    tar.offset += tarfile.BLOCKSIZE + -(-common[1] // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            _check_end(tar, content)
        self.names, self.sizes = listing.names, listing.sizes

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget all members but these, which are numbered from 0 from now on."""
        self.names = [self.names[number] for number in numbers]
        self.sizes, self._offsets = (
            array.array("q", (values[number] for number in numbers)) for values in (self.sizes, self._offsets)
        )

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield number and content of these members, as in `Members`."""
        with decompressed(self._path) as content:
            for number in sorted(numbers):
                with _readable(self._path):
                    content.seek(self._offsets[number])
                    member = content.read(self.sizes[number])
                    if len(member) != self.sizes[number]:
                        raise EOFError(f"it ends within {self.names[number][:100]!r}")
                yield number, member


def _common_header(content: "Bounded", offset: int) -> tuple[str, int] | None:
    """Name and size of a plain file where its header has the common form, which tarfile takes five times as long for.

    None of any other header, and of a damaged one.
    """
    content.seek(offset)
    header = content.read(tarfile.BLOCKSIZE)
    if len(header) < tarfile.BLOCKSIZE or header[156:157] != tarfile.REGTYPE:
        return None
    try:
        size, checksum = (int(field.strip(b" \0"), 8) for field in (header[124:136], header[148:156]))
    except ValueError:
        return None
    if checksum != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        return None
    name, prefix = (field.partition(b"\0")[0] for field in (header[:100], header[345:500]))
    return os.fsdecode(prefix + b"/" + name if prefix else name), size


class _Zip:
    """A .zip, of which each member is compressed by itself."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._archive = path, zipfile.ZipFile(file)
        self._members: list[zipfile.ZipInfo] = []
        listing = _Listing(path)
        compressed = 0
        for info in self._archive.infolist():
            mode = info.external_attr >> 16
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            if listing.take(info.filename, info.file_size, is_folder=info.is_dir(), is_plain=is_plain):
                self._members.append(info)
                compressed += info.compress_size
            if info.flag_bits & 1:
                raise UserError(f"{path} is encrypted: decrypt it, or name another one with `images:` in config.yaml")
        size = os.stat(file.fileno()).st_size
        # Members that share their bytes would make a bomb of a ratio that each of them keeps.
        if compressed > size:
            raise UserError(f"{path} holds members that share their bytes: don't trust this archive, {REMEDY}")
        refuse_bomb(path, sum(listing.sizes))
        self.names, self.sizes = listing.names, listing.sizes

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        for number in sorted(numbers, key=lambda number: self._members[number].header_offset):
            try:
                content = self._archive.read(self._members[number])
            except _FAULTS:
                content = b""
            yield number, content


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what libraries raise for a file that they can't make sense of into one line."""
    try:
        yield
    except _FAULTS as error:
        raise UserError(f"{path} is damaged, cut short or no archive ({error}): {REMEDY}") from None


@contextmanager
def decompressed(path: Path) -> Iterator["Bounded"]:
    """Open a file, and undo the compression that its start tells. Raises UserError where it turns out to be a bomb."""
    with path.open("rb") as file:
        start = places.head(path)
        opens = next((opens for mark, opens in _COMPRESSED.items() if start.startswith(mark)), None)
        if opens is None:
            yield Bounded(path, file, is_compressed=False)
            return
        with opens(file) as content:
            yield Bounded(path, content, is_compressed=True)


class Bounded:
    """The bytes of an archive, refusing to be led beyond what its size makes likely by any header."""

    def __init__(self, path: Path, file: IO[bytes], *, is_compressed: bool) -> None:
        self._path, self._file = path, file
        self._most = _most_bytes(path) if is_compressed else sys.maxsize

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or what there is; a negative number is refused too."""
        self._check(0 <= size <= MOST_MEMBER_BYTES and self._file.tell() <= self._most)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as files do."""
        self._check(offset <= self._most)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, as files do."""
        return self._file.tell()

    def _check(self, sane: bool) -> None:
        if not sane:
            raise UserError(f"{self._path} is absurdly large when decompressed: don't trust this archive, {REMEDY}")


def _check_end(tar: tarfile.TarFile, content: Bounded) -> None:
    """Read the rest, which is zeros: `tarfile` takes damage between two members for the end of the archive.

    Reading to the end of the file makes `gzip` compare its checksum too.
    """
    content.seek(tar.offset)
    marked = False
    while chunk := content.read(1 << 20):
        marked = True
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("unexpected bytes between its members")
    if not marked:
        raise tarfile.ReadError("no end mark")
