"""pytorch-fcn (package torchfcn): its FCN8s, as its examples run it and its trainer trains it."""

import numpy as np
import torch

import worker
from left_out import leave_out

leave_out("torchvision", "fcn", "PIL", "skimage", "scipy", "pytz", "tqdm")

import torchfcn  # noqa: E402
from torchfcn.trainer import cross_entropy2d  # noqa: E402

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434])  # torchfcn/datasets/voc.py


def prepared(photo):
    """As `VOCClassSegBase.transform` does: float32 1,3,H,W."""
    image = photo[:, :, ::-1].astype(np.float64) - MEAN_BGR
    return torch.from_numpy(image.transpose(2, 0, 1)).float()[None]


def class_map(net, photo):
    """As examples/voc/evaluate.py: the class of the highest score."""
    with torch.no_grad():
        score = net(prepared(photo))
    return score.data.max(1)[1].cpu().numpy()[0]


def optimizer_of(net, rate=1e-14):
    """As examples/voc/train_fcn8s.py: biases at twice the rate and not decayed."""
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    groups = [
        {"params": [layer.weight for layer in layers]},
        {"params": [layer.bias for layer in layers], "lr": 2 * rate, "weight_decay": 0},
    ]
    return torch.optim.SGD(groups, lr=rate, momentum=0.99, weight_decay=0.0005)


def step(net, optimizer, photo, mask):
    """`Trainer.train_epoch` without its log: the loss is summed over the pixels."""
    data, target = prepared(photo), torch.from_numpy(mask.astype(np.int64))[None]
    optimizer.zero_grad()
    score = net(data)
    loss = cross_entropy2d(score, target, size_average=False)
    loss /= len(data)
    if np.isnan(loss.data.item()):
        raise ValueError("loss is nan while training")
    loss.backward()
    optimizer.step()


def main():
    job = worker.job()
    net = torchfcn.models.FCN8s(n_class=job["classes"])
    net.load_state_dict(torch.load(job["weights"]))
    if job["do"] == "predict":
        net.eval()
        worker.predict(job, lambda photo: class_map(net, photo))
    else:
        net.train()
        optimizer = optimizer_of(net)
        worker.train(job, lambda photo, mask: step(net, optimizer, photo, mask))


if __name__ == "__main__":
    main()
