"""The inputs that a net can have, and how a photo's file is read for them.

An input text names the kinds: ``+`` puts several into one stream of the net, as more channels
(early fusion: ``color+depth``), a comma between texts gives each its own stream (late fusion:
``color,hha``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from fullconv.errors import UserError

COLOR = "color"
MAX_MEGAPIXELS = 100.0
"""The largest photo that is decoded whole, unless ``max_megapixels`` says otherwise."""
_BANDS = re.compile(r"bands([1-9]\d{0,3})")


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    ``channels`` of an array (H, W, channels); ``mean`` and ``std`` of each channel over typical
    data, in the array's units; ``what`` the file holds.
    """

    name: str
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    what: str


# Means of depth and HHA: nyud_layers.py and */net.py of shelhamer/fcn.berkeleyvision.org. The
# deviations are round numbers, for nets that scale their input (torchvision's); Caffe's do not.
KINDS = {
    kind.name: kind
    for kind in (
        Kind(COLOR, 3, (123.0, 117.0, 104.0), (58.0, 57.0, 57.0), "a photo"),
        Kind("depth", 1, (7.844,), (0.5,), "16-bit grey, distance in millimetres; its logarithm"),
        Kind(
            "hha",
            3,
            (132.431, 94.076, 118.477),
            (50.0, 50.0, 50.0),
            "8-bit RGB: horizontal disparity, height above ground, angle with gravity",
        ),
        Kind("nir", 1, (118.0,), (58.0,), "8-bit grey, near infrared"),
    )
}


def kind_named(name: str) -> Kind:
    """One of ``KINDS``, or ``bandsN``: N bands of the photo's own file (`ReadOptions.bands`).

    Raises UserError for any other name.
    """
    if name in KINDS:
        return KINDS[name]
    if match := _BANDS.fullmatch(name):
        count = int(match[1])
        usual = KINDS["nir"]
        return Kind(name, count, usual.mean * count, usual.std * count, f"{count} bands")
    raise UserError(f"inputs: {name!r} is unknown; there are {', '.join(KINDS)}", "FC-DATA-001")


def is_of_photo(kind: str) -> bool:
    """Whether an input is read from the photo's own file: its colors, or its bands."""
    return kind == COLOR or _BANDS.fullmatch(kind) is not None


def streams_of(inputs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The kinds of each stream: ('color+depth', 'hha') to (('color', 'depth'), ('hha',)).

    Raises UserError for a kind that is unknown or named twice, and where the photo's own kinds are
    not the first.
    """
    streams = tuple(tuple(part.strip() for part in text.split("+")) for text in inputs)
    kinds = [kind for stream in streams for kind in stream]
    if not kinds:
        raise UserError("inputs: name at least one of " + ", ".join(KINDS), "FC-DATA-001")
    for kind in kinds:
        kind_named(kind)
        if kinds.count(kind) > 1:
            raise UserError(f"inputs: {kind!r} is named twice", "FC-DATA-001")
    own = [kind for kind in kinds if is_of_photo(kind)]
    if own != kinds[: len(own)] or COLOR in own[1:] or len(own) - (COLOR in own) > 1:
        raise UserError("inputs: color comes first, as in color,hha", "FC-DATA-001")
    return streams


def kinds_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """All kinds in order, whatever stream they are in."""
    return tuple(kind for stream in streams_of(inputs) for kind in stream)


def channels_of(kinds: Sequence[str]) -> int:
    """How many channels the kinds have together."""
    return sum(kind_named(kind).channels for kind in kinds)


def with_bands(inputs: Sequence[str], bands: Sequence[int] | None) -> tuple[str, ...]:
    """The ``inputs`` of a net that is shown these ``bands`` of each photo.

    One band is grey and three are colors, both the kind `color`; of four and more the first three
    are the kind `color` and the others `bandsN`, in the same stream; two are `bands2`.
    """
    count = 3 if bands is None else len(bands)
    if count in (1, 3) or any(_BANDS.fullmatch(kind) for kind in kinds_of(inputs)):
        return tuple(inputs)
    shown = "bands2" if count == 2 else f"{COLOR}+bands{count - 3}"
    streams = streams_of(inputs)
    return tuple(
        "+".join(shown if kind == COLOR else kind for kind in stream) for stream in streams
    )


def kinds_of_channels(count: int) -> tuple[str, ...]:
    """The kinds of an array of a photo: of 4 channels ('color', 'bands1'), of 2 ('bands2')."""
    return kinds_of(with_bands((COLOR,), tuple(range(1, count + 1))))


@dataclass(frozen=True)
class ReadOptions:
    """How the values in a photo's file are read; a property of the data, not of one file.

    ``bands`` are the numbers, from 1, of the bands that are shown, in order: one (grey), three
    (red, green, blue) or any other number; None: what the file says. ``range`` are the values that
    become 0 and 255, one pair for all bands or one pair a band (low, high, low, high, ...); None:
    the values are of 8 bits. ``mask`` is the number of a band that is 0
    where the file has no pixel. Photos of more than ``max_megapixels`` are refused. Raises
    UserError for values that make no sense.
    """

    bands: tuple[int, ...] | None = None
    range: tuple[float, ...] | None = None
    mask: int | None = None
    max_megapixels: float = MAX_MEGAPIXELS

    def __post_init__(self) -> None:
        if self.bands is not None and (not self.bands or min(self.bands) < 1):
            numbers = ",".join(map(str, self.bands))
            raise UserError(
                f"bands {numbers}: these are numbers of bands, from 1, as 3,2,1", "FC-RASTER-001"
            )
        if self.range is not None:
            _check_range(self.range, self.bands)
        if not self.max_megapixels > 0:
            raise UserError(
                f"max_megapixels {self.max_megapixels:g}: must be above 0", "FC-DATA-004"
            )

    @property
    def channels(self) -> int:
        """Channels of a photo that is read so; one band is shown as three equal ones."""
        return 3 if self.bands is None or len(self.bands) == 1 else len(self.bands)

    def over(self, other: "ReadOptions") -> "ReadOptions":
        """These, and from ``other`` what they leave open."""
        return replace(
            self,
            bands=self.bands if self.bands is not None else other.bands,
            range=self.range if self.range is not None else other.range,
            mask=self.mask if self.bands is not None else other.mask,
        )

    def for_channels(self, channels: int) -> "ReadOptions":
        """The same for a net of so many channels: one band more than these is the mask.

        Raises UserError where the bands are of another number.
        """
        if self.channels == channels:
            return self
        if self.bands is None:
            raise UserError(
                f"the net takes {channels} bands of each photo: name them, as --bands "
                + ",".join(map(str, range(1, channels + 1))),
                "FC-RASTER-001",
            )
        if len(self.bands) == channels + 1:
            return replace(self, bands=self.bands[:-1], mask=self.bands[-1])
        numbers = ",".join(map(str, self.bands))
        wanted = "one (grey) or three" if channels == 3 else str(channels)
        raise UserError(
            f"bands {numbers}: the net is shown {wanted} of each photo; one more would be the mask "
            "of valid pixels",
            "FC-RASTER-001",
        )


def option_words(options: ReadOptions) -> list[str]:
    """The words of a command line that say ``options``; none for what is as usual."""
    words: list[str] = []
    for name in ("bands", "range"):
        if value := getattr(options, name):
            words += [f"--{name}", ",".join(f"{number:g}" for number in value)]
    if options.max_megapixels != MAX_MEGAPIXELS:
        words += ["--max-megapixels", f"{options.max_megapixels:g}"]
    return words


def _check_range(span: tuple[float, ...], bands: tuple[int, ...] | None) -> None:
    """UserError unless ``span`` is one pair of values, or one for each of the ``bands``."""
    shown = ",".join(f"{value:g}" for value in span[:12])
    pairs = list(zip(span[::2], span[1::2], strict=False))
    if (
        len(span) % 2
        or not pairs
        or not all(isfinite(a) and isfinite(b) and a < b for a, b in pairs)
    ):
        raise UserError(
            f"range {shown}: the first value is what becomes black, the second, larger one white, "
            "as 0,4000; or such a pair for each band, as 0,4000,0,9000,...",
            "FC-RASTER-002",
        )
    if bands is not None and len(pairs) not in (1, len(bands), len(bands) - 1):
        raise UserError(
            f"range {shown}: has {len(pairs)} pairs for {len(bands)} bands: give one pair for all, "
            "or one for each",
            "FC-RASTER-002",
        )


AS_STORED = ReadOptions()
"""8-bit photos, whose files say which bands are red, green and blue."""
