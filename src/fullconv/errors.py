"""The exceptions that are messages to the user, and how names and values stand in a message."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

LONGEST_WORD = 160  # characters of a path or value in a message
LONGEST_LINE = 900
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]|[\ud800-\udfff]"
)

_addresses: dict[str, str] = {}  # of the folders that are copies


def name_by_address(folder: str | Path, address: str) -> None:
    """Let messages say ``address`` where they would say ``folder``, a copy of what lies there."""
    _addresses[str(folder)] = address


def by_address(text: str) -> str:
    """A text with the addresses of data sets in place of the paths of their copies."""
    for folder, address in _addresses.items():
        text = text.replace(folder, address)
    return text


class UserError(Exception):
    """An error of what the user gave: one line naming the file, the value and the fix.

    ``code`` names the kind of error ("FC-DATA-017") and never changes, whatever the words of the
    message become; docs/errors.md lists each with its cause and fix. The command line prints
    ``fullconv: MESSAGE [CODE]`` and exits with code 2, without a traceback.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(by_address(message))
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
        self.lines = tuple(map(by_address, lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.lines, self.code)

    def coded(self) -> str:
        """The lines, the code at the end of the last."""
        return "\n".join(map(one_line, self.lines)) + self._end()


@dataclass(frozen=True)
class Finding:
    """An error, warning or note: what is wrong with ``file``, its likely cause, and the fix.

    ``code`` is as of `UserError`. A 'note' asks for nothing: it says what is left out.
    """

    file: str
    what: str
    cause: str
    fix: str
    severity: Literal["error", "warning", "note"] = "error"
    code: str = ""

    def __str__(self) -> str:
        parts = (self.what, self.cause and f"likely cause: {self.cause}", self.fix)
        said = "; ".join(part for part in parts if part)
        return printable(by_address(f"{self.file}: {said}"), None)

    @property
    def place(self) -> str:
        """The file as a message names it."""
        return by_address(self.file)


class DataError(UserError):
    """A UserError about the content of a file, which keeps its parts for the list of findings."""

    def __init__(
        self, file: str | Path, what: str, cause: str = "", fix: str = "", code: str = ""
    ) -> None:
        self.finding = Finding(str(file), what, cause, fix, code=code)
        super().__init__(str(self.finding), code)

    def __reduce__(self) -> tuple[Any, ...]:
        finding = self.finding
        parts = finding.file, finding.what, finding.cause, finding.fix, finding.code
        return type(self), parts


def one_line(message: str) -> str:
    """``message`` without control characters, and no longer than a person reads.

    File names and values come from anywhere: what would clear the screen, begin a new line or turn
    the direction of the text is escaped; the middle of a very long word or message is left out.
    """
    words = (printable(word, LONGEST_WORD) for word in message.split(" "))
    return printable(" ".join(words), LONGEST_LINE)


def printable(text: str, longest: int | None = 200) -> str:
    """``text`` for one line: what is no letter escaped, the middle of a long one left out.

    Escaped are control characters, bytes of a name that are no UTF-8, line ends, and characters
    that are invisible or turn the direction of the text.
    """
    shown = _UNPRINTABLE.sub(lambda sign: _escaped(sign[0]), text)
    if longest is None or len(shown) <= longest:
        return shown
    half = (longest - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"


def _escaped(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # how Python keeps a byte of a name that is no UTF-8
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode()


def listed(names: Iterable[object], most: int = 4) -> str:
    """The first names of many, each cut, for a message: "a, b, ..."; "nothing" for none."""
    first = [printable(str(name), 60) for name in islice(names, most + 1)]
    return ", ".join([*first[:most], *(["..."] if len(first) > most else [])]) or "nothing"


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """The hint "did you mean a, b?" with the ``known`` names closest to ``name``; "" for none."""
    import difflib

    close = difflib.get_close_matches(name[:100], list(known), n=most, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else ""


def reason_of(error: BaseException) -> str:
    """The text of an exception, in at most 160 characters of one line."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        text = f"no {text}"
    return printable(text or type(error).__name__, 160)
