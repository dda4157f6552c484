"""The one exception for a user's mistake: its message is the single line that the user sees."""


class UserError(Exception):
    """Something that the user can put right; the message names the thing, the place and the remedy in one line."""
