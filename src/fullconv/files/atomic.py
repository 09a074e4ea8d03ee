"""Files and folders that appear whole or not at all."""

import io
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fullconv.errors import UserError
from fullconv.files.file_errors import errors_name, folder_error, name_finally

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that is open
    fcntl = None

_ASKING = threading.Lock()  # the umask is the process's and can only be read by setting it

_LONGEST_PART = 240  # bytes of a name that leave room for what mkstemp adds, of 255
_swept: set[str] = set()  # folders in which this process has removed what others left
_PART = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.part", re.DOTALL)
"""How a file is called until it is whole: its name between dots, then what mkstemp adds."""

Content = bytes | str | Callable[[IO[bytes]], object]


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
            raise folder_error(error, temporary, out) from error
        raise
    finally:
        if handle is not None:
            os.close(handle)
    sync_folder(out.parent)


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
