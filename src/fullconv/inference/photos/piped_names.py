"""The input '-': a picture on standard input, or a list of file names."""

import codecs
import os
import re
import sys
from contextlib import suppress

from fullconv.data.reading.formats import format_of
from fullconv.errors import UserError
from fullconv.inference.storage.addresses import local_path

STDIN = "-"
_UTF16_LE = re.compile(rb"[ -~]\0[ -~\r\n]\0[ -~\r\n]\0")  # three letters of ASCII
_UTF16_BE = re.compile(rb"\0[ -~]\0[ -~\r\n]\0[ -~\r\n]")


def with_piped(items: list[str]) -> tuple[list[str], bytes | None]:
    """``items`` without '-': with the names that were piped in, or the picture beside."""
    if STDIN not in items:
        return items, None
    content = _standard_input()
    names = names_in(content)
    if names is None:
        return [i for i in items if i != STDIN], content
    if not names:
        raise _empty("has only empty lines")
    return [i for i in items if i != STDIN] + [local_path(name) for name in names], None


def names_in(content: bytes) -> list[str] | None:
    """The names in a piped list, one a line or ended by zero bytes; None where it is a picture.

    As Windows writes lists too: UTF-16, a byte order mark, names in quotes.
    """
    content = _as_utf8(content)
    head = content[:4096]
    if not os.path.lexists(re.split(rb"[\0\r\n]", head)[0]) and _looks_like_no_list(head):
        return None
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [_unquoted(os.fsdecode(part)) for part in parts if part.strip()]


def _as_utf8(content: bytes) -> bytes:
    """A list in UTF-16 as UTF-8, and without a byte order mark; all else as it is.

    Split at its zero bytes, UTF-16 would name '/' and '.' of every path.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec = "utf-16"
    elif _UTF16_LE.match(content):
        codec = "utf-16-le"
    elif _UTF16_BE.match(content):
        codec = "utf-16-be"
    else:
        return content.removeprefix(codecs.BOM_UTF8)
    with suppress(UnicodeDecodeError):
        return content.decode(codec).lstrip("\ufeff").encode("utf-8", "surrogateescape")
    return content


def _unquoted(name: str) -> str:
    """The name without what surrounds it, where only that is there: blanks, a pair of quotes."""
    if os.path.lexists(name):
        return name
    bare = name.strip()
    if len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    return bare if os.path.lexists(bare) else name


def _looks_like_no_list(head: bytes) -> bool:
    """Whether bytes are those of a picture, known or not, or of a page that says why not."""
    binary = any(byte < 32 and byte not in b"\t\n\r\0" for byte in head)
    text = head.lstrip()[:1] in (b"<", b"{") or re.match(rb"P[1-6]\s", head)  # HTML, JSON, PPM
    return binary or bool(text) or format_of(head[:64]) is not None


def _standard_input() -> bytes:
    """All of standard input; UserError when there is none."""
    content = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    if not content:
        raise _empty("is empty")
    return content


def _empty(what: str) -> UserError:
    return UserError(
        f"standard input {what}: pipe a picture, or a list of names, into the command",
        "FC-PREDICT-001",
    )
