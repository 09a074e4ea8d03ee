"""Files that appear whole or not at all, and what the system's errors about files mean."""

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fullconv.errors import UserError

_ASKING = threading.Lock()  # the umask is the process's and can only be read by setting it

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
_LONGEST_NAME = 200  # characters of a path in a message

Content = bytes | str | Callable[[IO[bytes]], object]


def file_error(error: OSError, path: str | Path | None = None, writing: bool = False) -> UserError:
    """The system's ``error`` about a file as one line for the user, with its FC-FILE code.

    ``path`` is the file where the error does not name one itself; ``writing`` says that a file was
    to be written, which the error alone tells only of a full or read-only disk.
    """
    named = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else path
    name = "" if named is None else f"{printable(os.fsdecode(named))}: "
    reason = error.strerror or str(error) or type(error).__name__
    code = _code(error, writing)
    if code == "FC-FILE-002":
        reason = f"cannot be written: {reason}"
    elif code == "FC-FILE-001":
        reason = f"cannot be read: {reason}"
    hint = _HINTS.get(error.errno or 0, "name another path" if code == "FC-FILE-004" else "")
    return UserError(f"{name}{reason}" + (f"; {hint}" if hint else ""), code)


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


def printable(text: str, longest: int = _LONGEST_NAME) -> str:
    """``text`` for one line: control characters escaped, the middle of a long one left out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(shown) <= longest:
        return shown
    half = (longest - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"


def write_atomically(path: str | Path, content: Content) -> None:
    """Write ``content`` (bytes, text, or a function given the open binary file) to ``path``.

    The bytes go to a temporary name in the same folder, are synced to the disk and renamed, so a
    reader, or a process killed halfway, meets the old file or the new one and never a part.
    The folder is made when it is missing. OSError passes through.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def folder_atomically(out: str | Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes ``out`` when the block ends without an error.

    Until then it has a hidden name beside ``out``, and after an error nothing is left of it.
    ``out`` must not be there, or be empty; else UserError, before anything is written. UserError
    also where the system refuses to write: no right to, no space left.
    """
    out, temporary = Path(out), None
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out}: is not empty; name a new folder", "FC-FILE-006")
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part"))
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, out)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            # The block also reads: the file that the system names may be another.
            where = f" ({printable(str(error.filename))})" if error.filename else ""
            raise UserError(
                f"{printable(str(out))}: cannot be written: {error.strerror or error}{where}",
                _code(error, writing=True),
            ) from error
        raise
    sync_folder(out.parent)


def _umask() -> int:
    with _ASKING:
        mask = os.umask(0)
        os.umask(mask)
        return mask


def sync_folder(folder: Path) -> None:
    """Make the rename itself durable; not every system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
