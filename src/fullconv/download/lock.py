"""A lock of a file between processes."""

import contextlib
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what some network disks answer


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process holds ``path``, and hold it during the block.

    The lock is a file ``.NAME.lock`` beside ``path``. The system drops it with the process that
    holds it, so that a killed one blocks nobody. On a disk without locks nobody waits; two calls
    at once are then caught by the checksum only. OSError passes through.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # on Windows an open file cannot be removed
            Path(lock.lock_file).unlink()  # before the release: who waits notices and locks anew
        lock.release()
