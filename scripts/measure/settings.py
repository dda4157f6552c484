"""A timing job: which cell is timed, and what the config decides of how, and how long.

The process that waits for the job says so to the process that takes samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.common.cells import Cell

SAMPLING = (
    "budget_seconds",
    "minimum_samples",
    "maximum_samples",
    "interval_width",
    "long_sample_seconds",
    "long_samples",
    "repeated_seconds",
    "threads",
)
"""The settings that every record says. It says others only where its operation depends on them."""
AGAIN = "run_budget_seconds"
"""What the record of a cell that was measured again for longer says of the budget that its run had."""


@dataclass(frozen=True)
class Settings:
    """When a cell has been sampled enough, and what its samples are. Times in seconds.

    Short samples: at least `minimum_samples`, in as many blocks (`scripts.measure.stopping`), then until the 95 %
    interval of the median lies within `interval_width` of the median, the budget is spent, or there are
    `maximum_samples`. Where the median is `long_sample_seconds` or more, the cell is a long one: `long_samples` in all.
    """

    budget_seconds: float = 2.0
    minimum_samples: int = 9
    maximum_samples: int = 200
    interval_width: float = 0.05
    long_sample_seconds: float = 1.0
    long_samples: int = 3
    repeated_seconds: float = 1.0
    """Before a sample that is shorter comes an untimed run of the same kind, where the operation wants that."""
    threads: int = 1
    """Threads that each library may use."""
    drop_caches: bool = False
    """Whether a cold sample may drop the whole system's caches, where the user may do that."""
    random_images: int = 2000
    """How many images, at most, are drawn for a sample of random or batch; workers share ten times as many."""
    batch_size: int = 128
    """How many images one call of batch or workers asks for."""
    run_budget_seconds: float | None = None
    """Of a cell that is measured again for longer: the budget that its run had."""

    def for_longer(self, seconds: float) -> "Settings":
        """Return the settings for measuring a cell again with another budget. Samples are long ones only where that
        budget isn't enough for the fewest samples of backend and baseline."""
        least = seconds / (2 * self.minimum_samples)
        return replace(
            self,
            budget_seconds=seconds,
            run_budget_seconds=self.budget_seconds,
            long_sample_seconds=max(self.long_sample_seconds, least),
        )

    def recorded(self, names: Iterable[str]) -> dict[str, Any]:
        """Return what a record says of the settings, given the names of the settings that its operation depends on."""
        again = (AGAIN,) if self.run_budget_seconds is not None else ()
        return {name: getattr(self, name) for name in dict.fromkeys((*SAMPLING, *names, *again))}


@dataclass(frozen=True)
class Job:
    """What is sampled, where its image set and its store are, and how; `module` and `options` are the backend's own."""

    cell: Cell
    module: str
    options: dict[str, Any]
    image_set: Path
    store: Path
    settings: Settings

    @property
    def label(self) -> str:
        """What the job is called in the lines that it prints."""
        return f"{self.cell.operation} {self.cell.backend} {self.cell.cutoff}"
