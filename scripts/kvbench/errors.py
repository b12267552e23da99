"""The one exception that is shown to a user as a single line."""


class UserError(Exception):
    """An error that the user can correct: the message names the key, file or device, and the correction."""
