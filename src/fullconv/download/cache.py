"""Where downloaded files are kept, offline or not, and a lock of a file between processes."""

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from fullconv.errors import UserError

FOLDER = "FULLCONV_CACHE"
OFFLINE = "FULLCONV_OFFLINE"
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def cache_folder() -> Path:
    """FULLCONV_CACHE, else XDG_CACHE_HOME/fullconv, else ~/.cache/fullconv; not made here."""
    own = os.environ.get(FOLDER)
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fullconv"


def is_offline() -> bool:
    """Whether FULLCONV_OFFLINE forbids downloads; UserError when it is neither yes nor no."""
    value = os.environ.get(OFFLINE, "").strip().lower()
    if value not in (*_YES, *_NO):
        message = f"{OFFLINE}={value}: use 1 to forbid downloads, 0 to allow them"
        raise UserError(message, "FC-DOWNLOAD-008")
    return value in _YES


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what some network disks answer


def acquire(lock: FileLock) -> None:
    """Acquire ``lock``; on a disk without locks it is not held, and nobody waits for it.

    Raises filelock's Timeout; OSError passes through.
    """
    try:
        lock.acquire()
    except NotImplementedError:  # of older versions of filelock
        return
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process holds ``path``, and hold it during the block.

    The lock is a file ``.NAME.lock`` beside ``path``. The system drops it with the process that
    holds it, so that a killed one blocks nobody. On a disk without locks nobody waits; two calls
    at once are then caught by the checksum only. OSError passes through.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    acquire(lock)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # on Windows an open file cannot be removed
            Path(lock.lock_file).unlink()  # before the release: who waits notices and locks anew
        lock.release()
