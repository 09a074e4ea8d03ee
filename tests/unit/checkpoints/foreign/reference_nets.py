"""The published nets in plain torch.nn, for tests: structure and names of the originals.

Every width is multiplied by ``WIDTH`` (at least 8 channels), as `NetSpec.width` does.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullconv.checkpoints.foreign.recognize_net import lineages, read_foreign
from fullconv.checkpoints.foreign.transplant import Transplant, transplant
from fullconv.models import FCN, build

WIDTH = 1 / 16  # thinner, and a narrow stage of a ResNet would need no shortcut


def c(channels: int) -> int:
    return max(8, 2 * round(channels * WIDTH / 2))


def shaken(net: nn.Module, seed: int = 0) -> nn.Module:
    """The net with every array random, variances positive, in evaluation mode."""
    torch.manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif not tensor.dtype.is_floating_point:
            tensor.fill_(7)
        elif tensor.ndim > 1 and not name.startswith("up"):
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif tensor.ndim == 1:
            tensor.normal_(0.1, 0.3)
    return net.eval()


def adopted(path, **options) -> tuple[Transplant, FCN]:
    """What the file becomes here: the account, and the net in evaluation mode."""
    taken = transplant(read_foreign(path), lineages(), **options)
    net = build(taken.spec)
    state = net.state_dict()
    missing = state.keys() - taken.tensors.keys()
    assert all(name.startswith("score.") for name in missing)
    net.load_state_dict(state | taken.tensors)
    return taken, net.eval()


class Numbered(nn.Module):
    """torchvision's VGG16 and AlexNet: `features` and `classifier`, numbered."""

    def __init__(self, features: list[nn.Module], side: int, dropout_first: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        channels = features[-3].out_channels  # before ReLU and pooling
        six = [nn.Linear(channels * side**2, c(4096)), nn.ReLU()]
        seven = [nn.Linear(c(4096), c(4096)), nn.ReLU()]
        drop = [nn.Dropout()]
        order = drop + six + drop + seven if dropout_first else six + drop + seven + drop
        self.classifier = nn.Sequential(*order, nn.Linear(c(4096), 10))

    def forward(self, x: Tensor) -> Tensor:
        """What the last layer would see, as a map of one pixel."""
        return self.classifier[:-1](self.features(x).flatten(1))[..., None, None]


def vgg16() -> Numbered:
    features, inputs = [], 3
    for count, channels in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]:
        for _ in range(count):
            features += [nn.Conv2d(inputs, c(channels), 3, padding=1), nn.ReLU()]
            inputs = c(channels)
        features.append(nn.MaxPool2d(2))
    return Numbered(features, 7, dropout_first=False)


def alexnet() -> Numbered:
    def conv(inputs: int, outputs: int, *geometry: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, c(outputs), *geometry), nn.ReLU()]

    pool = nn.MaxPool2d(3, 2)
    features = [*conv(3, 64, 11, 4, 2), pool, *conv(c(64), 192, 5, 1, 2), pool]
    features += [*conv(c(192), 384, 3, 1, 1), *conv(c(384), 256, 3, 1, 1)]
    features += [*conv(c(256), 256, 3, 1, 1), pool]
    return Numbered(features, 6, dropout_first=True)


class Basic(nn.Module):
    """torchvision's convolution with batch norm in GoogLeNet."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class InceptionBranches(nn.Module):
    def __init__(self, inputs: int, *widths: int) -> None:
        super().__init__()
        one, three_reduce, three, five_reduce, five, pooled = map(c, widths)
        self.branch1 = Basic(inputs, one, 1)
        self.branch2 = nn.Sequential(Basic(inputs, three_reduce, 1), Basic(three_reduce, three, 3))
        self.branch3 = nn.Sequential(Basic(inputs, five_reduce, 1), Basic(five_reduce, five, 3))
        pool = nn.MaxPool2d(3, 1, 1, ceil_mode=True)
        self.branch4 = nn.Sequential(pool, Basic(inputs, pooled, 1))
        self.outputs = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


INCEPTIONS = {
    "3": [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    "4": [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    "5": [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
}


class GoogLeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Basic(3, c(64), 7, 2)
        self.conv2, self.conv3 = Basic(c(64), c(64), 1), Basic(c(64), c(192), 3)
        inputs = c(192)
        for stage, modules in INCEPTIONS.items():
            for letter, widths in zip("abcde", modules, strict=False):
                module = InceptionBranches(inputs, *widths)
                self.add_module(f"inception{stage}{letter}", module)
                inputs = module.outputs
        self.aux1 = nn.Sequential()
        self.aux1.conv = Basic(8, 8, 1)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        def pool(x: Tensor, kernel: int = 3) -> Tensor:
            return F.max_pool2d(x, kernel, 2, ceil_mode=True)

        x = pool(self.conv3(self.conv2(pool(self.conv1(x)))))
        for name, module in self.named_children():
            if name.startswith("inception"):
                if name == "inception4a":
                    x = pool(x)
                if name == "inception5a":
                    x = pool(x, 2)
                x = module(x)
        return x


class Block(nn.Module):
    """torchvision's BasicBlock and, ``deep``, Bottleneck."""

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int, deep: bool) -> None:
        super().__init__()
        kernels = [1, 3, 1] if deep else [3, 3]
        outputs = 4 * planes if deep else planes
        widths = [inputs, *[planes] * (len(kernels) - 1), outputs]
        for i, kernel in enumerate(kernels, 1):
            step = stride if i == (2 if deep else 1) else 1
            d = dilation if kernel == 3 else 1
            conv = nn.Conv2d(
                widths[i - 1], widths[i], kernel, step, d * (kernel // 2), d, bias=False
            )
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(widths[i]))
        self.count = len(kernels)
        if stride > 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        for i in range(1, self.count + 1):
            inner = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(inner))
            inner = inner if i == self.count else F.relu(inner)
        return F.relu(inner + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    """``dilated``: strides of the last two stages replaced with dilation."""

    def __init__(self, counts: tuple[int, ...], deep: bool, dilated: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, c(64), 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(c(64))
        inputs, dilation = c(64), 1
        for stage, count in enumerate(counts, 1):
            planes, stride, first_dilation = c(32 * 2**stage), 1 if stage == 1 else 2, dilation
            if dilated and stage > 2:
                stride, dilation = 1, dilation * 2
            blocks = [Block(inputs, planes, stride, first_dilation, deep)]
            inputs = 4 * planes if deep else planes
            blocks += [Block(inputs, planes, 1, dilation, deep) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.outputs = inputs
        if not dilated:
            self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class FCNResNet(nn.Module):
    """torchvision's fcn_resnet50 and its like, with the auxiliary classifier."""

    def __init__(self, counts: tuple[int, ...] = (3, 4, 6, 3), classes: int = 21) -> None:
        super().__init__()
        self.backbone = ResNet(counts, deep=True, dilated=True)
        self.classifier = self.head(self.backbone.outputs, classes)
        self.aux_classifier = self.head(self.backbone.outputs // 2, classes)

    @staticmethod
    def head(inputs: int, classes: int) -> nn.Sequential:
        conv = nn.Conv2d(inputs, inputs // 4, 3, padding=1, bias=False)
        norm, drop = nn.BatchNorm2d(inputs // 4), nn.Dropout(0.1)
        return nn.Sequential(conv, norm, nn.ReLU(), drop, nn.Conv2d(inputs // 4, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.classifier(self.backbone(x))
        return F.interpolate(scores, size=x.shape[-2:], mode="bilinear", align_corners=False)


class TorchFCN(nn.Module):
    """pytorch-fcn's FCN8s and, with ``scales``, FCN8sAtOnce."""

    def __init__(self, classes: int = 4, scales: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.scales = scales
        self.blocks = []
        inputs = 3
        for block, (count, channels) in enumerate(
            [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1
        ):
            self.blocks.append([f"conv{block}_{i}" for i in range(1, count + 1)])
            for name in self.blocks[-1]:
                pad = 100 if name == "conv1_1" else 1
                self.add_module(name, nn.Conv2d(inputs, c(channels), 3, padding=pad))
                inputs = c(channels)
        self.fc6, self.fc7 = nn.Conv2d(inputs, c(4096), 7), nn.Conv2d(c(4096), c(4096), 1)
        self.score_fr = nn.Conv2d(c(4096), classes, 1)
        self.score_pool3 = nn.Conv2d(c(256), classes, 1)
        self.score_pool4 = nn.Conv2d(c(512), classes, 1)
        for name, kernel in [("upscore2", 4), ("upscore8", 16), ("upscore_pool4", 4)]:
            layer = nn.ConvTranspose2d(classes, classes, kernel, kernel // 2, bias=False)
            axis = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / (kernel / 2)
            with torch.no_grad():
                layer.weight.zero_()
                layer.weight[range(classes), range(classes)] = torch.outer(axis, axis)
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        size, pools = x.shape[-2:], []
        for names in self.blocks:
            for name in names:
                x = F.relu(getattr(self, name)(x))
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            pools.append(x)
        x = self.upscore2(self.score_fr(F.relu(self.fc7(F.relu(self.fc6(x))))))
        x = x + cropped(self.score_pool4(pools[3] * self.scales[0]), 5, x.shape[-2:])
        x = self.upscore_pool4(x)
        x = x + cropped(self.score_pool3(pools[2] * self.scales[1]), 9, x.shape[-2:])
        return cropped(self.upscore8(x), 31, size)


def cropped(x: Tensor, at: int, size) -> Tensor:
    return x[..., at : at + size[0], at : at + size[1]]


def trainers(net: nn.Module, arch: str) -> dict:
    """The checkpoint of pytorch-fcn's trainer, its mean IU a number of numpy's."""
    trained = [p for name, p in net.named_parameters() if not name.startswith("upscore")]
    optimizer = torch.optim.SGD(trained, 1e-10, momentum=0.99, weight_decay=0.0005)
    for parameter in trained:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {
        "epoch": 3,
        "iteration": 4000,
        "arch": arch,
        "optim_state_dict": optimizer.state_dict(),
        "model_state_dict": net.state_dict(),
        "best_mean_iu": np.float64(0.5),
    }
