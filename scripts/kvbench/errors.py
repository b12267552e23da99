"""The one exception that is shown to a user as a single line."""

from __future__ import annotations

LONGEST = 1200  # characters of a line; a list of all known names has up to a thousand


class UserError(Exception):
    """An error that the user can correct: the message names the key, file or device, and the correction.

    Names and values in it are often the user's own, so it is made one printable line of limited length.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(in_one_line(message), LONGEST))


def in_one_line(text: str) -> str:
    """The text with an escape in place of each line break or control character."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shortened(text: str, longest: int) -> str:
    """The text, without its middle if it is longer; the beginning names the place, the end the correction."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - 3]}...{text[-end:]}"
