"""Files that others wrote: one place where what a parser raises becomes the user's error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fullconv.errors import UserError

MOST_JSON = 16 << 20
"""Bytes of a JSON text; its objects take some twenty times as much memory."""


@contextmanager
def parser_errors(path: str | Path, what: str, code: str, fix: str = "copy it again") -> Iterator:
    """In this block any exception about the content of ``path`` becomes a UserError of one line.

    It reads ``PATH: WHAT (REASON); FIX``. Damaged files make parsers raise nearly anything
    (ValueError for a number of 5,000 digits, RecursionError, zlib.error, their library's own), so
    every Exception is taken. A UserError passes as it is; an OSError says that ``path`` cannot be
    read, with the code FC-FILE-001.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        raise UserError(f"{path}: cannot be read ({reason})", "FC-FILE-001") from error
    except Exception as error:
        raise UserError(f"{path}: {what} ({reason_of(error)}); {fix}", code) from error


def reason_of(error: BaseException) -> str:
    """What an exception says, in at most 160 characters of one line."""
    said = str(error).strip()
    if isinstance(error, KeyError):
        said = f"no {said}"
    return one_line(said.splitlines()[0] if said else type(error).__name__, 160)


def one_line(text: str, most: int = 80) -> str:
    """``text`` without control characters, and cut to ``most`` characters."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def some(names: Any, most: int = 4) -> str:
    """The first names of many, each cut, for a message: "a, b, ..."; "nothing" for none."""
    listed = [one_line(str(name), 60) for name in list(names)[: most + 1]]
    return ", ".join([*listed[:most], *(["..."] if len(listed) > most else [])]) or "nothing"


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in ``text``; ValueError or RecursionError where it is none, or too long."""
    if len(text) > MOST_JSON:
        raise ValueError(f"a text of {len(text) >> 20} MiB, {MOST_JSON >> 20} at most")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value
