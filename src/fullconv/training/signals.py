"""Ctrl-C as a flag that the loop reads between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Flag:
    """False until set."""

    def __init__(self) -> None:
        self.up = False

    def __bool__(self) -> bool:
        return self.up


@contextmanager
def interrupts() -> Iterator[Flag]:
    """Ctrl-C raises the flag, a second one stops at once."""
    flag = Flag()

    def note(*_: object) -> None:
        if flag.up:
            raise KeyboardInterrupt
        flag.up = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: then nobody sends it here
        yield flag
        return
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
