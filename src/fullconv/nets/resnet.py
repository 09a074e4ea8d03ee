"""ResNets with batch norm (He et al. 2016), as backbones to train from scratch or to fine-tune."""

from fullconv.geometry import Window
from fullconv.nets.backbone import Definition
from fullconv.nets.preprocessing import TORCH
from fullconv.nets.steps import Conv, Dropout, Pool, Residual, Step


def _resnet(name: str, counts: tuple[int, int, int, int], expansion: int) -> Definition:
    steps: list[Step] = [
        Conv.of(Window("conv1", 7, 2, pad=3, channels=64), norm=True),
        Pool.of(Window("maxpool", 3, 2, pad=1)),
    ]
    last = {}
    for stage, count in enumerate(counts, 1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            channels = 64 * 2 ** (stage - 1)
            steps.append(Residual(f"layer{stage}_{index}", channels, stride, expansion))
        last[2 ** (stage + 1)] = f"layer{stage}_{count - 1}"
    steps.append(Dropout("drop", 0.0))  # the classifier had none; a rate can be given
    return Definition(
        name=name,
        steps=tuple(steps),
        taps={**last, 32: "drop"},
        preprocessing=TORCH,
        source="He et al., CVPR 2016 (arXiv 1512.03385); stride in the 3x3 as in torchvision",
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
