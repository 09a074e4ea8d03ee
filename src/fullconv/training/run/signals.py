"""Signals that ask a training to end, as a flag that the loop reads between two steps."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fullconv.signal_handlers import handled_by

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
"""Ctrl-C; the end that SLURM, Kubernetes and systemd ask for; a terminal that closes; a warning
that SLURM can send before the time is up."""

_FORWARDED = 2.0 if "TORCHELASTIC_RUN_ID" in os.environ else 0.0
"""Seconds in which the same signal may come a second time: torchrun passes on what its processes
have received already."""


class Interrupted(Exception):
    """A signal asked the training to end: the step was finished and the state saved.

    ``number`` is that of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopRequested(KeyboardInterrupt):
    """Raised where the loop waits or validates, or after a step, when a signal asked for the end.

    A KeyboardInterrupt, which code that handles errors lets pass.
    """


class Stop:
    """False until a signal asks for the end; ``number`` is that of the signal.

    ``tell`` is called with a signal that reaches this process.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.tell: Callable[[int], object] = lambda number: None
        self._is_interruptible = self._is_own = False  # own: the signal came to this process
        self._at = 0.0

    def __bool__(self) -> bool:
        return self.number is not None

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block a signal raises `StopRequested` at once; a resume loses nothing."""
        self._is_interruptible = True
        try:
            if self.number is not None:
                raise StopRequested
            yield
        finally:
            self._is_interruptible = False

    def handle(self, number: int, _: object = None) -> None:
        """Handle a signal; the second one ends the process at once."""
        if self._is_own:
            if number == self.number and time.monotonic() - self._at < _FORWARDED:
                return
            _end_by(number)
        self._is_own, self._at = True, time.monotonic()
        if not _FORWARDED:
            _leave_to_the_system()
        self.number = number
        self.tell(number)
        if self._is_interruptible:
            raise StopRequested

    def ask(self, number: int) -> None:
        """Set the flag for a signal that has reached another process of the training.

        The same signal may be on its way here: it does not count as a second one.
        """
        self.number = self.number or number


def _end_by(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _leave_to_the_system() -> None:
    """Let the next signal end the process at once, even while it waits for another one."""
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number not in (None, signal.SIGINT) and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """The first signal of `SIGNALS` sets the flag, a second one ends the process at once.

    A signal that is ignored, as SIGHUP under ``nohup``, stays so. Outside the main thread nothing
    is handled: signals go to the main thread.
    """
    stop = Stop()
    with handled_by(stop.handle, SIGNALS):
        yield stop
