"""What a net can be shown of a scene: colour, depth, HHA, near infrared.

An input text names the kinds: ``+`` puts several into one stream of the net, as more channels
(early fusion: ``color+depth``), a comma between texts gives each its own stream (late fusion:
``color,hha``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fullconv.errors import UserError

COLOR = "color"


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


def streams_of(inputs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The kinds of each stream: ('color+depth', 'hha') to (('color', 'depth'), ('hha',)).

    Raises UserError for a kind that is unknown or named twice, and where colour is not the first.
    """
    streams = tuple(tuple(part.strip() for part in text.split("+")) for text in inputs)
    kinds = [kind for stream in streams for kind in stream]
    if not kinds:
        raise UserError("inputs: name at least one of " + ", ".join(KINDS))
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"inputs: {kind!r} is unknown; there are {', '.join(KINDS)}")
        if kinds.count(kind) > 1:
            raise UserError(f"inputs: {kind!r} is named twice")
    if COLOR in kinds and kinds[0] != COLOR:
        raise UserError("inputs: color comes first, as in color,hha")
    return streams


def kinds_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """All kinds in order, whatever stream they are in."""
    return tuple(kind for stream in streams_of(inputs) for kind in stream)


def channels_of(kinds: Sequence[str]) -> int:
    """How many channels the kinds have together."""
    return sum(KINDS[kind].channels for kind in kinds)
