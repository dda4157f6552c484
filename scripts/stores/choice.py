"""Which store is asked for: a backend with its options, and the key that says what decides the bytes in a store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import backends, codecs
from scripts.backends import base
from scripts.backends.go import library
from scripts.common import digests, requirements
from scripts.dataset.image_set import ImageSet


@dataclass(frozen=True)
class Choice:
    """A backend as the config asks for it: the module's name and its complete options."""

    module: str
    options: dict[str, Any]

    @property
    def backend(self) -> base.Backend:
        """The backend itself."""
        return backends.load(self.module)

    @property
    def codec(self) -> codecs.Codec | None:
        """The codec that its options name; None where the backend has no such option, and stores pixels."""
        return codecs.load(self.options[codecs.OPTION]) if codecs.OPTION in self.options else None

    def first(self, image_set: "ImageSet", count: int) -> tuple[base.Source, base.Source]:
        """Return the first `count` images and labels of an image set as a store is written from them: `Originals` where
        its codec keeps originals. Raises UserError as `ImageSet.first` does."""
        if self.codec and self.codec.keeps_originals:
            found: tuple[base.Source, base.Source] = image_set.first_with_originals(count)
            return found
        return image_set.first(count)

    def files(self) -> list[Path]:
        """Return the files of code that make this backend what it is, imports apart."""
        files = [digests.CHECKOUT / digests.PACKAGE / "backends" / f"{self.module}.py"]
        if self.backend.go_modules:
            files += library.sources()
        if codecs.OPTION in self.options:
            files.append(codecs.file_of(self.options[codecs.OPTION]))
        return files

    def digest(self) -> str:
        """Return the digest of the backend's code and of its libraries' versions."""
        return digests.digest([digests.code_digest(self.files()), self.backend.versions()])

    def packages(self) -> dict[str, str]:
        """Return the libraries that it needs: import name to distribution."""
        needed = dict(self.backend.packages)
        if self.codec:
            needed |= self.codec.packages
        return requirements.distributions(needed)

    def versions(self) -> dict[str, str]:
        """Return the versions of its libraries: by distribution, by module of another language, by the backend."""
        return {
            **digests.library_versions(digests.code_files(self.files())),
            **library.versions(self.backend.go_modules),
            **self.backend.versions(),
        }


def store_key(image_set_digest: str, cutoff: int, choice: Choice) -> str:
    """Return the key of a store: what decides which bytes are in it."""
    return digests.digest([image_set_digest, cutoff, choice.module, choice.digest(), choice.options])
