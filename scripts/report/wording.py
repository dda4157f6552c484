"""How the report says things: numbers with units, headings of operations, lists."""

import math
from collections.abc import Iterable, Sequence

from scripts.measure.operations import catalogue
from scripts.report.ties import EXACT, INTERVAL, NOTICEABLE_SECONDS, RANGE, TIED, UNDECIDED, WITHIN, Ratio

STARTS = {"fork": "forked", "spawn": "spawned"}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
FEW_NAMES, MOST_NAMES = 3, 5
"""Of more names than the second, only as many as the first are said."""
TIMES = "\N{MULTIPLICATION SIGN}"
TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def operation(name: str) -> str:
    """A heading for an operation: `write-durable` is `Write, durable`; of one that isn't known here, its name."""
    known = catalogue.get(name)
    return known.title if known else name.capitalize()


def kind(name: str) -> str:
    """A heading for the operations of a kind: `first-image` is `First image`."""
    return catalogue.of_kind(name)[0].kind_title


def way(processes: int, start_method: str | None) -> str:
    """How work was shared: `4 processes, forked`; empty where it wasn't."""
    if start_method is None:
        return ""
    return f"{processes} process{'' if processes == 1 else 'es'}, {STARTS[start_method]}"


def meaning(name: str) -> str:
    """What an operation does, in a sentence; of one that isn't known here, its name."""
    known = catalogue.get(name)
    return known.meaning if known else f"{name.capitalize()}."


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, no exponent, thousands separated."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"


def seconds(value: float) -> str:
    """A time (s) with three significant digits in the unit that fits: `1.92 ms`."""
    return _scaled(value, TIME_UNITS)


def unit(value: float, units: Sequence[tuple[float, str]] = TIME_UNITS) -> tuple[float, str]:
    """The unit that fits a time (s): its seconds, and its name. For other values than times, `units` are given."""
    return next((pair for pair in units if abs(value) >= 0.9995 * pair[0]), units[-1])


def tick(value: float) -> str:
    """A time (s) at an axis, as short as it can be: `10 ms`."""
    scale, name = unit(value)
    return "0" if value == 0 else f"{value / scale:.3g} {name}"


def seconds_between(low: float, high: float) -> str:
    """An interval of times (s) in one unit: `1.88 to 1.97 ms`."""
    scale, name = unit(high)
    return f"{significant(low / scale)} to {significant(high / scale)} {name}"


def size(value: float) -> str:
    """A size (bytes) in powers of ten: `307 MB`."""
    return _scaled(value, BYTE_UNITS)


def times(value: float) -> str:
    """A factor: `3.14` and the multiplication sign, below 1 and from 100 with two digits."""
    return f"{_factor(value)} {TIMES}"


def times_between(low: float, high: float) -> str:
    """An interval of factors, with as many digits as factors have: `3.02 to 3.27`."""
    return f"{_factor(low)} to {_factor(high)}"


def epochs_between(low: float, high: float) -> str:
    """An interval of numbers of epochs, of which the upper end may be infinite: `2.1 to 3.4`, `2.1 or more`."""
    return f"{significant(low, 2)} or more" if math.isinf(high) else f"{significant(low, 2)} to {significant(high, 2)}"


def factor(ratio: Ratio, amount: str = "as long") -> str:
    """A factor with its interval or range in words: `3.14 times as long (95 % interval 3.02 to 3.27)`."""
    value = f"{times(ratio.value)} {amount}"
    return value if ratio.kind == EXACT else f"{value} ({ratio.kind} {times_between(ratio.low, ratio.high)})"


def compared(one: str, other: str, ratio: Ratio) -> str:
    """How two stores compare, in words: `hdf5 takes 1.31 times as long as lmdb (95 % interval 1.2 to 1.4)`; the one
    that takes longer comes first."""
    if ratio.outcome == TIED:
        return f"{one} and {other} tie"
    if ratio.value < 1:
        one, other, ratio = other, one, ratio.inverse
    if ratio.outcome == UNDECIDED:
        between = f"{ratio.kind} {times_between(ratio.low, ratio.high)}"
        return f"{one} perhaps takes longer than {other}, undecided: {times(ratio.value)} ({between})"
    return f"{one} takes {factor(ratio, f'as long as {other}')}"


def undecided(count: float, low: float, high: float) -> str:
    """A factor of which this run can't tell whether it is one: `1.14 times? (0.97 to 1.31)`."""
    return f"{times(count)}? ({times_between(low, high)})"


def threshold(kind: str) -> str:
    """The practical threshold of ratios of a kind: `5 %`."""
    return f"{WITHIN[kind] - 1:.0%}".replace("%", " %")


def part(ratio: Ratio) -> str:
    """How much less the shorter of two times is, given how many times as long the other is, with its interval or range:
    `86.4 % (95 % interval 86.1 to 86.8 %)`."""
    value, low, high = (significant(100 - 100 / times) for times in (ratio.value, ratio.low, ratio.high))
    return f"{value} % ({ratio.kind} {low} to {high} %)"


def setting(value: int | str | bool | None) -> str:
    """A value of an option as the config writes it."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def images(count: int) -> str:
    """A number of images: `1 image`, `10,000 images`."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def pixels(image_size: str) -> str:
    """An image size in words: `224 x 224 pixels`."""
    return f"{image_size.replace('x', ' x ')} pixels"


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


def any_of(names: Sequence[str]) -> str:
    """A choice in words: `a, b or c`; of many `any of nine, such as a, b or c`."""
    if len(names) <= MOST_NAMES:
        return join(names, "or")
    return f"any of {number(len(names))}, such as {join(names[:FEW_NAMES], 'or')}"


def all_of(names: Sequence[str]) -> str:
    """A list in words, of many the first and how many more: `a, b, c and six others`."""
    if len(names) <= MOST_NAMES:
        return join(names)
    return f"{', '.join(names[:FEW_NAMES])} and {number(len(names) - FEW_NAMES)} others"


def number(count: int) -> str:
    """A number in letters, from 13 on in digits."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def _factor(value: float) -> str:
    # What rounds to 1 is `1.00`.
    rounded = round(value, 2) if value >= 0.1 else value
    return significant(rounded, 3 if 1 <= rounded < 100 else 2)


def _scaled(value: float, units: Sequence[tuple[float, str]]) -> str:
    scale, name = unit(value, units)
    return f"{significant(value / scale)} {name}"


WITHIN_INTERVALS, WITHIN_RANGES, WITHIN_SIZES = threshold(INTERVAL), threshold(RANGE), threshold(EXACT)
"""The practical thresholds of `ties.WITHIN`, in words: of intervals, of ranges, and of sizes."""
NOTICEABLE = tick(NOTICEABLE_SECONDS)
"""The time below which no store wins, in words."""
