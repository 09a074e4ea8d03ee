"""The input '-': a picture on standard input, or a list of file names."""

import os
import re
import sys

from fullconv.data.reading.formats import format_of
from fullconv.errors import UserError

STDIN = "-"


def with_piped(items: list[str]) -> tuple[list[str], bytes | None]:
    """``items`` without '-': with the names that were piped in, or the picture beside."""
    if STDIN not in items:
        return items, None
    content = _standard_input()
    names = names_in(content)
    return [i for i in items if i != STDIN] + (names or []), content if names is None else None


def names_in(content: bytes) -> list[str] | None:
    """The names in a piped list, one a line or ended by zero bytes; None where it is a picture."""
    head = content[:4096]
    if not os.path.lexists(re.split(rb"[\0\r\n]", head)[0]) and _looks_like_no_list(head):
        return None
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(part) for part in parts if part.strip()]


def _looks_like_no_list(head: bytes) -> bool:
    """Whether bytes are those of a picture, known or not, or of a page that says why not."""
    binary = any(byte < 32 and byte not in b"\t\n\r\0" for byte in head)
    text = head.lstrip()[:1] in (b"<", b"{") or re.match(rb"P[1-6]\s", head)  # HTML, JSON, PPM
    return binary or bool(text) or format_of(head[:64]) is not None


def _standard_input() -> bytes:
    """All of standard input; UserError when there is none."""
    content = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    if not content:
        raise UserError(
            "standard input is empty: pipe a picture, or a list of names, into the command",
            "FC-PREDICT-001",
        )
    return content
