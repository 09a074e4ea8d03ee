"""Files that appear whole or not at all, and what the system's errors about files mean.

`check_target` tries whether a place can be written, before the long work whose result goes there.
"""

import errno
import io
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from fullconv.errors import UserError, printable

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that is open
    fcntl = None

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
_LONGEST_PART = 240  # bytes of a name that leave room for what mkstemp adds, of 255
_swept: set[str] = set()  # folders in which this process has removed what others left
_PART = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.part", re.DOTALL)
"""How a file is called until it is whole: its name between dots, then what mkstemp adds."""

Content = bytes | str | Callable[[IO[bytes]], object]


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


def write_atomically(path: str | Path, content: Content) -> None:
    """Write ``content`` (bytes, text, or a function given the open binary file) to ``path``.

    The bytes go to a temporary name in the same folder, are synced to the disk and renamed, so a
    reader, or a process killed halfway, meets the old file or the new one and never a part.
    The folder is made when it is missing; the first write into it removes what killed processes
    left half written there. OSError passes through, and names ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    with errors_name(path):
        handle, temporary = _new_part(path)
    try:
        with errors_name(path, temporary), _Writer(io.FileIO(handle, "wb")) as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(handle)
            os.chmod(temporary, 0o666 & ~_umask())
            if fcntl is not None:  # the lock ends with the file: renamed, it is no part any more
                os.replace(temporary, path)
        if fcntl is None:
            os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class _Writer(io.BufferedWriter):
    """An open file that libraries write to through Python, which says why the system refuses.

    By its number Pillow and numpy write themselves, and then know no reason.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


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


def _new_part(path: Path) -> tuple[int, str]:
    """A locked temporary file beside ``path``: its handle and its name."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=".part")
        _lock(handle)
        try:
            if os.path.samestat(os.fstat(handle), os.stat(name)):
                return handle, name
        except FileNotFoundError:  # taken for abandoned before it was locked
            pass
        os.close(handle)


def _prefix(path: Path) -> str:
    """How the name of its temporary file begins; the longest names leave no room for more."""
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST_PART else path.name[:50]
    return f".{name}."


def _lock(handle: int, wait: bool = True) -> bool:
    """Whether an open file is locked now; some file systems have no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def remove_abandoned(
    folder: str | Path, belongs: Callable[[str], bool] = lambda name: True
) -> list[Path]:
    """Remove what killed processes left in ``folder`` half written; returns the paths.

    ``belongs`` is asked whether a file of that final name is to be removed. What a process that is
    alive, in whatever container, is writing has a lock and stays, as does everything where the file
    system has no locks. What cannot be removed stays too.
    """
    try:
        entries = [Path(entry.path) for entry in os.scandir(folder) if entry.name[0] == "."]
    except OSError:
        return []
    parts = [(path, _PART.fullmatch(path.name)) for path in entries]
    return [path for path, named in parts if named and belongs(named[1]) and _removed(path)]


def _sweep(folder: Path) -> None:
    """`remove_abandoned`, once a process for each folder: it may hold many files."""
    place = os.path.abspath(folder)
    if place not in _swept:
        _swept.add(place)
        remove_abandoned(folder)


def _removed(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if not _lock(handle, wait=False):
            return False
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def folder_atomically(out: str | Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes ``out`` when the block ends without an error.

    Until then it has a hidden name beside ``out``, and after an error nothing is left of it.
    ``out`` must not be there, or be empty; else UserError, before anything is written. UserError
    also where the system refuses to write: no right to, no space left. What killed processes left
    half written beside ``out`` is removed.
    """
    out, temporary, handle = Path(out), None, None
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out}: is not empty; name a new folder", "FC-FILE-006")
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(out.parent)
        temporary, handle = new_part_folder(out)
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, out)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
            name_finally(error, temporary, out)
        if isinstance(error, OSError):
            # The block also reads: the file that the system names may be another.
            named = _renamed(_file_of(error) or "", temporary, out)
            where = f" ({printable(named)})" if named not in ("", str(out)) else ""
            hint = _HINTS.get(error.errno or 0, "")
            raise UserError(
                f"{printable(str(out))}: cannot be written: {error.strerror or error}{where}"
                + (f"; {hint}" if hint else ""),
                _code(error, writing=True),
            ) from error
        raise
    finally:
        if handle is not None:
            os.close(handle)
    sync_folder(out.parent)


def name_finally(error: BaseException, temporary: Path, out: Path) -> None:
    """Let the texts of an error name files by where they were to be: below ``out``."""
    error.args = tuple(_renamed(text, temporary, out) for text in error.args)


def _renamed(text: Any, temporary: Path | None, out: Path) -> Any:
    return text.replace(str(temporary), str(out)) if isinstance(text, str) else text


def new_part_folder(out: Path) -> tuple[Path, int | None]:
    """A hidden, locked folder beside ``out`` to fill, and its lock, a handle to be closed.

    None where a folder cannot be locked. Without the lock `remove_abandoned` removes it.
    """
    while True:
        name = tempfile.mkdtemp(dir=out.parent, prefix=_prefix(out), suffix=".part")
        handle = _opened_folder(Path(name))
        if os.path.isdir(name):
            return Path(name), handle
        if handle is not None:  # taken for abandoned before it was locked
            os.close(handle)


def _opened_folder(folder: Path) -> int | None:
    """A lock on a folder, which ends when it is closed; None where a folder cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    _lock(handle)
    return handle


def _umask() -> int:
    with _ASKING:
        mask = os.umask(0o077)  # what other threads make meanwhile is nobody else's
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


ADDED = len(".part") + 10  # what a temporary name has beside the file's (`fullconv.atomic`)


def check_target(path: str | Path) -> None:
    """UserError unless ``path`` can be written; nothing is left behind, missing folders neither.

    Its folder is made and a temporary file written there, as the real one will be. Refused are a
    folder of that name, a file where a folder should be, names that are too long, loops of links,
    and places that cannot be written.
    """
    path, created = Path(path), []
    name = printable(str(path), 200)
    try:
        if path.is_dir():
            raise UserError(f"{name}: is a folder; name a file in it", "FC-FILE-004")
        for folder in reversed(path.parent.parents):
            _make(folder, created)
        _make(path.parent, created)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        os.unlink(temporary)
        if len(os.fsencode(path.name)) + ADDED > _longest_name(path.parent):
            raise UserError(f"{name}: its name is too long; use a shorter one", "FC-FILE-005")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _refusal(name, error) from error
    finally:
        for folder in reversed(created):
            folder.rmdir()


def check_page_target(path: str | Path) -> None:
    """UserError where a page would replace a file that is none, as a config or a class file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(1000)
    except (OSError, ValueError):  # not there; or whoever writes says what is wrong
        return
    if start.strip(b"\0 \r\n\t") and b"<html" not in start.lower():
        raise UserError(
            f"{printable(str(path))}: is there already and is no page, so it is not replaced; name "
            "another file, as page.html",
            "FC-FILE-007",
        )


def _make(folder: Path, created: list[Path]) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.stat().st_mode):  # `is_dir` is silent about loops of links
            raise NotADirectoryError(f"{printable(str(folder), 80)} is no folder") from None
    except PermissionError:
        if not folder.is_dir():  # of a folder that is there, some systems say this first
            raise
    else:
        created.append(folder)


def _longest_name(folder: Path) -> int:
    """Bytes of a name that the file system takes."""
    return os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255


def _refusal(name: str, error: OSError | ValueError) -> UserError:
    number = getattr(error, "errno", None)
    reason = printable(getattr(error, "strerror", None) or str(error), 120)
    if number in (errno.ENAMETOOLONG, errno.ELOOP):
        return UserError(f"{name}: {reason}; use a shorter path, without loops", "FC-FILE-005")
    if isinstance(error, NotADirectoryError):
        return UserError(f"{name}: {reason}; name another place", "FC-FILE-004")
    return UserError(f"{name}: cannot be written ({reason}); name another place", "FC-FILE-002")
