"""How far apart are writing and reading?

Time per image of each operation that writes or reads all images. Each store has a panel; both axes are logarithmic.
Where a line falls, the fixed cost of a store is shared among more images. Where it is level, time is proportional to
their number. Grey: the same operations on the reference file.
"""

from functools import partial

from scripts.report.draw import times

POSITION = 13
draw = partial(times.lines, kinds=("write", "read"), per_image=True, together=True)
