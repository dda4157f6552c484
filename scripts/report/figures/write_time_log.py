"""How does the time to store images grow with their number?

Time to write a new store against the number of images. Both axes are logarithmic, so equal distances are equal factors
and a straight line of slope one is proportional growth. Each store has a panel; the others are in grey behind it. At
the end of a write, bytes may still be in memory. At the end of a durable write, everything is safe on the disk.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 6
draw = partial(times.lines, kinds=("write",))
