"""Files that appear whole or not at all."""

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

Content = bytes | str | Callable[[IO[bytes]], object]


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
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is not empty; name a new folder")
    temporary = None
    try:
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
            where = f" ({error.filename})" if error.filename else ""
            raise UserError(
                f"{out}: cannot be written: {error.strerror or error}{where}"
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
