"""What the system's errors about files mean: one line for the user, with a code."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fullconv.errors import UserError, printable

_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.ETXTBSY)
_HINTS = {
    errno.ENOSPC: "make room, or name a place on another disk",
    errno.EDQUOT: "make room, or name a place on another disk",
    errno.EFBIG: "the system limits the size of a file (ulimit -f)",
    errno.EROFS: "name a place that can be written",
    errno.EACCES: "you lack the rights for it",
    errno.EPERM: "you lack the rights for it",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "its links lead in a circle",
}


def file_error(error: OSError, path: str | Path | None = None, writing: bool = False) -> UserError:
    """The system's ``error`` about a file as one line for the user, with its FC-FILE code.

    ``path`` is the file where the error does not name one itself; ``writing`` says that a file was
    to be written, which the error alone tells only of a full or read-only disk.
    """
    named = _file_of(error) or path
    name = "" if named is None else f"{printable(str(named))}: "
    reason = error.strerror or str(error) or type(error).__name__
    code = _code(error, writing)
    if code == "FC-FILE-002":
        reason = f"cannot be written: {reason}"
    elif code == "FC-FILE-001":
        reason = f"cannot be read: {reason}"
    hint = _HINTS.get(error.errno or 0, "name another path" if code == "FC-FILE-004" else "")
    return UserError(f"{name}{reason}" + (f"; {hint}" if hint else ""), code)


def _file_of(error: OSError) -> str | None:
    """The file that an error names: of a copy that finds no room, that which was to be written."""
    file = error.filename2 if error.errno in _WRITING and error.filename2 else error.filename
    return os.fsdecode(file) if isinstance(file, str | bytes | os.PathLike) else None


def _code(error: OSError, writing: bool) -> str:
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return "FC-FILE-005"
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY):
        return "FC-FILE-004"
    if error.errno in _WRITING or writing:
        return "FC-FILE-002"
    return "FC-FILE-003" if error.errno == errno.ENOENT else "FC-FILE-001"


@contextmanager
def file_errors(path: str | Path | None = None, writing: bool = False) -> Iterator[None]:
    """Turns an OSError of the block into a UserError, as `file_error`."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path, writing) from error


@contextmanager
def errors_name(path: Path, temporary: str | Path | None = None) -> Iterator[None]:
    """Errors of the system that name no file, or the ``temporary`` one, then name ``path``.

    Without ``temporary`` all do.
    """
    try:
        yield
    except OSError as error:
        own = temporary is None or str(error.filename or temporary) == str(temporary)
        if error.errno is not None and own:
            with suppress(AttributeError):  # PyAV's cannot be changed
                error.filename, error.filename2 = str(path), None
        raise


def folder_error(error: OSError, temporary: Path | None, out: Path) -> UserError:
    """The error of filling a folder under a ``temporary`` name, which was to become ``out``.

    Whoever fills it also reads: the file that the system names may be another, and is told too.
    """
    named = _renamed(_file_of(error) or "", temporary, out)
    where = f" ({printable(named)})" if named not in ("", str(out)) else ""
    hint = _HINTS.get(error.errno or 0, "")
    return UserError(
        f"{printable(str(out))}: cannot be written: {error.strerror or error}{where}"
        + (f"; {hint}" if hint else ""),
        _code(error, writing=True),
    )


def name_finally(error: BaseException, temporary: Path, out: Path) -> None:
    """Let the texts of an error name files by where they were to be: below ``out``."""
    error.args = tuple(_renamed(text, temporary, out) for text in error.args)


def _renamed(text: Any, temporary: Path | None, out: Path) -> Any:
    return text.replace(str(temporary), str(out)) if isinstance(text, str) else text
