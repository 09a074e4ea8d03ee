"""The processes of a training watch one another, so that none waits for one that has died.

Each has a connection to process 0. The system closes it when a process ends, whatever ended it; a
sign of life every few seconds shows that the machine and the network are there too. What one has to
say goes the same way: a signal that asks for the end, an error, that another one has died. Process
0 prints the one line that the user sees; where it is the one that died, process 1 does.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fullconv.errors import UserError
from fullconv.training.parallel.connections import Connections, Message, meet
from fullconv.training.parallel.launcher import (
    CODE,
    end_of,
    end_process,
    how_to_resume,
    is_torchrun,
    say,
)
from fullconv.training.run.signals import Interrupted, Stop

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BEAT = 2.0  # seconds between two signs of life
LOST = 60.0  # seconds without any, after which a process counts as dead
GRACE = 5.0  # seconds in which a training may come to its end by itself
CONNECTION = ("gloo", "nccl", "connection", "timed out", "broken pipe", "socket", "peer")
"""Words in what torch says of a collective operation that failed."""


class Lost(UserError):
    """A process of the training has died: the run stays as it was saved last."""


@dataclass(frozen=True)
class Verdict:
    """Why the training ends; ``is_ours`` says that this process tells the user."""

    error: UserError
    is_ours: bool


class Peers:
    """The other processes as this one sees them: whether they live, and why the training ends."""

    def __init__(self, rank: int, world: int, connections: Connections, out: Path) -> None:
        self.rank, self.world, self.out = rank, world, out
        self.connections = connections
        self.heard = dict.fromkeys(connections.numbers, time.monotonic())
        self.stop: Stop | None = None
        self.asked_to_stop: int | None = None
        self.verdict: Verdict | None = None
        self.is_decided, self.is_over = threading.Event(), threading.Event()
        self.is_first_done, self.taking_over = threading.Event(), threading.Lock()
        self.thread = threading.Thread(target=self._watch, name="fullconv-peers", daemon=True)
        self.thread.start()

    def relay(self, stop: Stop) -> None:
        """From now on a signal here reaches all processes, and one elsewhere sets ``stop``."""
        self.stop, stop.tell = stop, self._tell_of_signal
        if self.asked_to_stop is not None:
            stop.ask(self.asked_to_stop)

    def _tell_of_signal(self, number: int) -> None:
        self.connections.send({"kind": "stop", "number": number})

    def after_first(self, work: Callable[[], object]) -> None:
        """``work`` in process 0, while the others wait, however long it takes."""
        if self.rank == 0:
            work()
            self.connections.send({"kind": "done"})
            return
        while not self.is_first_done.wait(0.2):
            if self.verdict is not None:
                raise self.verdict.error
        self.is_first_done.clear()

    def close(self) -> None:
        """Say goodbye: the end of this process is no death from now on."""
        self.is_over.set()
        self.connections.send({"kind": "bye"})
        self.connections.leave()

    def _watch(self) -> None:
        woken = beat_due = time.monotonic()
        while not self.is_over.is_set() and self.connections.numbers:
            if woken >= beat_due:
                self.connections.send({"kind": "beat"})
                beat_due = woken + BEAT
            with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                for number in self.connections.ready(beat_due - woken):
                    self._receive(number)
            now = time.monotonic()
            if now - woken > 2 * BEAT:  # this process was stopped itself
                self.heard = dict.fromkeys(self.connections.numbers, now)
            woken = now
            for number in [n for n in self.connections.numbers if now - self.heard[n] > LOST]:
                self._on_death(number, f" (no sign of life for {LOST:.0f} s)")

    def _receive(self, number: int) -> None:
        messages = self.connections.receive(number)
        if self.is_over.is_set():
            return
        if messages is None:
            self._on_death(number, end_of(number))
            return
        self.heard[number] = time.monotonic()
        for message in messages:
            self._on_message(number, message)

    def _on_message(self, sender: int, message: Message) -> None:
        kind = message["kind"]
        if kind == "stop":
            if self.rank == 0:
                self.connections.send(message, without=sender)
            self.asked_to_stop = message["number"]
            if self.stop is not None:
                self.stop.ask(message["number"])
        elif kind == "done":
            self.is_first_done.set()
        elif kind == "bye":
            self.connections.drop(sender)
        elif kind == "error":
            self.connections.drop(sender)
            self.connections.send({"kind": "ending"})
            self._end(Verdict(UserError(message["text"], message["code"]), is_ours=True))
        elif kind == "ending":
            self.connections.drop(sender)
            self._end(Verdict(UserError("another process has ended"), is_ours=False))

    def _on_death(self, number: int, how: str) -> None:
        self.connections.drop(number)
        if self.rank == 0:
            self.connections.send({"kind": "ending"})
        text = (
            f"process {number} of {self.world} died{how}: the training has ended, the state saved "
            f"last is kept; {how_to_resume(self.out)}"
        )
        self._end(Verdict(Lost(text, "FC-TRAIN-015"), is_ours=self.rank == 0 or self.rank == 1))

    def _end(self, verdict: Verdict) -> None:
        """Let the training end with ``verdict``, or end the process where it does not."""
        if self.is_decided.is_set():
            return
        if verdict.is_ours and is_torchrun():  # which ends this process in a moment
            say(verdict.error.coded())
            verdict = Verdict(verdict.error, is_ours=False)
        self.verdict = verdict
        self.is_decided.set()
        grace = 0.0 if self.stop else GRACE  # a second signal wants the end at once
        if self.is_over.wait(grace) or not self._takes_over():
            return
        if verdict.is_ours:
            say(verdict.error.coded())
        self.connections.leave()
        end_process()

    def _takes_over(self) -> bool:
        """Whether this thread is the one that ends the process: the first that asks."""
        with self.taking_over:
            is_first = not self.is_over.is_set()
            self.is_over.set()
        return is_first

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """Within the block an error of one process ends all, and one of them prints it."""
        try:
            yield
        except BaseException as error:
            self._raise_for_all(error)
        self.close()

    def _raise_for_all(self, error: BaseException) -> None:
        """Raise what this process ends with, after ``error``."""
        verdict = self._verdict_on(error)
        if verdict is None and isinstance(error, Interrupted):  # which all of them are
            self.close()
            if self.rank:
                raise SystemExit(128 + error.number) from None
            raise error
        if not self._takes_over():
            self.thread.join()  # which ends the process
        if verdict is None and self.rank == 0:
            self.connections.send({"kind": "ending"})
        elif verdict is None and not isinstance(error, KeyboardInterrupt | SystemExit):
            self.connections.send(_as_message(error, self.rank))
        self.connections.leave()
        if verdict is None and (self.rank == 0 or not isinstance(error, UserError)):
            raise error
        if verdict is not None and verdict.is_ours:
            raise verdict.error from None
        raise SystemExit(CODE) from None

    def _verdict_on(self, error: BaseException) -> Verdict | None:
        """Why the training ends, where ``error`` only follows from that another one has."""
        if not _is_connection_error(error):
            follows = isinstance(error, RuntimeError) or error is getattr(self.verdict, "error", 0)
            return self.verdict if follows else None
        self.is_decided.wait(GRACE)
        text = (
            f"process {self.rank} of {self.world} has lost the others ({str(error)[:200]}); "
            f"{how_to_resume(self.out)}"
        )
        return self.verdict or Verdict(Lost(text, "FC-TRAIN-015"), is_ours=self.rank == 0)


def _is_connection_error(error: BaseException) -> bool:
    text = str(error).lower()
    is_usual = isinstance(error, RuntimeError | ConnectionError) and not isinstance(
        error, UserError
    )
    return is_usual and any(word in text for word in CONNECTION)


def _as_message(error: BaseException, rank: int) -> Message:
    if isinstance(error, UserError):
        return {"kind": "error", "text": str(error), "code": error.code}
    text = f"process {rank} failed: {type(error).__name__}: {str(error)[:200]}"
    return {"kind": "error", "text": text, "code": "FC-TRAIN-015"}


_current: Peers | None = None


def current() -> Peers | None:
    """The connections of the training that this process is in; None where it is alone."""
    return _current


@contextmanager
def connected(fabric: "Fabric", out: Path, are_met: Callable[[], object]) -> Iterator[None]:
    """All processes of ``fabric`` connected; ``are_met`` is called once they are."""
    global _current
    connections = meet(fabric)
    are_met()
    _current = peers = Peers(fabric.global_rank, fabric.world_size, connections, out)
    try:
        with peers.ending_together():
            yield
    finally:
        _current = None


def _close_in_child() -> None:
    """A loader process has no connections: an end that it held would hide that this one died."""
    if _current is not None:
        _current.connections.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
