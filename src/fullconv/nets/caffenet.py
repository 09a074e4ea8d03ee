"""CaffeNet, the AlexNet of the paper, made convolutional (reference repository, voc-fcn-alexnet).

Unlike AlexNet it pools before it normalises; conv2, conv4 and conv5 have two groups.
"""

from fullconv.geometry import Window
from fullconv.nets.backbone import Definition
from fullconv.nets.preprocessing import CAFFE
from fullconv.nets.steps import LRN, Conv, Dropout, Pool

CAFFENET = Definition(
    name="caffenet",
    steps=(
        Conv.of(Window("conv1", 11, 4, channels=96)),
        Pool.of(Window("pool1", 3, 2, ceil=True)),
        LRN("norm1"),
        Conv.of(Window("conv2", 5, pad=2, channels=256, groups=2)),
        Pool.of(Window("pool2", 3, 2, ceil=True)),
        LRN("norm2"),
        Conv.of(Window("conv3", 3, pad=1, channels=384)),
        Conv.of(Window("conv4", 3, pad=1, channels=384, groups=2)),
        Conv.of(Window("conv5", 3, pad=1, channels=256, groups=2)),
        Pool.of(Window("pool5", 3, 2, ceil=True)),
        Conv.of(Window("fc6", 6, channels=4096)),
        Dropout("drop6"),
        Conv.of(Window("fc7", 1, channels=4096)),
        Dropout("drop7"),
    ),
    taps={32: "drop7", 16: "norm2", 8: "norm1", 4: "conv1"},
    preprocessing=CAFFE,
    source="Krizhevsky et al., NIPS 2012, in the form of Caffe's bvlc_reference_caffenet",
)
