"""ResNets with batch norm (He et al. 2016), as classifiers have them and dilated.

The plain ones are backbones to train from scratch or to fine-tune. The dilated ones are those of
torchvision's fcn_resnet50 and fcn_resnet101: the strides of the last two stages are replaced with
dilation, so that the last map has stride 8, and a 3x3 convolution to a quarter of the channels
stands before the score. They have but that one map, and their scores are resized to the photo.
"""

from fullconv.geometry import Window
from fullconv.models.backbones.definition import Definition
from fullconv.models.preprocessing import TORCH
from fullconv.models.steps import Conv, Dropout, Pool, Residual, Step

Counts = tuple[int, int, int, int]
DEEPEST_STRIDE = 8  # of the dilated ones


def _stem() -> list[Step]:
    return [
        Conv.of(Window("conv1", 7, 2, pad=3, channels=64), norm=True),
        Pool.of(Window("maxpool", 3, 2, pad=1)),
    ]


def _resnet(name: str, counts: Counts, expansion: int) -> Definition:
    steps, reached = _stem(), 4
    last = {}
    for stage, count in enumerate(counts, 1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            channels = 64 * 2 ** (stage - 1)
            steps.append(Residual(f"layer{stage}_{index}", channels, stride, expansion))
            reached *= stride
        last[reached] = f"layer{stage}_{count - 1}"
    steps.append(Dropout("drop", 0.0))  # the classifier had none; a rate can be given
    return Definition(
        name=name,
        steps=tuple(steps),
        taps={2: "conv1", **last, reached: "drop"},
        preprocessing=TORCH,
        source="He et al., CVPR 2016 (arXiv 1512.03385); stride in the 3x3 as in torchvision",
    )


def _dilated(name: str, counts: Counts) -> Definition:
    steps = _stem()
    reached, dilation = 4, 1
    for stage, count in enumerate(counts, 1):
        stride, before = (1 if stage == 1 else 2), dilation
        if reached * stride > DEEPEST_STRIDE:
            stride, dilation = 1, 2 * dilation
        reached *= stride
        for index in range(count):
            # The first block of a stage still has the dilation of the stage before.
            first = index == 0
            steps.append(
                Residual(
                    f"layer{stage}_{index}",
                    64 * 2 ** (stage - 1),
                    stride if first else 1,
                    expansion=4,
                    dilation=before if first else dilation,
                )
            )
    steps += [Conv.of(Window("head", 3, pad=1, channels=512), norm=True), Dropout("drop", 0.1)]
    return Definition(
        name=name,
        steps=tuple(steps),
        taps={DEEPEST_STRIDE: "drop"},
        preprocessing=TORCH,
        source="torchvision's fcn_resnet50 and fcn_resnet101; dilation as Chen et al. 2017 "
        "(arXiv 1706.05587)",
        resizes_scores=True,
    )


RESNETS = tuple(
    _resnet(name, counts, expansion)
    for name, counts, expansion in [
        ("resnet18", (2, 2, 2, 2), 1),
        ("resnet34", (3, 4, 6, 3), 1),
        ("resnet50", (3, 4, 6, 3), 4),
        ("resnet101", (3, 4, 23, 3), 4),
    ]
)
DILATED_RESNETS = tuple(
    _dilated(name, counts)
    for name, counts in [
        ("resnet50_dilated", (3, 4, 6, 3)),
        ("resnet101_dilated", (3, 4, 23, 3)),
    ]
)
