"""AlexNet of 'One weird trick' (Krizhevsky 2014), as in torchvision's weights, made convolutional.

Neither LRN nor groups, other channels than CaffeNet, and the dropout before the layer it is for.
torchvision's poolings round down; at the classifier's own sizes that is the same as rounding up,
which keeps the border of the photo at every other size.
"""

from fullconv.geometry import Window
from fullconv.models.backbones.definition import Definition
from fullconv.models.layers import Conv, Dropout, Pool
from fullconv.models.preprocessing import TORCH

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
