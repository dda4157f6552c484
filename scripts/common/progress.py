"""Progress of long work: count, rate and time left, as plain lines that read well in a terminal and in a log."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

Unit = TypeVar("Unit")

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
SECONDS_BETWEEN_LINES = 2.0


def report(message: str) -> None:
    """Write one line to the log (standard error) and, where that leads elsewhere, to standard output as well.

    Rules redirect standard error to their log file; standard output stays on the terminal of the person who waits.
    """
    print(message, file=sys.stderr, flush=True)
    if not sys.stderr.isatty() and not os.path.sameopenfile(STANDARD_OUTPUT, STANDARD_ERROR):
        print(message, flush=True)


def duration(seconds: float) -> str:
    """Say a number of seconds as a reader would: `8 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Counts finished units of one piece of work; prints at most one line every two seconds, and one at the end.

    Work that ends within those two seconds prints nothing. `total` may change, and is None as long as it isn't known;
    `done` units were finished before this work began. Not thread-safe. Use it with `with`.
    """

    def __init__(self, label: str, total: int | None, unit: str = "images", *, done: int = 0) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = self._done_before = done
        self._started = self._last_line = time.monotonic()
        self._printed = False

    def update(self, done: int, total: int | None = None) -> None:
        """Set how many units are finished in all, and how many there will be where that has changed."""
        self.done = done
        self.total = total or self.total
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._printed = True
            report(self._line(now - self._started))

    def counted(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """Yield units, each counted as finished as it comes."""
        for unit in units:
            self.update(self.done + 1)
            yield unit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._printed and kind is None:
            report(f"{self.label}: {self.done:,} {self.unit} in {duration(time.monotonic() - self._started)}")

    def _line(self, elapsed: float) -> str:
        rate = (self.done - self._done_before) / elapsed
        line = f"{self.label}: {self.done:,}"
        if self.total:
            line += f" of {self.total:,} {self.unit} ({self.done / self.total:.0%})"
        else:
            line += f" {self.unit}"
        line += f", {rate:,.0f} {self.unit}/s" if rate >= 1 else f" in {duration(elapsed)}"
        if self.total and rate > 0:
            line += f", {duration((self.total - self.done) / rate)} left"
        return line
