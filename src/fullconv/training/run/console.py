"""The display of a training: one live line on a terminal, a bar in a notebook, else plain lines."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fullconv.duration import duration
from fullconv.notebook_progress import ProgressBar, in_notebook

SECONDS = 10  # between lines where there is no terminal
SEPARATOR = " | "
DISPENSABLE = ("lr", "wait", "epoch", "memory", "speed", "trained", "validation", "left", "loss")
"""Fields in the order in which they give way on a narrow terminal; of the loss, first what is
trained."""


@dataclass
class Status:
    """The numbers of the moment."""

    step: int
    steps: int
    epoch: float
    lr: float
    loss: float
    per_pixel: float
    images_per_second: float
    seconds_left: float
    data_wait: float
    memory_mib: int
    validation: str = ""

    def line(self, width: int | None = None) -> str:
        """All of them in one line; within ``width`` columns the first ones that fit, whole."""
        loss = f"loss {self.per_pixel:.4f}/px"
        is_other = abs(self.loss - self.per_pixel) > 1e-6 * abs(self.per_pixel)
        fields = {
            "step": f"step {self.step}/{self.steps}",
            "epoch": f"epoch {self.epoch:.1f}",
            "loss": f"{loss} (trained {self.loss:.5g})" if is_other else loss,
            "lr": f"lr {self.lr:.2e}",
            "speed": f"{self.images_per_second:.1f} img/s",
            "left": f"left {duration(self.seconds_left)}",
            "wait": f"data wait {self.data_wait:.0%}",
            "memory": f"{self.memory_mib} MiB",
            "validation": self.validation,
        }
        fields = {name: text for name, text in fields.items() if text}
        for name in DISPENSABLE:
            if width is None or len(SEPARATOR.join(fields.values())) <= width:
                break
            if name == "trained":
                fields["loss"] = loss
            fields.pop(name, None)
        return SEPARATOR.join(fields.values())[:width]


class Screen:
    """Use as a context. Silent with ``quiet``, as on all but the first of several processes.

    ``verbose`` is for those who announce something: whether to say all of it.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.verbose = verbose
        self.live: Live | None = None
        self.bar: ProgressBar | None = None
        self.last = -math.inf

    def __enter__(self) -> "Screen":
        if in_notebook() and not self.console.quiet:
            self.bar = ProgressBar("training")
        elif self.console.is_terminal and not self.console.quiet:
            self.live = Live("", console=self.console, refresh_per_second=4)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
            self.live = None
        self.bar = None

    def say(self, text: str, style: str = "") -> None:
        """A lasting line."""
        self.console.print(text, style=style or None, markup=False)
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """A lasting line that begins with 'warning'."""
        self.say(f"warning: {text}", "yellow")

    def show(self, status: Status, due: bool = False) -> None:
        """The moving line; as plain lines every ten seconds, or when ``due``."""
        if self.bar:
            self.bar.show(status.line(), status.step, status.steps)
        else:
            self._move(status.line, due)

    def show_validation(self, step: int, done: int, total: int) -> None:
        """Show the progress of a validation in the live line; as plain lines every ten seconds."""
        if self.bar:
            self.bar.show(f"step {step}: validating {done}/{total} photos", done, total)
            return
        if done == 1:
            self.last = time.monotonic()
        self._move(lambda _=None: f"step {step}: validating {done}/{total} photos", False)

    def _move(self, line: Callable[..., str], due: bool) -> None:
        if self.live:
            width = max(self.console.width - 1, 20)
            self.live.update(Text(line(width), no_wrap=True, overflow="crop"))
        elif due or time.monotonic() - self.last > SECONDS:
            self.say(line())
            self.last = time.monotonic()
