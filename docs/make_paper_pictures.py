"""Draw the pictures of docs/paper.md: ``python docs/make_paper_pictures.py``.

All scenes are generated; every square and every number follows from the layers of the nets.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

sys.path.insert(0, str(Path(__file__).parent))
from make_pictures import GREY, INK, panel, save

from fullconv import visualize as pictures
from fullconv.data import open_source
from fullconv.geometry import centred_upsampling, chain, receptive_field, tent
from fullconv.metrics import Scores, confusion
from fullconv.models import NetSpec

STEPS = ("pool1", "pool2", "pool3", "pool4", "pool5", "fc6")
COLORS = ("#ffffff", "#ffe600", "#30d050", "#ff5020", "#ff60d0", "#20e0f0")


def seen(definition, step):
    """Field, stride and offset of a step's output: what one pixel of it sees, and where."""
    names = [each.name for each in definition.steps]
    steps = definition.steps[: names.index(step) + 1]
    windows = [window for each in steps for window in each.windows()]
    at = chain(windows)
    return receptive_field(windows), int(at.scale), float(at.offset)


def receptive_fields():
    """What one pixel of each map of VGG16 sees of a photo, and where the scores lie."""
    photo = open_source("shapes:375x500:seed=11", "val")[6].image
    definition = NetSpec("fcn8s-vgg16", 21).definition
    figure = Figure((10.4, 4.3))
    left, right = figure.subplots(1, 2)
    panel(left, photo, "what one pixel of a map sees", INK, "FCN-VGG16, padding 'same', 375 x 500")
    for step, color in zip(STEPS, COLORS, strict=True):
        field, stride, offset = seen(definition, step)
        middle = [offset + stride * round((n - offset) / stride) for n in (250, 187)]
        corner = [m - field / 2 for m in middle]
        left.add_patch(Rectangle(corner, field, field, fill=False, ec=color, lw=1.8))
        left.plot([], [], color=color, lw=3, label=f"{step}: {field} pixels, every {stride}")
    left.set(xlim=(-0.5, 499.5), ylim=(405, -31))
    left.legend(loc="lower left", fontsize=7, facecolor="#333333", labelcolor="white")
    panel(right, photo, "where its scores lie", INK, "dots: 32 i + 15.5; small dots: 8 i + 3.5")
    for step, size in (("pool3", 1.1), ("fc6", 5)):
        _, stride, offset = seen(definition, step)
        ys, xs = (np.arange(offset, n, stride) for n in (375, 500))
        grid = np.meshgrid(xs, ys)
        right.plot(*(g.ravel() for g in grid), "o", ms=size, mfc="white", mec="black", mew=size / 6)
    right.set(xlim=(-0.5, 499.5), ylim=(405, -31))
    for axes in (left, right):
        axes.spines[:].set_visible(False)
    figure.subplots_adjust(0.01, 0.08, 0.99, 0.93, 0.03)
    save(figure, "receptive-field.png", 255)


def upsampled(score, factor):
    """Scores 1,K,h,w enlarged by the centred bilinear deconvolution of ``factor``."""
    layer = centred_upsampling(factor)
    axis = torch.tensor([float(w) for w in tent(layer.kernel)])
    kernel = torch.outer(axis, axis).expand(score.shape[1], 1, -1, -1)
    return F.conv_transpose2d(
        score, kernel, stride=factor, padding=layer.pad, groups=score.shape[1]
    )


def skips():
    """What is left of a truth that goes through scores of stride 32, 16, 8 and 4."""
    source = open_source("shapes:384x480:seed=3", "val")
    sample, classes = source[4], source.classes
    truth = np.where(sample.mask == classes.ignore, 0, sample.mask)
    onehot = F.one_hot(torch.from_numpy(truth).long(), len(classes)).permute(2, 0, 1)[None].float()
    figure = Figure((10.4, 2.35))
    axes = figure.subplots(1, 5)
    panel(axes[0], pictures.colorize(truth, classes), "the truth", below="384 x 480")
    for place, stride in zip(axes[1:], (32, 16, 8, 4), strict=True):
        found = upsampled(F.avg_pool2d(onehot, stride), stride).argmax(1)[0].numpy()
        scores = Scores.from_confusion(confusion(truth, found, len(classes), 255))
        below = f"{384 // stride} x {480 // stride}; mean IU {100 * scores.mean_iu:.1f}"
        panel(place, pictures.colorize(found, classes), f"stride {stride}", INK, below)
    note = (
        "each score is the mean of the truth under it, enlarged by the deconvolution of that stride"
    )
    figure.text(0.5, 0.015, note, ha="center", fontsize=8.5, color=GREY)
    figure.subplots_adjust(0.01, 0.2, 0.99, 0.9, 0.04)
    save(figure, "skips.png")


if __name__ == "__main__":
    torch.set_num_threads(1)
    receptive_fields()
    skips()
