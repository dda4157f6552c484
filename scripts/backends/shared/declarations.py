"""What a backend declares of itself beside its code: options, room on the disk, and a library that is built for it."""

from dataclasses import dataclass

from scripts import codecs


@dataclass(frozen=True)
class Option:
    """One option of a backend, as the config may set it for a variant."""

    default: int | str | bool | None
    meaning: str
    """One sentence, shown to the user."""
    choices: tuple[int | str | bool, ...] = ()
    """The values allowed; where it is empty, any value of the default's type is."""
    minimum: int = 0
    """The smallest value allowed, where the default is a number."""


CODEC = Option("raw", "how one image becomes bytes", tuple(codecs.names()))
"""The option `codec` of every backend that keeps one value per image."""


@dataclass(frozen=True)
class Footprint:
    """What a store takes on a disk beside its pixels and labels, for the forecast of a run's room.

    Each backend's figures were counted in stores of 20,000 images of 32x32 on ext4 (`test_all_backends.py` counts
    smaller ones). The defaults are for a backend that declares nothing.
    """

    files: int = 16
    """Files and directories of a store of a few images."""
    files_per_image: float = 0
    """Further files and directories for each image; from 1 on each image has a file, which takes whole blocks of the
    file system."""
    bytes_per_image: int = 64
    """Bytes for each image beside its own and its label's."""
    page_bytes: int = 1
    """An image and its label take a multiple of so many bytes."""


@dataclass(frozen=True)
class Native:
    """A library that backends need and that is built from sources in this repository, before their first store."""

    directory: str
    """The directory of the sources, in `scripts/backends`."""
    suffixes: tuple[str, ...]
    """The endings of the sources' names."""
    tool: str
    """The program that builds the library, which must be on the PATH."""
    command: tuple[str, ...]
    """The command that builds it, run in that directory; `{output}` stands for the file that it must write."""
    remedy: str
    """What to do where the tool is missing, as in `install Go 1.25 or newer`."""
    modules: tuple[str, ...] = ()
    """The modules that this backend uses, of those that the sources require."""
