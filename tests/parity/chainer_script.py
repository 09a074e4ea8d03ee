"""FCNs of Chainer's own links: run by test_against_chainer in a Python that has Chainer 7.8.1.

    python chainer_script.py JOB.json

The job names a folder and cases. For each case this makes a net with random weights, lets Chainer
save it in one of its forms (NAME), and writes what Chainer computes with it (NAME.result.npz):
scores, and for training steps, in float64, the loss, the gradients, the dropout masks and the
weights after. It imports nothing of fullconv, and prepares photos by itself.
"""

import functools
import json
import sys
from pathlib import Path

import chainer
import chainer.functions as F
import chainer.links as L
import numpy as np
from chainer.training import StandardUpdater, Trainer, extensions

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)
BLOCKS = (2, 2, 3, 3, 3)
loss_of = functools.partial(F.softmax_cross_entropy, ignore_label=255)


def prepared(photos):
    """uint8 RGB N,H,W,3 to N,3,H,W as the Caffe nets take it."""
    return (photos[..., ::-1].astype(np.float32) - MEAN_BGR).transpose(0, 3, 1, 2).copy()


def plain(photos):
    """uint8 RGB N,H,W,3 to N,3,H,W as they are: what k3nt0w/chainer_fcn trains on."""
    return photos.astype(np.float32).transpose(0, 3, 1, 2).copy()


def bilinear(classes, size):
    """The kernel that enlarges each class by itself: (classes, classes, size, size)."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    axis = 1 - abs(np.arange(size) - centre) / factor
    kernel = np.zeros((classes, classes, size, size), np.float32)
    kernel[range(classes), range(classes)] = np.outer(axis, axis)
    return kernel


class FCN(chainer.Chain):
    """FCN-32s, 16s or 8s on VGG16; ``pad`` 100 with crops, or 1 as the classifier."""

    def __init__(self, channels, classes, stride, at_once=False, pad=100):
        super().__init__()
        self.stride, self.scales = stride, (0.01, 0.0001) if at_once else (1, 1)
        self.masks = {}
        deconvolution = functools.partial(L.Deconvolution2D, classes, classes, nobias=True)
        with self.init_scope():
            before = 3
            for block, count in enumerate(BLOCKS, 1):
                for index in range(1, count + 1):
                    name = f"conv{block}_{index}"
                    edge = pad if name == "conv1_1" else 1
                    setattr(self, name, L.Convolution2D(before, channels[name], 3, 1, edge))
                    before = channels[name]
            self.fc6 = L.Convolution2D(before, channels["fc6"], 7)
            self.fc7 = L.Convolution2D(channels["fc6"], channels["fc7"], 1)
            self.score_fr = L.Convolution2D(channels["fc7"], classes, 1)
            if stride <= 16:
                self.score_pool4 = L.Convolution2D(channels["conv4_3"], classes, 1)
                self.upscore2 = deconvolution(4, 2, initialW=bilinear(classes, 4))
            if stride == 8:
                self.score_pool3 = L.Convolution2D(channels["conv3_3"], classes, 1)
                self.upscore_pool4 = deconvolution(4, 2, initialW=bilinear(classes, 4))
            if pad == 100:
                name = {32: "upscore", 16: "upscore16", 8: "upscore8"}[stride]
                kernel = bilinear(classes, 2 * stride)
                setattr(self, name, deconvolution(2 * stride, stride, initialW=kernel))
            else:  # one size only: the 1x1 score of a 224x224 photo becomes 224x224
                self.upscore = deconvolution(224, 1)

    def features(self, x):
        """Outputs of pool3, pool4 and fc7 (dropped out while training)."""
        found = []
        for block, count in enumerate(BLOCKS, 1):
            for index in range(1, count + 1):
                x = F.relu(self[f"conv{block}_{index}"](x))
            x = F.max_pooling_2d(x, 2, 2, cover_all=True)
            found.append(x)
        for name in ("fc6", "fc7"):
            x, mask = F.dropout(F.relu(self[name](x)), 0.5, return_mask=True)
            self.masks[name] = mask
        return found[2], found[3], x

    def forward(self, x, t=None):
        """Scores of the photo's size, or the loss summed over the pixels of one photo."""
        score = self.scores(x)
        return score if t is None else loss_of(score, t, normalize=False)

    def scores(self, x):
        height, width = x.shape[2:]
        pool3, pool4, fc7 = self.features(x)
        score = self.score_fr(fc7)
        self.coarse = score
        if hasattr(self, "upscore"):
            score = self.upscore(score)
            return cropped(score, 19, height, width) if score.shape[2] != 224 else score
        score = self.upscore2(score)
        skip = self.score_pool4(pool4 * self.scales[0])
        score += cropped(skip, 5, *score.shape[2:])
        if self.stride == 16:
            return cropped(self.upscore16(score), 27, height, width)
        score = self.upscore_pool4(score)
        skip = self.score_pool3(pool3 * self.scales[1])
        score += cropped(skip, 9, *score.shape[2:])
        return cropped(self.upscore8(score), 31, height, width)


class Body(chainer.Chain):
    """VGG16 up to pool5, a chain of its own: what pool3, pool4 and pool5 give."""

    def __init__(self, channels):
        super().__init__()
        with self.init_scope():
            before = 3
            for name in (f"conv{b}_{i}" for b, n in enumerate(BLOCKS, 1) for i in range(1, n + 1)):
                setattr(self, name, L.Convolution2D(before, channels[name], 3, 1, 1))
                before = channels[name]

    def forward(self, x):
        found = []
        for block, count in enumerate(BLOCKS, 1):
            for index in range(1, count + 1):
                x = F.relu(self[f"conv{block}_{index}"](x))
            x = F.max_pooling_2d(x, 2, stride=2)
            found.append(x)
        return found[2:]


class DeconvFCN(chainer.Chain):
    """The form of k3nt0w/chainer_fcn: dense deconvolutions to pool3's score, then to the photo."""

    def __init__(self, channels, classes):
        super().__init__()
        deconvolution = functools.partial(L.Deconvolution2D, classes, classes)
        with self.init_scope():
            self.vgg16 = Body(channels)
            for block in (3, 4, 5):
                layer = L.Convolution2D(channels[f"conv{block}_3"], classes, 1)
                setattr(self, f"pool{block}", layer)
            self.upsample4 = deconvolution(4, 2, 1)
            self.upsample5 = deconvolution(8, 4, 2)
            self.upsample = deconvolution(16, 8, 4)

    def forward(self, x, t=None):
        """Scores of the photo's size; its sides are multiples of 32."""
        pool3, pool4, pool5 = self.vgg16(x)
        coarse = self.upsample4(self.pool4(pool4)) + self.upsample5(self.pool5(pool5))
        score = self.upsample(self.pool3(pool3) + coarse)
        return score if t is None else loss_of(score, t, normalize=False)


def cropped(x, offset, height, width):
    return x[:, :, offset : offset + height, offset : offset + width]


def fill(net, random):
    """Random weights; deconvolutions that are bilinear stay."""
    for path, parameter in net.namedparams():
        if "upscore" in path and parameter.shape[-1] != 224:
            continue
        spread = 0.5 if parameter.name == "b" else (2 / np.prod(parameter.shape[1:])) ** 0.5
        parameter.array = random.normal(0, spread, parameter.shape).astype(np.float32)


def balance(net, x):
    """Score layers under which every class of every stride is the best somewhere."""
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        pool3, pool4, fc7 = net.features(x)
    inputs = {"score_fr": fc7, "score_pool4": pool4, "score_pool3": pool3}
    scales = {"score_fr": 1, "score_pool4": net.scales[0], "score_pool3": net.scales[1]}
    for name in inputs.keys() & {child.name for child in net.children()}:
        layer, given = net[name], inputs[name] * scales[name]
        with chainer.no_backprop_mode():
            layer.W.array /= layer(given).array.std(axis=(0, 2, 3)).reshape(-1, 1, 1, 1)
            layer.b.array -= layer(given).array.mean(axis=(0, 2, 3))


def optimizer_of(model, rate):
    """SGD of the paper: the bias rate doubled and not decayed, the deconvolutions fixed."""
    optimizer = chainer.optimizers.MomentumSGD(lr=rate, momentum=0.9).setup(model)
    for path, parameter in model.namedparams():
        if "upscore" in path:
            parameter.update_rule.enabled = False
        elif parameter.name == "b":
            parameter.update_rule.hyperparam.lr = 2 * rate
        else:
            parameter.update_rule.add_hook(chainer.optimizer_hooks.WeightDecay(5e-4))
    return optimizer


def save(path, net, form, example, rate=1e-9):
    """Write the net in one of Chainer's forms; a snapshot is made by a trainer's first step."""
    summed = functools.partial(loss_of, normalize=False)
    model = L.Classifier(net, lossfun=summed) if "Classifier" in form else net
    if "Classifier" in form:
        model.compute_accuracy = False
    if "snapshot" not in form:
        chainer.serializers.save_npz(str(path), model, compression="uncompressed" not in form)
        return
    iterator = chainer.iterators.SerialIterator([example], 1)
    updater = StandardUpdater(iterator, optimizer_of(model, rate))
    trainer = Trainer(updater, (1, "iteration"), out=str(path.parent))
    trainer.extend(extensions.LogReport(trigger=(1, "iteration")))
    trainer.extend(extensions.snapshot(filename=path.name), trigger=(1, "iteration"))
    trainer.run()


def trained(net, x, t, case):
    """Some steps in float64: what is compared of each."""
    for parameter in net.params():
        parameter.array = parameter.array.astype(np.float64)
    x = x.astype(np.float64)
    optimizer, found = optimizer_of(net, case["rate"]), {}
    for step in range(case["steps"]):
        net.cleargrads()
        loss = loss_of(net(x), t, normalize=case["normalize"])
        loss.backward()
        found[f"loss/{step}"] = loss.array
        for name, mask in net.masks.items():
            found[f"mask/{name}/{step}"] = mask
        for path, parameter in net.namedparams():
            if parameter.grad is not None:
                found[f"gradient/{step}{path}"] = parameter.grad.copy()
        optimizer.update()
        for path, parameter in net.namedparams():
            found[f"weights/{step}{path}"] = parameter.array.copy()
    return found


def run(folder, case):
    random = np.random.RandomState(case["seed"])
    np.random.seed(case["seed"])  # of Chainer's dropout
    x = np.load(folder / f"{case['name']}.photos.npy")
    x = plain(x) if case["head"] == "fcn8s-deconv" else prepared(x)
    t = np.load(folder / f"{case['name']}.masks.npy").astype(np.int32)
    if case["head"] == "VGG16Layers":
        net = L.VGG16Layers(pretrained_model=None)
    elif case["head"] == "fcn8s-deconv":
        net = DeconvFCN(case["channels"], case["classes"])
    else:
        options = {"at_once": case["head"] == "fcn8s-atonce", "pad": case["pad"]}
        stride = int(case["head"][3:].split("s")[0])
        net = FCN(case["channels"], case["classes"], stride, **options)
    fill(net, random)
    if case["head"] != "VGG16Layers" and case["pad"] == 100:
        balance(net, x)
    save(folder / case["name"], net, case["form"], (x[0], t[0]))
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        if case["head"] == "VGG16Layers":
            result = {"fc7": net(x, layers=["fc7"])["fc7"].array}
        elif case["head"] == "fcn8s-deconv":
            result = {"scores": net(x).array}
        else:
            result = {"scores": net(x).array, "coarse": net.coarse.array}
    result |= trained(net, x, t, case) if case["steps"] else {}
    np.savez(folder / f"{case['name']}.result.npz", **result)


if __name__ == "__main__":
    job = Path(sys.argv[1])
    for case in json.loads(job.read_text()):
        run(job.parent, case)
