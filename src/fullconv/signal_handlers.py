"""Signals during a block: one place for all that finish their work when asked to end."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Handler = Callable[[int, object], object]
"""Is called with the number of a signal and the frame that it interrupts."""


@contextmanager
def handled_by(handler: Handler, names: Sequence[str]) -> Iterator[None]:
    """Signals of these ``names`` go to ``handler`` during the block; afterwards where they went.

    Names that a system does not have are left out. A signal that is ignored, as SIGHUP under
    ``nohup``, stays so. Outside the main thread nothing is handled: signals go to the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in handled}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
