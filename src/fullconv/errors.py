"""The one exception that is a message to the user."""

import re
from typing import Any

_TOO_LONG = re.compile(r"\S{401,}")


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
        """The message with its code, as it is printed.

        Control characters are escaped but for line ends, and of words of hundreds of characters,
        as paths can be, both ends are left.
        """
        text = _TOO_LONG.sub(lambda word: f"{word[0][:150]}...{word[0][-50:]}", str(self))
        text = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
        return f"{text} [{self.code}]" if self.code else text
