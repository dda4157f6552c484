"""A user's mistake: the one exception for it, whose message is the single line that the user sees."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the user can put right; the message names the thing, the place and the remedy in one line."""


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return the end of a message about an unknown name or value: the nearest one, where it is a text, or all."""
    known = list(known)
    texts = [one for one in known if isinstance(one, str)]
    nearest = difflib.get_close_matches(str(name), texts, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(map(str, known)) or 'none'}"
