"""The fully convolutional network: one class for every head, driven by the strides it scores.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation (CVPR 2015; PAMI
2016, arXiv 1605.06211). N batch, C channels, K classes, H and W pixels; stride s: one pixel of a
map stands for s pixels of the image.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial

from torch import Tensor, nn

from fullconv.errors import UserError
from fullconv.geometry import Map, Placement, Window, place, size_after
from fullconv.models.backbones.backbone import Backbone, Streams
from fullconv.models.backbones.definition import Definition
from fullconv.models.cpu_kernels.convolutions import Conv2d
from fullconv.models.fpn import BLEND, Pyramid
from fullconv.models.spec import NetSpec
from fullconv.models.upsample import AlignedResize, Edge, Upsampling
from fullconv.tiling import Scored, TileGeometry


class FCN(nn.Module):
    """Scores a photo at several strides, fuses the scores, and upsamples them to the photo's size.

    Input: float N,C,H,W, preprocessed (`Preprocessing`), of any H and W from 1. Output: scores
    N,K,H,W, before any softmax; several outputs are parts of the K channels (`ClassSet.joint`).

    Two ways to fuse. Upsampling the coarse score to the next finer grid and adding there is the
    paper's. It equals upsampling each score to the image by itself and adding there if all grids
    begin at the same pixel (the ResNets, shift 0). Where coarse pixels lie between fine ones
    (VGG16), the two differ at the kinks of the tent, and a net with a new, zero skip would not
    repeat the net that it starts from. So `same` padding then adds at the image, and `paper`
    padding, which exists to repeat the original, adds on the way as the original does.

    The heads `fpn8s`, `fpn4s` and `fpn2s` fuse features instead, and score the finest
    (`models.fpn`). The head `fcn8s-deconv` brings each coarser score to the finest scored grid at
    once and adds there, by deconvolutions that mix the classes (`NetSpec.is_deconv`), as some
    published nets do.
    """

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.spec = spec
        definition = spec.definition
        self.backbone: Backbone | Streams = (
            definition.build(spec.in_channels, spec.tapped)
            if len(spec.streams) == 1
            else Streams(definition, spec.streams, spec.tapped)
        )
        channels = {stride: self.backbone.channels[stride] for stride in spec.tapped}
        self.pyramid: Pyramid | None = None
        if spec.is_pyramid:
            self.pyramid = Pyramid(channels, spec.pyramid_channels, partial(_lift, spec))
            channels = spec.pyramid_channels
        self.score: nn.ModuleDict = nn.ModuleDict(
            {str(s): Conv2d(channels[s], spec.classes, 1) for s in spec.strides}
        )
        for layer in self.score.values():
            zero(layer)
        self.fuses_on_the_way: bool = placements_of(spec)[0]
        self.upscore: nn.ModuleDict = upscores_of(spec)

    def forward(self, images: Tensor) -> Tensor:
        """N,C,H,W to scores N,K,H,W."""
        return self.upsampled(self.maps(images), (images.shape[-2], images.shape[-1]))

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """The maps whose upsamplings are added at the image: {stride: N,K,h,w}.

        Those of all scores, or the finest alone, into which the coarser ones are fused on the way.
        """
        return self.fused(self.scores(images))

    def fused(self, scores: dict[int, Tensor]) -> dict[int, Tensor]:
        """The ``maps`` of the scores of all strides."""
        if not self.fuses_on_the_way:
            return scores
        strides = list(scores)
        if self.spec.is_deconv:
            return self._deconvolved(scores)
        fused = scores[strides[0]]
        for coarse, fine in itertools.pairwise(strides):
            finer = scores[fine]
            fused = finer + self.upscore[str(coarse)](fused, finer.shape[-2:])  # N,K,H/fine,W/fine
        return {strides[-1]: fused}  # as `mapped` says

    def _deconvolved(self, scores: dict[int, Tensor]) -> dict[int, Tensor]:
        """The sum of all scores at the finest scored grid: {stride: N,K,h,w}."""
        *coarser, finest = scores
        fused = scores[finest]
        for stride in coarser:
            fused = fused + self.upscore[str(stride)](scores[stride], fused.shape[-2:])
        return {finest: fused}

    def upsampled(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """The sum of the ``maps`` at the image: N,K,*size."""
        return upsampled(self.upscore, maps, size)

    def scores(self, images: Tensor) -> dict[int, Tensor]:
        """The score map of each stride, coarsest first: {stride: N,K,h,w}."""
        return self.scored(self.backbone(images))

    def scored(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """The ``scores`` of the backbone's feature maps."""
        if self.pyramid is not None:
            features = self.pyramid(features)
        scales = self.spec.scales
        return {
            stride: self.score[str(stride)](_times(features[stride], scales[stride]))
            for stride in self.spec.strides
        }

    def recompute(self, segments: int) -> int:
        """Activation checkpointing of the backbone's first ``segments`` (all if fewer).

        They are computed again in the backward pass, with the same result. Returns how many.
        """
        backbones = [m for m in self.backbone.modules() if isinstance(m, Backbone)]
        for backbone in backbones:
            backbone.recomputed = min(segments, len(backbone.segments))
        return backbones[0].recomputed

    def use_cpu_kernels(self, allowed: bool) -> None:
        """Whether convolutions may train by other ways than torch's, where those are faster."""
        for module in self.modules():
            if isinstance(module, Conv2d):
                module.use_cpu_kernels = allowed

    def score_modules(self) -> dict[str, nn.Module]:
        """The layers that depend on the classes, by their name in the state dict."""
        return {f"score.{stride}": layer for stride, layer in self.score.items()}


def placements_of(spec: NetSpec) -> tuple[bool, dict[int, Placement]]:
    """Whether scores are fused on the way, and how each stride's score is then placed.

    On the way: on the next finer scored map, the finest on the image; by deconvolutions that mix
    the classes each on the finest. Otherwise all on the image.
    """
    definition = spec.definition
    maps = {stride: definition.map(stride) for stride in spec.strides}
    if spec.is_deconv:
        *coarser, finest = spec.strides
        placed = {stride: place(maps[stride], maps[finest]) for stride in coarser}
        return True, {**placed, finest: place(maps[finest], Map())}
    begin_together = len({map_.offset for map_ in maps.values()} | {0}) == 1
    if spec.padding == "paper" or begin_together:
        return True, _chained(definition, spec.strides)
    return False, {stride: place(map_, Map()) for stride, map_ in maps.items()}


def _chained(definition: Definition, strides: tuple[int, ...]) -> dict[int, Placement]:
    """How each stride's map lies on the next finer one, and the finest on the image."""
    maps = [definition.map(stride) for stride in strides]
    pairs = zip(strides, itertools.pairwise([*maps, Map()]), strict=True)
    return {stride: place(*pair) for stride, pair in pairs}


def mapped(spec: NetSpec) -> tuple[int, ...]:
    """The strides of `FCN.maps`: those whose maps are upsampled to the image."""
    fuses_on_the_way, _ = placements_of(spec)
    return spec.strides[-1:] if fuses_on_the_way else spec.strides


def upscores_of(spec: NetSpec) -> nn.ModuleDict:
    """The upsampling of each stride's map; parameters are in it only where the kernels learn."""
    _, placements = placements_of(spec)
    return nn.ModuleDict({str(s): _upsampling(spec, s, p) for s, p in placements.items()})


def upsampled(upscore: nn.ModuleDict, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
    """The sum of maps {stride: N,K,h,w}, each upsampled by its module of ``upscore``: N,K,*size."""
    total = None
    for stride, score in maps.items():
        part = upscore[str(stride)](score, size)  # N,K,*size
        total = part if total is None else total + part
    assert total is not None
    return total


def tile_geometry(spec: NetSpec) -> TileGeometry:
    """Where scores come from, for cutting an image into tiles (`fullconv.tiling`)."""
    definition = spec.definition
    fuses_on_the_way, placements = placements_of(spec)
    blend: tuple[Window, ...] = ()
    if spec.is_pyramid:
        fuses_on_the_way, placements = True, _chained(definition, spec.tapped)
        blend = (BLEND,)
    if spec.resizes_scores:  # what `AlignedResize` does at sizes that are multiples of the stride
        placements = {s: Placement(s, Fraction(s - 1, 2)) for s in placements}
    scored = [
        Scored(tuple(definition.windows(s)), placed, blend) for s, placed in placements.items()
    ]
    has_global_field = any(definition.has_global_field(stride) for stride in placements)
    return TileGeometry(
        spec.name,
        tuple(scored),
        fuses_on_the_way,
        spec.resizes_scores,
        spec.is_deconv,
        has_global_field,
    )


def _lift(spec: NetSpec, stride: int) -> nn.Module:
    """The upsampling of a pyramid's map of ``stride`` to the next finer one."""
    placement = _chained(spec.definition, spec.tapped)[stride]
    finer = spec.pyramid_channels[stride // placement.factor]
    return _upsampling(replace(spec, classes=finer), stride, placement)


def _upsampling(spec: NetSpec, stride: int, placement: Placement) -> nn.Module:
    if spec.resizes_scores:
        return AlignedResize()
    edge: Edge = "zero" if spec.padding == "paper" or spec.is_deconv else "replicate"
    # Without pads a small image has no score at all, so not all sizes can be asked.
    after = None if spec.padding == "none" else most_beyond(spec, stride, placement)
    return Upsampling(
        placement, spec.classes, edge, spec.learn_upsampling, after, dense=spec.is_deconv
    )


def most_beyond(spec: NetSpec, stride: int, placement: Placement) -> int:
    """The most pixels that any image needs behind the last one of the map of ``stride``.

    The sizes of all maps grow by whole numbers when the image grows by the coarsest stride, so the
    images of one period are all that there are.
    """
    definition = spec.definition
    fine = definition.windows(stride // placement.factor) if placement.factor < stride else []
    coarse = definition.windows(stride)
    return max(
        placement.beyond(size_after(fine, n), size_after(coarse, n))
        for n in range(definition.least, definition.least + definition.coarsest)
    )


def zero(layer: nn.Module) -> None:
    """Set a score layer to zero, as the paper starts it."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _times(x: Tensor, scale: float) -> Tensor:
    return x if scale == 1.0 else x * scale


def build(spec: NetSpec) -> FCN:
    """The net of a spec with fresh weights (He-initialised, scores zero; seed torch before)."""
    if spec.padding == "none":
        raise UserError(
            "padding 'none' loses the border of the image: build with 'same' or 'paper'",
            "FC-NET-003",
        )
    return FCN(spec)
