"""How long does it take to read all images?

Time to open a store and read all its images and labels, at the largest number of images that was measured: the seconds
that you wait for one pass. Each panel has its own scale, with the fastest store first.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 11
draw = partial(times.at_largest, kind="read")
