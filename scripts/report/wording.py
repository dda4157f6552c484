"""How the report says things: numbers with units, names of operations, lists."""

import math
from collections.abc import Iterable, Sequence

from scripts.report.statistics import EXACT, INTERVAL, RANGE, Ratio

OPERATIONS = {
    "write": "Write",
    "write-durable": "Write, durable",
    "read-warm": "Read, warm",
    "read-cold": "Read, cold",
}
MEANINGS = {
    "write": "A new store of all images and labels, in a fresh place; bytes may still be in the page cache at the end.",
    "write-durable": "The same, until data, metadata and directory entries are on the disk.",
    "read-warm": "Opening the store and reading all images and labels in order; the store is in the page cache.",
    "read-cold": "The same after the store was evicted from the page cache; directory entries may still be cached.",
}
TIMES = "\N{MULTIPLICATION SIGN}"
TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def operation(name: str) -> str:
    """A heading for an operation: `write-durable` is `Write, durable`."""
    return OPERATIONS.get(name, name.replace("-", ", ", 1).replace("-", " ").capitalize())


def meaning(name: str) -> str:
    """What an operation does, in a sentence; its heading where there is none."""
    return MEANINGS.get(name, f"{operation(name)}.")


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, no exponent, thousands separated."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)) + 1e-12))
    text = f"{value:,.{decimals}f}"
    return f"{round(value, digits - 1 - math.floor(math.log10(abs(value)))):,.0f}" if decimals == 0 else text


def seconds(value: float) -> str:
    """A time (s) with three significant digits in the unit that fits: `1.92 ms`."""
    return " ".join(_scaled(value, TIME_UNITS))


def tick(value: float) -> str:
    """A time (s) at an axis, as short as it can be: `10 ms`."""
    scale, unit = _unit(value, TIME_UNITS)
    return "0" if value == 0 else f"{value / scale:.3g} {unit}"


def seconds_between(low: float, high: float) -> str:
    """An interval of times (s) in one unit: `1.88 to 1.97 ms`."""
    return _between(low, high, TIME_UNITS)


def size(value: float) -> str:
    """A size (bytes) in powers of ten: `307 MB`."""
    return " ".join(_scaled(value, BYTE_UNITS))


def times(value: float) -> str:
    """A factor: `3.14` and the multiplication sign, from 100 with two digits."""
    return f"{significant(value, 3 if value < 100 else 2)} {TIMES}"


def times_between(low: float, high: float) -> str:
    """An interval of factors: `3.02 to 3.27`."""
    return f"{significant(low)} to {significant(high)}"


def factor(ratio: Ratio, amount: str = "as long") -> str:
    """A factor with its interval or range in words: `3.14 times as long (95 % interval 3.02 to 3.27)`."""
    value = f"{times(ratio.value)} {amount}"
    return value if ratio.kind == EXACT else f"{value} ({ratio.kind} {times_between(ratio.low, ratio.high)})"


def images(count: int) -> str:
    """A number of images: `1 image`, `10,000 images`."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def short_count(count: int) -> str:
    """A number of images for an axis: `100`, `10k`, `1M`."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if count >= unit and count % (unit // 10) == 0:
            return f"{significant(count / unit)}{letter}" if count % unit else f"{count // unit:,}{letter}"
    return f"{count:,}"


def join(items: Iterable[str], last: str = "and") -> str:
    """A list in words: `a, b and c`."""
    *first, final = list(items) or [""]
    return f"{', '.join(first)} {last} {final}" if first else final


def bars(kinds: Iterable[str]) -> str:
    """What error bars show, given the kinds of interval that they are drawn from."""
    shown = {INTERVAL: "the 95 % interval of the median", RANGE: "the range where there are fewer than six samples"}
    return f"Bars: {join(shown[kind] for kind in sorted(set(kinds)))}." if kinds else ""


def _scaled(value: float, units: Sequence[tuple[float, str]]) -> tuple[str, str]:
    scale, unit = _unit(value, units)
    return significant(value / scale), unit


def _between(low: float, high: float, units: Sequence[tuple[float, str]]) -> str:
    scale, unit = _unit(high, units)
    return f"{significant(low / scale)} to {significant(high / scale)} {unit}"


def _unit(value: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    return next((pair for pair in units if abs(value) >= 0.9995 * pair[0]), units[-1])
