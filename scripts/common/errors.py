"""What goes wrong. A user's mistake stops the run; a build or timing that fails by itself becomes a gap."""

import difflib
import errno
import os
from collections.abc import Iterable

MOST_LETTERS = 120
"""Letters of a value that a message shows at most."""


class UserError(Exception):
    """Something that the user can put right; the message names the thing, the place and the remedy in one line."""


def shown(value: object) -> str:
    """Return a value for a message: in one line, with what doesn't print escaped, and cut where it's long."""
    plain = isinstance(value, str | os.PathLike) and str(value).isprintable() and str(value) == str(value).strip() != ""
    text = str(value) if plain else repr(value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}... ({len(text)} letters)"


class Failed(Exception):
    """One build or timing has failed for a reason of its own, which the message says. The cell becomes a gap."""


NOT_PERMITTED = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Numbers of the system's errors for a missing permission, which the user can get."""


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return the end of a message about an unknown name or value: the nearest one, where it is a text, or all."""
    known = list(known)
    texts = [one for one in known if isinstance(one, str)]
    nearest = difflib.get_close_matches(str(name), texts, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(map(str, known)) or 'none'}"
