"""What figures and page share in their looks; no drawing library is imported here.

Colours go by order of appearance. They are told apart by people with the common kinds of colour-blindness and, by their
lightness, in greyscale.
"""

COLOURS = ("#16387c", "#f08a1d", "#0a9a86", "#86307f", "#93c9ee", "#111111", "#e0607e", "#a59f28")
MOST_LINES = 7
"""With more stores than these, a figure has a panel or a row for each, and no colour stands for a store."""
HIGHLIGHT = COLOURS[0]
"""The one colour of a store's own lines and bars, where each has a panel or row."""
TEXT_CONTRAST = 4.55
EMPTY = "empty"
"""The keyword of a figure's file that has nothing to show but why."""
TITLE_INCHES = 0.45
"""The band at the top of each figure that holds its title; the page cuts it off and sets its own heading."""


def colour(place: int) -> str:
    """The colour of the backend at that place, from 0; they repeat after the last."""
    return COLOURS[place % len(COLOURS)]


def ink(shade: str) -> str:
    """A colour `#rrggbb` as dark as text on white must be: contrast 4.5 to 1 by the WCAG 2.2 formula."""
    parts = [int(shade[start : start + 2], 16) for start in (1, 3, 5)]
    while 1.05 / (_luminance(parts) + 0.05) < TEXT_CONTRAST:
        parts = [part * 0.97 for part in parts]
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def _luminance(parts: list[float]) -> float:
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
