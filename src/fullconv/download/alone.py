"""One process at a time."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes at once are then caught by the checksum only
    fcntl = None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on ``path``, and keep others waiting during the block.

    The lock is a file ``.NAME.lock`` beside ``path``. The system drops it with the process that
    holds it, so that a killed one blocks nobody. OSError passes through.
    """
    lock = path.with_name(f".{path.name}.lock")
    handle = _locked(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # some network disks have no locks
                    fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(handle, lock):
                return handle
        except BaseException:
            os.close(handle)
            raise
        # The holder before removed the file while this process waited for it.
        os.close(handle)


def _is(handle: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(lock))
    except FileNotFoundError:
        return False
