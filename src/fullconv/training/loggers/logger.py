"""The logger protocol, and several loggers as one: a failing logger does not end a training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

RunStatus = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class LoggedRun:
    """A run for a logger: its folder, its config by dotted keys, and the steps done so far.

    ``step`` is above 0 in a run that is resumed.
    """

    folder: Path
    config: Mapping[str, Any]
    step: int = 0

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name


class Logger(Protocol):
    """Anything with these four methods; they are called in the first process alone."""

    def start(self, run: LoggedRun) -> None:
        """Before the first step; an exception ends the training."""
        ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """At each row of the log: ``train/loss``, ``train/lr``, ``val/mean_iu``, ``time/...``."""
        ...

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """At each validation: ``val/samples``, uint8 RGB (H, W, 3)."""
        ...

    def finish(self, status: RunStatus) -> None:
        """At the end, also that of a training that was interrupted or failed."""
        ...


class Loggers:
    """Several loggers as one; one that raises after the start is left out from then on, and said.

    ``warn`` is called with one line.
    """

    def __init__(self, members: Sequence[Logger], warn: Callable[[str], None]) -> None:
        self.members, self.warn = list(members), warn

    def start(self, run: LoggedRun) -> None:
        """Start all of them, in order; what one raises ends those before it."""
        started: list[Logger] = []
        for member in self.members:
            try:
                member.start(run)
            except BaseException:
                self.members = started
                self.finish("failed")
                raise
            started.append(member)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """To all that still work."""
        self._each(lambda member: member.metrics(step, values))

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """To all that still work."""
        self._each(lambda member: member.images(step, images))

    def finish(self, status: RunStatus) -> None:
        """End all of them."""
        self._each(lambda member: member.finish(status))

    def _each(self, call: Callable[[Logger], None]) -> None:
        for member in list(self.members):
            try:
                call(member)
            except Exception as error:  # a server that is gone must not cost hours of training
                self.members.remove(member)
                reason = " ".join(str(error).split()) or "no reason given"
                self.warn(
                    f"the logger {type(member).__name__} stopped ({type(error).__name__}: "
                    f"{reason}); the training continues without it"
                )
