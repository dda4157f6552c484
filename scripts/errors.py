"""A user's mistake: the one exception for it, whose message is the single line that the user sees."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the user can put right; the message names the thing, the place and the remedy in one line."""


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all where none is near."""
    names = [str(one) for one in known]
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    return f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(names) or 'none'}"
