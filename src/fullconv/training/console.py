"""What a training shows: one live line on a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fullconv.duration import duration


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

    def line(self) -> str:
        """All of them in one line."""
        loss = f"loss {self.per_pixel:.4f}/px"
        if abs(self.loss - self.per_pixel) > 1e-6 * abs(self.per_pixel):
            loss += f" (trained {self.loss:.5g})"
        parts = [
            f"step {self.step}/{self.steps}",
            f"epoch {self.epoch:.1f}",
            loss,
            f"lr {self.lr:.2e}",
            f"{self.images_per_second:.1f} img/s",
            f"left {duration(self.seconds_left)}",
            f"data wait {self.data_wait:.0%}",
            f"{self.memory_mib} MiB",
            self.validation,
        ]
        return " | ".join(part for part in parts if part)


class Screen:
    """Use as a context. Silent with ``quiet``, as on all but the first of several processes."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.live: Live | None = None
        self.last = 0.0

    def __enter__(self) -> "Screen":
        if self.console.is_terminal and not self.console.quiet:
            self.live = Live("", console=self.console, refresh_per_second=4)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str, style: str = "") -> None:
        """A lasting line."""
        self.console.print(text, style=style or None, markup=False)
        sys.stdout.flush()

    def show(self, status: Status, due: bool = False) -> None:
        """The moving line; as plain lines every ten seconds, or when ``due``."""
        if self.live:
            self.live.update(Text(status.line()))
        elif due or time.monotonic() - self.last > 10:
            self.say(status.line())
            self.last = time.monotonic()
