"""What figures and page share in their looks; no drawing library is imported here.

Colours are told apart by people with the common kinds of colour-blindness and, by their lightness, in greyscale.
"""

COLOURS = ("#16387c", "#f08a1d", "#0a9a86", "#86307f", "#93c9ee", "#111111", "#e0607e", "#a59f28")
"""The colours of lines, by order of appearance; in a panel they stand for operations, never for stores."""
HIGHLIGHT = COLOURS[0]
"""The colour of all stores' bars."""
EMPTY = "empty"
"""The keyword of a figure's file that has nothing to show but why."""
TITLE_INCHES = 0.45
"""The band at the top of each figure that holds its title; the page cuts it off and sets its own heading."""
