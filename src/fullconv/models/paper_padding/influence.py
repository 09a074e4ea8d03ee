"""Which part of a map a photo can change, and which part of it feels the map's border. Pure Python.

With 100 pixels of zeros around a photo, most windows near the border of a map see none of the
photo: what they say does not depend on it. What they say without any photo is the *blank response*.
It is the same at all pixels, but for two rims that feel the border, where the layers pad once more
and round their sizes. So along each axis a map has a reached part, between `start` and `stop`, and
two rims, `near` and `far`; both follow from the windows. Early in a net the two keep clear of each
other; late in it the photo reaches all.

One axis at a time, as in `fullconv.geometry`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from fullconv.geometry import Window

Windows = Sequence[Window]
"""The windows of one step, in order: of a convolution one, of a block those of its longest way."""


@dataclass(frozen=True)
class Axis:
    """One axis of a map of ``size`` pixels: ``start`` to ``stop`` depend on the photo.

    ``near`` pixels at the beginning and ``far`` at the end of the blank response feel the border;
    where there is no pixel between them, all are ``near``.
    """

    size: int
    start: int
    stop: int
    near: int = 0
    far: int = 0

    @property
    def whole(self) -> bool:
        """Whether the photo reaches all of it."""
        return self.start <= 0 and self.stop >= self.size

    @property
    def sampled(self) -> int:
        """Pixels that tell the blank response: the rims and one pixel for all between them."""
        return min(self.size, self.near + 1 + self.far)

    def through(self, windows: Windows) -> "Axis":
        """The same axis of the map behind a step."""
        axis = self
        for window in windows:
            axis = axis._behind(window)
        return axis

    def _behind(self, w: Window) -> "Axis":
        """A pixel o of the output has its taps at ``s o - p`` to ``s o - p + (k - 1) d``."""
        size = w.size(self.size)
        start = _up(self.start + w.pad - w.reach, w.stride)
        stop = (self.stop - 1 + w.pad) // w.stride + 1
        near = _up(self.near + w.pad, w.stride)
        far = size - _up(self.size - self.far + w.pad - w.reach, w.stride)
        if near + far >= size:
            near, far = size, 0
        return Axis(size, max(start, 0), min(stop, size), near, far)

    def wider(self, start: int, stop: int) -> "Axis":
        """The same, with all from ``start`` to ``stop`` taken for reached that lies in the map."""
        start, stop = max(min(start, self.start), 0), min(max(stop, self.stop), self.size)
        return replace(self, start=start, stop=stop)

    def sample(self, windows: Windows) -> "Axis":
        """The smallest axis with this one's rims whose way through a step gives all of its rims.

        It differs by a multiple of the step's stride, so sizes are rounded alike.
        """
        behind = self.through(windows)
        size = self.size - prod(w.stride for w in windows) * (behind.size - behind.sampled)
        return Axis(size, 0, size, self.near, self.far)


@dataclass(frozen=True)
class Cut:
    """The part of a map that a step reads, ``start`` to ``stop``; ``keep``: that of its output."""

    start: int
    stop: int
    keep: slice


def seen(windows: Windows, behind: Axis) -> tuple[int, int]:
    """First pixel that the reached part ``behind`` a step looks at, and the one after the last.

    Below 0 and above the size lie the step's own pads.
    """
    start, stop = behind.start, behind.stop
    for w in reversed(windows):
        start, stop = w.stride * start - w.pad, w.stride * (stop - 1) - w.pad + w.reach + 1
    return start, stop


def cut(windows: Windows, before: Axis, behind: Axis, bare: bool) -> Cut:
    """The pixels from which a step computes the reached part ``behind`` it.

    A ``bare`` step has lost its pads: it reads exactly what is seen, and all that it says is kept.
    Otherwise, as in `fullconv.tiling`, what it reads begins on its grid; at the border of the map
    it is padded as the map is, and where it is cut, outputs that look through the cut are dropped.
    """
    start, stop = seen(windows, behind)
    count = behind.stop - behind.start
    if bare:
        return Cut(start, stop, slice(0, count))
    stride = prod(w.stride for w in windows)
    index = max(start, 0) // stride
    first = behind.start - index
    return Cut(index * stride, min(stop, before.size), slice(first, first + count))


def _up(n: int, stride: int) -> int:
    """``n / stride``, rounded up."""
    return -(-n // stride)
