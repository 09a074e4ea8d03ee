"""AlexNet as Caffe's bvlc_alexnet has it, made convolutional.

It normalises before it pools, as the paper of 2012 does; CaffeNet, the AlexNet of the FCN paper,
the other way round. Their arrays have the same names and shapes, and give other scores.
"""

from fullconv.geometry import Window
from fullconv.nets.backbone import Definition
from fullconv.nets.preprocessing import CAFFE
from fullconv.nets.steps import LRN, Conv, Dropout, Pool

ALEXNET = Definition(
    name="alexnet",
    steps=(
        Conv.of(Window("conv1", 11, 4, channels=96)),
        LRN("norm1"),
        Pool.of(Window("pool1", 3, 2, ceil=True)),
        Conv.of(Window("conv2", 5, pad=2, channels=256, groups=2)),
        LRN("norm2"),
        Pool.of(Window("pool2", 3, 2, ceil=True)),
        Conv.of(Window("conv3", 3, pad=1, channels=384)),
        Conv.of(Window("conv4", 3, pad=1, channels=384, groups=2)),
        Conv.of(Window("conv5", 3, pad=1, channels=256, groups=2)),
        Pool.of(Window("pool5", 3, 2, ceil=True)),
        Conv.of(Window("fc6", 6, channels=4096)),
        Dropout("drop6"),
        Conv.of(Window("fc7", 1, channels=4096)),
        Dropout("drop7"),
    ),
    taps={32: "drop7", 16: "pool2", 8: "pool1", 4: "norm1"},
    preprocessing=CAFFE,
    source="Krizhevsky et al., NIPS 2012, in the form of Caffe's bvlc_alexnet",
)
