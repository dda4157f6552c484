"""What a timing job is about. The process that waits for the job says so by name to the process that takes samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.measure.settings import Settings


@dataclass(frozen=True)
class Job:
    """What is sampled, where its image set and its store are, and how long and how it is sampled.

    `backend` is the name of a backend or variant in the config, `module` and `options` are the backend's own.
    """

    backend: str
    module: str
    options: dict[str, Any]
    cutoff: int
    operation: str
    image_set: Path
    store: Path
    settings: Settings

    @property
    def label(self) -> str:
        """What the job is called in the lines that it prints."""
        return f"{self.operation} {self.backend} {self.cutoff}"
