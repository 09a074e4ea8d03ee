"""A backbone's definition as data, and its geometry under each padding: no torch is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fullconv.errors import UserError
from fullconv.geometry import Map, Window, chain
from fullconv.models.preprocessing import Preprocessing
from fullconv.models.steps import Dropout, Step

if TYPE_CHECKING:
    from fullconv.models.backbones.backbone import Backbone

# `none` pads as the classifier did, fc6 not at all: for `explain`, which shows why it fails.
Padding = Literal["same", "paper", "none"]
PAPER_PAD = 100
PREFIX = "timm."  # of the names of third-party backbones


class MissingPackage(UserError):
    """A net needs a package that is not installed."""


@dataclass(frozen=True)
class Definition:
    """A classifier made convolutional, as the paper or the reference files define it.

    ``taps`` names, for each stride, the step whose output is scored there. ``dropped`` holds what
    the classifier had behind the last tap and the FCN leaves out. The pads are the classifier's.

    ``resizes_scores``: in `same` padding the scores are not placed where the coordinate map says
    but resized to the photo, because the published weights were trained so (`AlignedResize`).
    """

    name: str
    steps: tuple[Step, ...]
    taps: Mapping[int, str]
    preprocessing: Preprocessing
    source: str
    dropped: tuple[Window, ...] = ()
    resizes_scores: bool = False

    @property
    def coarsest(self) -> int:
        """The stride of the last map, 32 for the classifiers."""
        return max(self.taps)

    @property
    def least(self) -> int:
        """Images of fewer pixels a side are filled up to as many."""
        return 1

    @property
    def is_normalised(self) -> bool:
        """Whether batch norms stand behind its convolutions."""
        return any(step.is_normalised for step in self.steps)

    @property
    def has_batch_norms(self) -> bool:
        """Whether norms by the statistics of the batch stand behind its convolutions."""
        return self.is_normalised

    def begins_as(self, other: "Definition") -> bool:
        """Whether its first steps are all of ``other``'s, as VGG16's are its convolutions."""
        return self.steps[: len(other.steps)] == other.steps

    @property
    def is_depthwise(self) -> bool:
        """Whether convolutions that keep each channel for itself do most of the looking around."""
        windows = (window for step in self.steps for window in step.windows())
        return any(window.groups > 1 and window.groups == window.channels for window in windows)

    def padded(self, padding: Padding) -> "Definition":
        """The same net with the pads of a padding mode (`paper` or `same`: docs/nets.md)."""
        if padding == "none":
            return self
        if padding == "paper":
            first, *rest = self.steps
            return replace(self, steps=(first.repad(_hundred), *rest))
        return replace(self, steps=tuple(step.repad(same_pad) for step in self.steps))

    def widened(self, width: float) -> "Definition":
        """The same net with ``width`` times the channels in every layer."""
        return replace(self, steps=tuple(step.widen(width) for step in self.steps))

    def with_dropout(self, rate: float) -> "Definition":
        """The same net with another rate in its dropout steps."""
        steps = (replace(s, rate=rate) if isinstance(s, Dropout) else s for s in self.steps)
        return replace(self, steps=tuple(steps))

    def windows(self, stride: int | None = None) -> list[Window]:
        """The windows from the image to the tap of ``stride`` (the coarsest where not given)."""
        stride = stride or self.coarsest
        windows: list[Window] = []
        for step in self.steps:
            windows.extend(step.windows())
            if step.name == self.taps[stride]:
                return windows
        raise KeyError(f"{self.name} has no step {self.taps[stride]}")

    def map(self, stride: int | None = None) -> Map:
        """Where the pixels of the tap of ``stride`` lie in the image."""
        return chain(self.windows(stride))

    def has_global_field(self, stride: int | None = None) -> bool:
        """Whether each pixel of the tap of ``stride`` depends on the whole image of any size."""
        return False

    def build(self, in_channels: int, strides: tuple[int, ...]) -> "Backbone":
        """The module that gives the maps of these strides."""
        from fullconv.models.backbones.backbone import Backbone

        return Backbone(self, in_channels, strides)


def _hundred(window: Window) -> Window:
    return replace(window, pad=PAPER_PAD, pad_after=None)


def same_pad(window: Window) -> Window:
    """The window with the pad that keeps size (divided by the stride, rounded up).

    An even kernel has no symmetric pad that keeps the size: a pooling by 2 takes none and rounds
    up, a convolution (CaffeNet's fc6, kernel 6) takes the next larger one and grows by a pixel,
    which the coordinate map accounts for. Pads that differ before and behind keep the size already
    (`geometry.tensorflow_same`).
    """
    if window.pad_after is not None:
        return window
    if window.kernel % 2:
        return replace(window, pad=window.reach // 2, ceil=False)
    if window.kernel == window.stride:
        return replace(window, pad=0, ceil=True)
    return replace(window, pad=(window.reach + 1) // 2)
