"""The arrays of a file of another framework, and how they become this project's.

A reader (`caffe`, ...) only takes a file apart, into a `ForeignFile`. A `Lineage` is a published
net in one format as data: which of its arrays becomes which of ours. `transplant` puts the two
together. No reader executes anything from a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fullconv.modalities import COLOR, channels_of, streams_of
from fullconv.models import NetSpec, Preprocessing
from fullconv.models.backbones.definition import Padding
from fullconv.models.registry import coarsest_net

Array = npt.NDArray[np.float32]
Format = Literal["Caffe", "Chainer", "PyTorch", "Keras"]
Shape = tuple[int, ...]
Turn = Callable[[Array, Shape], Array]
"""Turns a foreign array into one of the wanted shape; ValueError says why it cannot."""


@dataclass(frozen=True, eq=False, repr=False)
class ForeignFile:
    """The arrays of a foreign file, float32, by the names that they have there.

    ``left_out`` names what the reader did not take, with the reason (a trainer's counters, an
    optimizer's state). Where the format says it: ``layers``, the names of all layers in the order
    in which they run, ``trained_on``, the file's own words about the data, ``padding``, the one
    that the net was trained with, ``at_once``, that it is an at-once net (Caffe's files have the
    constants themselves), and ``preprocessing``, where it is another than the lineage's.
    """

    path: Path
    format: Format
    arrays: Mapping[str, Array]
    left_out: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    trained_on: str = ""
    padding: Padding | None = None
    at_once: bool = False
    preprocessing: Preprocessing | None = None

    def __repr__(self) -> str:
        return f"ForeignFile({self.path}, {self.format}, {len(self.arrays)} arrays)"


@dataclass(frozen=True)
class Origin:
    """The foreign array that one of our arrays comes from, and how it is turned."""

    name: str
    turn: Turn


@dataclass(frozen=True)
class Lineage:
    """One published net in one format.

    ``origins`` has the source of every array of our backbone (names as in its state dict, without
    ``backbone.``). ``scores`` gives, for a stride, the names that its score layer may have there;
    ``upscores`` those of the deconvolutions. ``array`` makes the name of a layer's array from the
    layer and 'weight' or 'bias'. ``not_needed`` gives reasons for arrays that have no place here,
    by the beginning of their names. ``padding`` is the one that its FCNs were trained with.

    For nets that arrays alone do not tell apart, ``order`` names layers in the order in which they
    run. ``outputs`` gives, for a net with several outputs, the ending that each one's score layers
    have there. ``inputs`` are what it sees (`fullconv.modalities`); ``streams`` the endings of the
    score layers of each stream, whose scores are averaged. ``unsupported`` names arrays of nets
    that are known and cannot be taken over, with the reason.

    ``required`` names arrays besides the backbone's that the file must have to be this net.
    ``is_part`` says that the backbone is a part of other nets' (VGG16 without fc6 and fc7): the
    file must then hold nothing else but what ``not_needed`` names, so that a file of those nets
    which has lost arrays is not taken for it. ``deconvolutions`` names, for the stride of a score,
    the layer that upsamples it by a kernel that mixes the classes (`NetSpec.is_deconv`).
    ``warning`` is what a user of the net must know and the file cannot tell.
    """

    title: str
    format: Format
    backbone: str
    preprocessing: Preprocessing
    origins: Mapping[str, Origin]
    scores: Mapping[int, tuple[str, ...]]
    upscores: tuple[str, ...]
    array: Callable[[str, str], str]
    turn: Turn
    not_needed: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = (COLOR,)
    streams: tuple[str, ...] = ("",)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    padding: Padding = "paper"
    required: tuple[str, ...] = ()
    is_part: bool = False
    deconvolutions: Mapping[int, str] = field(default_factory=dict)
    warning: str = ""

    @property
    def channels(self) -> tuple[int, ...]:
        """Input channels of each stream, as a NetSpec has them."""
        return tuple(channels_of(kinds) for kinds in streams_of(self.inputs))

    def coarsest(self, width: float = 1.0) -> NetSpec:
        """The net that scores only the coarsest map, of any two classes: for its backbone."""
        return NetSpec(coarsest_net(self.backbone), 2, streams=self.channels, width=width)


def unchanged(array: Array, shape: Shape) -> Array:
    """``array`` itself; ValueError where it has another shape."""
    if array.shape != shape:
        raise ValueError(f"{array.shape} there, {shape} here")
    return array


def as_convolution(array: Array, shape: Shape) -> Array:
    """``array`` as a kernel or bias of ``shape``.

    Leading dimensions of 1 are dropped (old Caffe files store all arrays with four). The matrix of
    a fully connected layer, O x (C*H*W), becomes the convolution O,C,H,W that computes the same.
    """
    dimensions = array.shape
    while len(dimensions) > 1 and dimensions[0] == 1 and dimensions != shape:
        dimensions = dimensions[1:]
    matrix = (shape[0], int(np.prod(shape[1:])))
    if dimensions in (shape, matrix):
        return array.reshape(shape)
    raise ValueError(f"{array.shape} there, {shape} here")
