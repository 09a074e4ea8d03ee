"""How many may be inside at a time; who comes later is sent away, not kept waiting."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from fullconv.serve.request_errors import busy

LONGEST = 60  # seconds that anybody is told to stay away


class Seats:
    """At most ``number`` requests at a time. To be used from the event loop alone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = 0
        self.seconds = 1.0
        """How long a request keeps its seat, on average over the last ones."""

    @property
    def full(self) -> bool:
        """Whether the next one would be sent away."""
        return self.taken >= self.number

    @property
    def wait(self) -> int:
        """Seconds after which a seat is likely to be free."""
        return min(LONGEST, max(1, math.ceil(self.seconds)))

    @contextmanager
    def seat(self) -> Iterator[None]:
        """One seat for the block; Refusal (503) where none is free."""
        if self.full:
            raise busy(self.wait)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    def note(self, seconds: float) -> None:
        """Remember how long one took."""
        self.seconds += (seconds - self.seconds) / 8
