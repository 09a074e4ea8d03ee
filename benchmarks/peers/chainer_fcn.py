"""wkentaro/fcn on Chainer (package fcn): its FCN8s, predicted and trained as its examples do."""

import chainer
import numpy as np

import worker
from left_out import leave_out

leave_out("gdown", "PIL", "skimage", "scipy", "tqdm", "yaml")

import fcn  # noqa: E402
from fcn.datasets import transform_lsvrc2012_vgg16  # noqa: E402


def class_map(net, photo):
    """The class of the highest score."""
    (image,) = transform_lsvrc2012_vgg16((photo,))
    return net.predict([image])[0]


def optimizer_of(net, rate=1e-14):
    """As examples/voc/train_fcn8s.py: biases at twice the rate, enlargements fixed."""
    optimizer = chainer.optimizers.MomentumSGD(lr=rate, momentum=0.99)
    optimizer.setup(net)
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(rate=0.0005))
    for parameter in net.params():
        if parameter.name == "b":
            parameter.update_rule.hyperparam.lr = 2 * rate
    for layer in (net.upscore2, net.upscore8, net.upscore_pool4):
        layer.disable_update()
    return optimizer


def step(net, optimizer, photo, mask):
    """One update by the loss that the net computes: summed over the pixels."""
    image, target = transform_lsvrc2012_vgg16((photo, mask.astype(np.int32)))
    optimizer.update(net, chainer.Variable(image[None]), chainer.Variable(target[None]))


def main():
    job = worker.job()
    net = fcn.models.FCN8s(n_class=job["classes"])
    chainer.serializers.load_npz(job["weights"], net)
    if job["do"] == "predict":
        worker.predict(job, lambda photo: class_map(net, photo))
    else:
        optimizer = optimizer_of(net)
        worker.train(job, lambda photo, mask: step(net, optimizer, photo, mask))


if __name__ == "__main__":
    main()
