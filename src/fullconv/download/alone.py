"""One process at a time."""

import contextlib
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what some network disks answer


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on ``path``, and keep others waiting during the block.

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
