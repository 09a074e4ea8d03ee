"""Writes tests/unit/checkpoints/foreign/chainer/: a snapshot of Chainer 7.8.1, a photo, its scores.

    .venv-chainer/bin/python tests/parity/store_chainer_snapshot.py

An FCN-16s of 8 to 64 channels in an L.Classifier, in multiples of 1/32 and trained at a rate of
zero, so that the file is small.
"""

from pathlib import Path

import chainer
import numpy as np

from chainer_script import FCN, balance, fill, prepared, save

FOLDER = Path(__file__).resolve().parents[1] / "unit" / "checkpoints" / "foreign" / "chainer"
CLASSES, SIZE = 3, (37, 50)


def main():
    FOLDER.mkdir(exist_ok=True)
    random = np.random.RandomState(0)
    channels = {f"conv{b}_{i}": 8 for b in range(1, 6) for i in range(1, 4)}
    net = FCN({**channels, "fc6": 64, "fc7": 64}, CLASSES, stride=16)
    photo = random.randint(0, 256, (1, *SIZE, 3)).astype(np.uint8)
    x = prepared(photo)
    fill(net, random)
    balance(net, x)
    for path, parameter in net.namedparams():
        if "upscore" not in path:
            parameter.array = np.round(parameter.array * 32).astype(np.float32) / 32
    mask = random.randint(0, CLASSES, SIZE).astype(np.int32)
    save(FOLDER / "snapshot_iter_1", net, "snapshot with a Classifier", (x[0], mask), rate=0)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        scores = net(x).array[0]
    (FOLDER / "log").unlink()  # the trainer's
    np.savez_compressed(FOLDER / "expected.npz", photo=photo[0], scores=scores)


if __name__ == "__main__":
    main()
