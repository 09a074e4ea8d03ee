"""AlexNet in three forms: CaffeNet, AlexNet as Caffe has it, and that of torchvision.

CaffeNet, the AlexNet of the FCN paper (reference repository, voc-fcn-alexnet), pools before it
normalises, AlexNet normalises first, as the paper of 2012 does: the same arrays, other scores.
conv2, conv4 and conv5 have two groups.

alexnet_owt is that of 'One weird trick' (Krizhevsky 2014): neither LRN nor groups, other channels,
and the dropout before the layer it is for. torchvision's poolings round down; at the classifier's
own sizes that is the same as rounding up, which keeps the border of the photo at every other size.
"""

from fullconv.geometry import Window
from fullconv.models.backbones.definition import Definition
from fullconv.models.preprocessing import CAFFE, TORCH
from fullconv.models.steps import LRN, Conv, Dropout, Pool, Step


def _steps(normalises_first: bool) -> tuple[Step, ...]:
    def shrink(number: int) -> list[Step]:
        pool = Pool.of(Window(f"pool{number}", 3, 2, ceil=True))
        norm = LRN(f"norm{number}")
        return [norm, pool] if normalises_first else [pool, norm]

    return (
        Conv.of(Window("conv1", 11, 4, channels=96)),
        *shrink(1),
        Conv.of(Window("conv2", 5, pad=2, channels=256, groups=2)),
        *shrink(2),
        Conv.of(Window("conv3", 3, pad=1, channels=384)),
        Conv.of(Window("conv4", 3, pad=1, channels=384, groups=2)),
        Conv.of(Window("conv5", 3, pad=1, channels=256, groups=2)),
        Pool.of(Window("pool5", 3, 2, ceil=True)),
        Conv.of(Window("fc6", 6, channels=4096)),
        Dropout("drop6"),
        Conv.of(Window("fc7", 1, channels=4096)),
        Dropout("drop7"),
    )


CAFFENET = Definition(
    name="caffenet",
    steps=_steps(normalises_first=False),
    taps={32: "drop7", 16: "norm2", 8: "norm1", 4: "conv1"},
    preprocessing=CAFFE,
    source="Krizhevsky et al., NIPS 2012, in the form of Caffe's bvlc_reference_caffenet",
)
ALEXNET = Definition(
    name="alexnet",
    steps=_steps(normalises_first=True),
    taps={32: "drop7", 16: "pool2", 8: "pool1", 4: "norm1"},
    preprocessing=CAFFE,
    source="Krizhevsky et al., NIPS 2012, in the form of Caffe's bvlc_alexnet",
)
ALEXNET_OWT = Definition(
    name="alexnet_owt",
    steps=(
        Conv.of(Window("conv1", 11, 4, pad=2, channels=64)),
        Pool.of(Window("pool1", 3, 2, ceil=True)),
        Conv.of(Window("conv2", 5, pad=2, channels=192)),
        Pool.of(Window("pool2", 3, 2, ceil=True)),
        Conv.of(Window("conv3", 3, pad=1, channels=384)),
        Conv.of(Window("conv4", 3, pad=1, channels=256)),
        Conv.of(Window("conv5", 3, pad=1, channels=256)),
        Pool.of(Window("pool5", 3, 2, ceil=True)),
        Dropout("drop5"),
        Conv.of(Window("fc6", 6, channels=4096)),
        Dropout("drop6"),
        Conv.of(Window("fc7", 1, channels=4096)),
    ),
    taps={32: "fc7", 16: "pool2", 8: "pool1", 4: "conv1"},
    preprocessing=TORCH,
    source="Krizhevsky 2014 (arXiv 1404.5997), in the form of torchvision's alexnet",
)
