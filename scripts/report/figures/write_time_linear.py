"""How long does it take to store images?

Time to write a new store, at the largest number of images that was measured: the seconds that you wait for an import.
Each panel has its own scale, with the fastest store first.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 12
draw = partial(times.at_largest, kind="write")
