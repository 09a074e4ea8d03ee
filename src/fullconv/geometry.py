"""Where things are: coordinate maps, receptive fields, crops, pads, upsampling. Pure Python.

Coordinates are pixel centres, zero-based, one axis at a time. A layer maps a coordinate ``o`` of
its output to the coordinate ``scale * o + offset`` of its input; a chain of layers is the
composition, held in exact fractions. Everything that other FCN code writes down as a magic number
(19, 5, 9, 27, 31, kernel 64) follows from that one line of algebra.

Notation: k kernel, s stride, p pad, d dilation, f upsampling factor, n a size in pixels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

from fullconv.errors import UserError


class GeometryError(UserError):
    """Two maps that cannot be aligned, or a size that a net cannot take."""

    def __init__(self, message: str, code: str = "FC-NET-006") -> None:
        super().__init__(message, code)


@dataclass(frozen=True)
class Map:
    """The affine map ``input = scale * output + offset``, exact.

    ``Map(32, Fraction(31, 2))`` says: score pixel i looks at image coordinate 32 i + 15.5.
    """

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def then(self, after: "Map") -> "Map":
        """The map of a layer ``after`` put behind the layers of this map."""
        return Map(self.scale * after.scale, self.scale * after.offset + self.offset)

    def __call__(self, output: int | Fraction) -> Fraction:
        return self.scale * output + self.offset

    def __str__(self) -> str:
        return f"{show(self.scale)} i {'-' if self.offset < 0 else '+'} {show(abs(self.offset))}"


def show(value: Fraction) -> str:
    """A fraction as people write it: 15.5, -67, 1/3."""
    return f"{float(value):g}" if 1000 % value.denominator == 0 else str(value)


@dataclass(frozen=True)
class Window:
    """A layer that slides a window: a convolution or a pooling.

    ``pad`` is the pad before the first pixel; behind the last one lie ``pad_after`` pixels, as
    many where that is None. ``ceil`` rounds the output size up, as Caffe's pooling does (a
    convolution rounds down). ``channels`` is the count of output channels; None keeps the input's
    (pooling).
    """

    name: str
    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    ceil: bool = False
    channels: int | None = None
    groups: int = 1
    pad_after: int | None = None

    @property
    def pads(self) -> tuple[int, int]:
        """The pads before the first pixel and behind the last."""
        return self.pad, self.pad if self.pad_after is None else self.pad_after

    @property
    def reach(self) -> int:
        """Pixels from the first to the last tap, less one: (k - 1) d."""
        return (self.kernel - 1) * self.dilation

    def map(self) -> Map:
        """``i = s o + (k - 1) d / 2 - p``."""
        return Map(Fraction(self.stride), Fraction(self.reach, 2) - self.pad)

    def size(self, n: int) -> int:
        """Output size for an input of ``n`` pixels; 0 or less when the window does not fit."""
        room = n + sum(self.pads) - self.reach - 1
        if not self.ceil:
            return room // self.stride + 1
        size = -(-room // self.stride) + 1
        # A last window must begin inside the input or its left pad, as in Caffe and PyTorch.
        return size - 1 if (size - 1) * self.stride >= n + self.pad else size


@dataclass(frozen=True)
class Filled(Window):
    """Rows added behind the last one until their number is a multiple, and not under ``least``.

    A window of one pixel.
    """

    kernel: int = 1
    multiple: int = 1
    least: int = 1

    def size(self, n: int) -> int:
        """``n`` rounded up."""
        # Of numbers that are not negative: an exported graph divides towards zero.
        return (max(n, self.least) + self.multiple - 1) // self.multiple * self.multiple


def tensorflow_same(name: str, kernel: int, stride: int = 1, **options: Any) -> Window:
    """A window with TensorFlow's SAME padding: ``n`` pixels give ``n / stride``, rounded up.

    TensorFlow adds the fewest pixels that do, ``max(k - s, 0)`` where n is a multiple of s, and
    the smaller half of them before. For another n it shifts by a pixel; a map that holds for every
    size must not, so what lies before is always what a multiple of s has, and behind it is enough
    for every n (rows that no window reaches are not looked at).
    """
    before = max(kernel - stride, 0) // 2
    return Window(name, kernel, stride, before, pad_after=kernel - 1 - before, **options)


@dataclass(frozen=True)
class Deconv:
    """A transposed convolution; its output coordinate is ``o = s i + (k - 1)/2 - p``."""

    name: str
    kernel: int
    stride: int
    pad: int = 0

    def map(self) -> Map:
        """The same, solved for the input: ``i = (o + p - (k - 1)/2) / s``."""
        step = Fraction(1, self.stride)
        return Map(step, step * (self.pad - Fraction(self.kernel - 1, 2)))

    def size(self, n: int) -> int:
        """Output size for an input of ``n`` pixels."""
        return self.stride * (n - 1) + self.kernel - 2 * self.pad


Layer = Window | Deconv


def chain(layers: Iterable[Layer], start: Map | None = None) -> Map:
    """The map from the last layer's output to the first one's input."""
    total = start or Map()
    for layer in layers:
        total = total.then(layer.map())
    return total


def size_after(layers: Iterable[Layer], n: int) -> int:
    """Output size of a chain for ``n`` pixels; GeometryError when a window has no room."""
    for layer in layers:
        before, n = n, layer.size(n)
        if n < 1:
            raise GeometryError(
                f"layer {layer.name}: kernel {layer.kernel} does not fit into {before} pixels; "
                "use a larger image, or padding 'same'"
            )
    return n


def receptive_field(layers: Iterable[Window]) -> int:
    """Pixels of the input, along one axis, that one output pixel sees."""
    field, jump = 1, 1
    for layer in layers:
        field += layer.reach * jump
        jump *= layer.stride
    return field


def crop(coarse: Map, fine: Map) -> int:
    """The index in ``coarse`` where index 0 of ``fine`` lies: what to cut off to align it.

    Both maps lead to the same image and have the same scale. GeometryError when the scales differ
    or the difference of offsets is not a whole number of pixels.
    """
    if coarse.scale != fine.scale:
        raise GeometryError(f"maps of unequal scale cannot be cropped: {coarse} and {fine}")
    shift = (fine.offset - coarse.offset) / coarse.scale
    if shift.denominator != 1:
        raise GeometryError(f"the crop between {coarse} and {fine} is {shift}, not a whole number")
    return int(shift)


@dataclass(frozen=True)
class Placement:
    """How a coarse map lies on a finer one: coarse pixel i sits at fine coordinate f i + shift.

    ``shift`` is a whole number (kernel 2f - 1) or a half (kernel 2f); no other has an exact tent
    of equal weights for every pixel.
    """

    factor: int
    shift: Fraction

    @property
    def nested(self) -> bool:
        """Every coarse pixel lies exactly on a fine pixel."""
        return self.shift.denominator == 1

    @property
    def kernel(self) -> int:
        """Kernel of the exactly bilinear transposed convolution: 2f - 1 or 2f."""
        return 2 * self.factor - (1 if self.nested else 0)

    def deconv(self, name: str = "upscore", pad: int = 0) -> Deconv:
        """The transposed convolution of this placement, before its crop."""
        return Deconv(name, self.kernel, self.factor, pad)

    @property
    def crop(self) -> int:
        """Where fine pixel 0 lies in the output of the unpadded ``deconv()``."""
        return int(Fraction(self.kernel - 1, 2) - self.shift)

    @property
    def first(self) -> int:
        """The first coarse index whose tent reaches fine pixel 0; negative before the map."""
        return floor(-self.shift / self.factor)

    def beyond(self, fine: int, coarse: int) -> int:
        """Coarse pixels that ``fine`` pixels need behind the last of ``coarse``; below 0: spare."""
        return ceil((fine - 1 - self.shift) / self.factor) + 1 - coarse


def place(coarse: Map, fine: Map) -> Placement:
    """How the map ``coarse`` lies on ``fine``; both lead to the same image.

    GeometryError unless the factor is whole and the shift a multiple of a half.
    """
    factor = coarse.scale / fine.scale
    shift = (coarse.offset - fine.offset) / fine.scale
    if factor.denominator != 1 or factor < 1 or shift.denominator > 2:
        raise GeometryError(f"no bilinear upsampling takes {coarse} exactly onto {fine}")
    return Placement(int(factor), shift)


def centred_upsampling(factor: int) -> Deconv:
    """Kernel, stride and pad that upsample n pixels to f n, exactly bilinear and centred.

    Kernel 2f - f mod 2, stride f, pad ceil((f - 1) / 2); Caffe's ``bilinear`` filler expects these.
    """
    return Deconv("upscore", 2 * factor - factor % 2, factor, ceil((factor - 1) / 2))


def tent(kernel: int) -> list[Fraction]:
    """The weights of one axis of the bilinear kernel: ``1 - |j - centre| / f``, exact.

    For ``kernel`` 2f or 2f - 1; the weights that meet on any one output pixel add up to 1.
    """
    factor = (kernel + 1) // 2
    centre = Fraction(kernel - 1, 2)
    return [1 - abs(j - centre) / factor for j in range(kernel)]


def minimal_pad(layers: list[Window], smallest: int = 1) -> int:
    """The least pad at the first layer with which an image of ``smallest`` pixels gives an output.

    The reference nets round this up to 100: fc6 is not padded, so without it a small image leaves
    no score at all.
    """
    first, *rest = layers
    pad = 0
    while not _fits([replace(first, pad=pad, pad_after=None), *rest], smallest):
        pad += 1
    return pad


def _fits(layers: list[Window], n: int) -> bool:
    try:
        return size_after(layers, n) >= 1
    except GeometryError:
        return False


def sizes(layers: Iterable[Layer], n: int) -> Iterator[tuple[Layer, int]]:
    """Each layer with its output size, for an input of ``n`` pixels."""
    for layer in layers:
        n = size_after([layer], n)
        yield layer, n
