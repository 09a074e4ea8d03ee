"""The exceptions that are messages to the user, and how a message is printed."""

from collections.abc import Sequence
from typing import Any

LONGEST_WORD = 160  # characters of a path or value in a message
LONGEST_LINE = 900


class UserError(Exception):
    """What the user gave cannot be used: one line naming the file, the value and the fix.

    ``code`` names the kind of error ("FC-DATA-017") and never changes, whatever the words of the
    message become; docs/errors.md lists each with its cause and fix. The command line prints
    ``fullconv: MESSAGE [CODE]`` and exits with code 2, without a traceback.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross from worker processes to the process that started them."""
        return type(self), (str(self), self.code)

    def coded(self) -> str:
        """The message with its code, as it is printed: see `one_line`."""
        return one_line(str(self)) + self._end()

    def _end(self) -> str:
        return f" [{self.code}]" if self.code else ""


class UserErrors(UserError):
    """Several errors at once, a line each; one ``code`` for all."""

    def __init__(self, lines: Sequence[str], code: str = "") -> None:
        super().__init__("\n".join(lines), code)
        self.lines = tuple(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.lines, self.code)

    def coded(self) -> str:
        """The lines, the code at the end of the last."""
        return "\n".join(map(one_line, self.lines)) + self._end()


def one_line(message: str) -> str:
    """``message`` without control characters, and no longer than a person reads.

    File names and values come from anywhere: what would clear the screen, begin a new line or turn
    the direction of the text is escaped; the middle of a very long word or message is left out.
    """
    words = (printable(word, LONGEST_WORD) for word in message.split(" "))
    return printable(" ".join(words), LONGEST_LINE)


def printable(text: str, longest: int = 200) -> str:
    """``text`` for one line: control characters escaped, the middle of a long one left out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(shown) <= longest:
        return shown
    half = (longest - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"
