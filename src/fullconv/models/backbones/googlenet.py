"""GoogLeNet made convolutional, in its two published forms.

`googlenet` as Caffe has it: LRN, poolings that round up, no batch norm; `googlenet_bn` with batch
norm, as in torchvision's weights. The FCN drops the average pooling and the two auxiliary
classifiers. The paper's Table 1 gives a receptive field of 907, which counts that pooling; without
it, as Caffe's net runs, it is 715.
"""

from fullconv.geometry import Window
from fullconv.models.backbones.definition import Definition
from fullconv.models.preprocessing import CAFFE, HALVES
from fullconv.models.steps import LRN, Conv, Dropout, Inception, Pool

GOOGLENET = Definition(
    name="googlenet",
    steps=(
        Conv.of(Window("conv1_7x7_s2", 7, 2, pad=3, channels=64)),
        Pool.of(Window("pool1_3x3_s2", 3, 2, ceil=True)),
        LRN("pool1_norm1"),
        Conv.of(Window("conv2_3x3_reduce", 1, channels=64)),
        Conv.of(Window("conv2_3x3", 3, pad=1, channels=192)),
        LRN("conv2_norm2"),
        Pool.of(Window("pool2_3x3_s2", 3, 2, ceil=True)),
        Inception("inception_3a", 64, (96, 128), (16, 32), 32),
        Inception("inception_3b", 128, (128, 192), (32, 96), 64),
        Pool.of(Window("pool3_3x3_s2", 3, 2, ceil=True)),
        Inception("inception_4a", 192, (96, 208), (16, 48), 64),
        Inception("inception_4b", 160, (112, 224), (24, 64), 64),
        Inception("inception_4c", 128, (128, 256), (24, 64), 64),
        Inception("inception_4d", 112, (144, 288), (32, 64), 64),
        Inception("inception_4e", 256, (160, 320), (32, 128), 128),
        Pool.of(Window("pool4_3x3_s2", 3, 2, ceil=True)),
        Inception("inception_5a", 256, (160, 320), (32, 128), 128),
        Inception("inception_5b", 384, (192, 384), (48, 128), 128),
        Dropout("pool5_drop", 0.4),
    ),
    taps={32: "pool5_drop", 16: "pool3_3x3_s2", 8: "pool2_3x3_s2", 4: "pool1_norm1"},
    preprocessing=CAFFE,
    source="Szegedy et al., CVPR 2015 (arXiv 1409.4842), in the form of Caffe's bvlc_googlenet",
    dropped=(Window("pool5_7x7_s1", 7),),
)


EPS = 0.001  # of every batch norm of torchvision's net


def _conv(window: Window) -> Conv:
    return Conv.of(window, norm=True, eps=EPS)


def _inception(
    name: str, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
) -> Inception:
    # The branch that the paper gives 5x5 kernels has 3x3 ones there (pytorch/vision issue 906).
    return Inception(name, one, three, five, pooled, norm=True, eps=EPS, five_kernel=3)


GOOGLENET_BN = Definition(
    name="googlenet_bn",
    steps=(
        _conv(Window("conv1", 7, 2, pad=3, channels=64)),
        Pool.of(Window("maxpool1", 3, 2, ceil=True)),
        _conv(Window("conv2", 1, channels=64)),
        _conv(Window("conv3", 3, pad=1, channels=192)),
        Pool.of(Window("maxpool2", 3, 2, ceil=True)),
        _inception("inception3a", 64, (96, 128), (16, 32), 32),
        _inception("inception3b", 128, (128, 192), (32, 96), 64),
        Pool.of(Window("maxpool3", 3, 2, ceil=True)),
        _inception("inception4a", 192, (96, 208), (16, 48), 64),
        _inception("inception4b", 160, (112, 224), (24, 64), 64),
        _inception("inception4c", 128, (128, 256), (24, 64), 64),
        _inception("inception4d", 112, (144, 288), (32, 64), 64),
        _inception("inception4e", 256, (160, 320), (32, 128), 128),
        Pool.of(Window("maxpool4", 2, 2, ceil=True)),
        _inception("inception5a", 256, (160, 320), (32, 128), 128),
        _inception("inception5b", 384, (192, 384), (48, 128), 128),
        Dropout("dropout", 0.2),
    ),
    taps={32: "dropout", 16: "maxpool3", 8: "maxpool2", 4: "maxpool1"},
    preprocessing=HALVES,
    source="Szegedy et al., CVPR 2015 (arXiv 1409.4842), in the form of torchvision's googlenet",
    dropped=(Window("avgpool", 7),),
)
