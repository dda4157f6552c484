"""How does the time to read images grow with their number?

Time to open a store and read all its images and labels, in order, against the number of images. Both axes are
logarithmic. Each store has a panel; the others are in grey behind it. In memory (warm), the store is in the page cache.
On disk (cold), it was evicted before each run, and the eviction was verified.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 3
draw = partial(times.lines, kinds=("read",))
