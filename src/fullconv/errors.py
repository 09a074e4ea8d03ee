"""The exceptions that are messages to the user."""

from collections.abc import Sequence
from typing import Any


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
        """The message with its code."""
        return f"{self} [{self.code}]" if self.code else str(self)


class UserErrors(UserError):
    """Several errors at once, a line each; one ``code`` for all."""

    def __init__(self, lines: Sequence[str], code: str = "") -> None:
        super().__init__("\n".join(lines), code)
        self.lines = tuple(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.lines, self.code)
