"""A folder of image files, in a folder for each class, or flat with a table of labels, or without labels.

Links are followed once: a link in the folder may lead to a file or folder anywhere, save to a folder that holds it.
Within a folder so reached, links to folders are passed over. No folder is entered twice, so loops end. Devices and
pipes are passed over.
"""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample, order
from scripts.dataset.sources.shared import image_names, labels, places

has_originals = True
packages: dict[str, str] = {}
looks_for = "a folder of image files"


def fits(path: Path) -> bool:
    """Say whether a path is a folder in which a file may be an image, by its name."""
    try:
        return path.is_dir() and any(files for _folder, files, _tables in _walk(path))
    except (OSError, ValueError):
        return False
    except UserError:  # a folder in it can't be read, which opening it says
        return True


def identity(path: Path, most: int) -> str:
    """Return a text that changes when a name or a label does, or a file that is read: among the first `most`."""
    with open_source(path) as source:
        whole = hashlib.sha256()
        for name in source.names:
            whole.update(os.fsencode(name) + b"\0")
        whole.update(source.labels.tobytes() + "\0".join(source.label_names).encode(errors="surrogateescape"))
        for number in order(source.count, source.has_order)[:most].tolist():
            try:
                state = os.stat(os.path.join(path, source.names[number]))
            except OSError:
                continue  # a link that leads nowhere: a bad image
            whole.update(f"{state.st_size} {state.st_mtime_ns}\0".encode())
        return whole.hexdigest()


@contextmanager
def open_source(path: Path) -> Iterator["Folder"]:
    """List a folder, without opening any of its images. Raises UserError where it has none."""
    yield Folder(path)


class Folder:
    """The image files of a folder, sorted by folder and name."""

    has_originals, has_order = True, False

    def __init__(self, root: Path) -> None:
        self.root = root
        """The folder; a sample's name is the path of its file from here."""
        self.names: list[str] = []
        """The relative path of each image."""
        tables: list[str] = []
        counts: dict[str, int] = {}
        listing = sorted(_walk(root), reverse=True)
        while listing:
            folder, files, beside = listing.pop()  # which frees its memory
            self.names += [f"{folder}/{name}" for name in files] if folder else files
            if files:
                counts[folder] = len(files)
            tables += beside[: labels.MOST_TABLES + 1 - len(tables)]
        if not counts:
            raise UserError(f"images: {shown(root)} holds no file that may be an image; give a folder of images")
        of_folder, self.label_names = image_names.classes(counts)
        self.labels = np.repeat([of_folder[folder] for folder in counts], list(counts.values())).astype(np.int64)
        """The label of each image, (count,) int64."""
        if len(self.label_names) < 2 and 0 < len(tables) <= labels.MOST_TABLES:
            contents = ((table, _read(root, table, labels.MOST_TABLE_BYTES)) for table in tables)
            if found := labels.from_tables(self.names, contents):
                self.labels, self.label_names = found
        self.count = len(self.names)

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the files of these numbers, folder by folder. Raises UserError where one has gone or can't be read."""
        for number in np.sort(np.asarray(numbers, np.int64)).tolist():
            name = self.names[number]
            yield Sample(number, name, int(self.labels[number]), _read(self.root, name, places.MOST_IMAGE_BYTES))


def _read(root: Path, name: str, most: int) -> bytes:
    """The bytes of a plain file, cut after so many, which makes it a bad image; none where a link leads nowhere."""
    path = os.path.join(root, name)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise UserError(f"images: {shown(path)} is no plain file any more; run the workflow again")
            content = file.read(min(state.st_size + 1, most))
            while len(content) < min(state.st_size, most) and (more := file.read(state.st_size - len(content))):
                content += more
            return content
    except OSError as error:
        if os.path.islink(path) and not os.path.exists(path):
            return b""
        raise UserError(
            f"images: {shown(path)} can't be read ({error.strerror}); make it readable, or run the workflow again "
            "where it has gone"
        ) from None


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder, as a relative path, with the sorted names of what may be images, and the paths of tables.

    Folders are entered level by level, and links after the folders themselves.
    """
    entered = {(state.st_dev, state.st_ino) for state in map(os.stat, root.resolve().parents)}
    folders, links = deque([("", True)]), deque[str]()  # a folder has with it whether its links are followed
    while folders or links:
        folder, follows = folders.popleft() if folders else (links.popleft(), False)
        try:
            state = os.stat(os.path.join(root, folder))
            if (state.st_dev, state.st_ino) in entered:
                continue
            entered.add((state.st_dev, state.st_ino))
            held = _Held(root, folder)
        except OSError as error:
            raise UserError(
                f"images: the folder {shown(os.path.join(root, folder))} can't be read ({error.strerror}); make it "
                "readable, or run the workflow again where it has gone"
            ) from None
        yield folder, held.files, held.tables
        folders.extend((inside, follows) for inside in held.folders)
        links.extend(held.links if follows else [])


class _Held:
    """What a folder holds, each sorted: names of what may be images, and relative paths of the rest."""

    def __init__(self, root: Path, folder: str) -> None:
        self.files: list[str] = []
        self.tables: list[str] = []
        self.folders: list[str] = []
        self.links: list[str] = []
        before = f"{folder}/" if folder else ""
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                name = entry.name
                is_file = entry.is_file(follow_symlinks=False)
                if not is_file and entry.is_symlink():
                    if os.path.isdir(entry.path):
                        if not image_names.is_oddity(name):
                            self.links.append(before + name)
                        continue
                    # A link that leads nowhere is a bad image.
                    is_file = os.path.isfile(entry.path) or not os.path.exists(entry.path)
                if is_file:
                    if image_names.may_be_image(name):
                        self.files.append(name)
                    elif image_names.is_table(name):
                        self.tables.append(before + name)
                elif entry.is_dir(follow_symlinks=False) and not image_names.is_oddity(name):
                    self.folders.append(before + name)
        for each in (self.files, self.tables, self.folders, self.links):
            each.sort()
