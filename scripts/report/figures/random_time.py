"""What does one of many random images cost?

Time per image to read images in shuffled order, against the number of images in the store. Both axes are logarithmic.
Each store has a panel; the others are in grey behind it. The images are drawn over the whole store. Random has one call
for each image, batch one call for each batch. In memory (warm), the store is open already and in the page cache. On
disk (cold), it was evicted, the eviction was verified, and opening it counts.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 4
draw = partial(times.lines, kinds=("random", "batch"), per_image=True)
