"""Draw the pictures of these pages: ``python docs/make_pictures.py [RUN]``.

RUN is a run folder trained on ``shapes`` (``make demo`` leaves one in demo/run). Without it the
pictures that show predictions are left as they are. All scenes are generated: no photo is shown.
"""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

from fullconv import visualize as pictures
from fullconv.classes import CAMVID
from fullconv.classes.colors import VISIONS
from fullconv.classes.palettes import recolored
from fullconv.data import open_source, resize_mask
from fullconv.geometry import receptive_field, size_after, tent
from fullconv.metrics import Scores, confusion
from fullconv.models import NetSpec

HERE = Path(__file__).parent / "pictures"
INK, GREY, GOOD, BAD = "#222222", "#777777", "#1b7f4b", "#c0392b"
LANES = {"photo": "#dbe9f6", "mask": "#f9e3d0", "both": "#e6e6ea", "net": "#dcefdc"}
matplotlib.rcParams.update(
    {"font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": GREY, "text.color": INK}
)


def save(figure, name, colors=160):
    """Write a figure as a PNG with a palette: small, and the same bytes each time."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, facecolor="white")
    picture = Image.open(file).convert("RGB")
    small = picture.quantize(colors, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    small.save(HERE / name, optimize=True)
    print(f"{name}: {(HERE / name).stat().st_size // 1000} kB, {picture.size}")


def panel(axes, image, title, color=INK, below="", **options):
    """Show an image with a title above and a line below."""
    axes.imshow(image, interpolation="nearest", **options)
    axes.set_title(title, color=color, fontsize=9.5, fontweight="bold", pad=5)
    axes.set_xlabel(below, color=color, fontsize=8.5, labelpad=5)
    axes.set(xticks=[], yticks=[])


def averaged_labels():
    """Confusion 2: a mask at an eighth of its size, picked and averaged."""
    source = open_source("shapes:320x416:seed=5", "val")
    mask, classes = source[1].mask, source.classes
    plain = np.where(mask == classes.ignore, 0, mask).astype(np.uint8)
    size = (mask.shape[0] // 8, mask.shape[1] // 8)
    ways = [
        ("nearest", mask, resize_mask(mask, size), GOOD),
        ("averaged, no ignored border", plain, shrunk(plain, size), BAD),
        ("averaged, with its border", mask, shrunk(mask, size), BAD),
    ]
    figure = Figure((10.4, 2.85))
    axes = figure.subplots(1, 4)
    below = "320 x 416; the pale border is 255, ignored"
    panel(axes[0], pictures.colorize(mask, classes), "the mask", below=below)
    for place, (name, big, small, color) in zip(axes[1:], ways, strict=True):
        blocks = big.reshape(size[0], 8, size[1], 8)
        invented = ~(blocks == small[:, None, :, None]).any((1, 3))
        shown = pictures.colorize(small, classes)
        shown[~np.isin(small, [*range(len(classes)), classes.ignore])] = (255, 0, 200)
        below = f"40 x 52; {invented.sum()} of {invented.size} pixels invented"
        panel(place, shown, name, color, below)
    note = "pink: a value that is no class"
    figure.text(0.99, 0.02, note, ha="right", fontsize=8.5, color=GREY)
    figure.subplots_adjust(0.01, 0.14, 0.99, 0.91, 0.05)
    save(figure, "averaged-labels.png")


def shrunk(mask, size):
    """What a resize that is meant for photos makes of class numbers."""
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.BOX))


def enlarge(score, kernel, pad, weights):
    """A transposed convolution of stride 32, class by class; N,K,h,w to N,K,H,W."""
    axis = torch.tensor([float(w) for w in weights])
    stack = torch.outer(axis, axis).expand(score.shape[1], 1, kernel, kernel)
    return F.conv_transpose2d(score, stack, stride=32, padding=pad, groups=score.shape[1])


def deconvolution():
    """Confusion 3: the same coarse scores through three deconvolutions."""
    source = open_source("shapes:384x480:seed=3", "val")
    sample, classes = source[4], source.classes
    truth = np.where(sample.mask == classes.ignore, 0, sample.mask)
    onehot = F.one_hot(torch.from_numpy(truth).long(), len(classes)).permute(2, 0, 1)[None].float()
    score = F.avg_pool2d(onehot, 32)  # what a perfect net of stride 32 could say
    ways = [
        ("kernel 64, stride 32, pad 16", 64, 16, tent(64), GOOD),
        ("kernel 32, 'because it fits'", 32, 0, [1] * 32, BAD),
        ("kernel 64, pad 0, cut off at the end", 64, 0, tent(64), BAD),
    ]
    figure = Figure((10.4, 4.7))
    grid = figure.subplots(2, 3, height_ratios=[2.5, 1])
    here = np.arange(384)
    edges = truth[:, :-1] != truth[:, 1:]
    line = (np.arange(12) == 4).astype(np.float32) + np.float32(0.6) * (np.arange(12) == 5)
    for (title, kernel, pad, weights, color), column in zip(ways, grid.T, strict=True):
        fine = enlarge(score, kernel, pad, weights)[..., :384, :480]
        found = fine.argmax(1)[0].numpy()
        share = (found == truth).mean()
        shown = pictures.colorize(found, classes)
        shown[:, :-1][edges] = 255
        shown[:-1][truth[:-1] != truth[1:]] = 255
        panel(column[0], shown, title, color, f"{share:.1%} of the pixels right")
        column1 = enlarge(torch.tensor(line)[None, None, :, None], kernel, pad, weights)
        profile = column1[0, 0, :384, column1.shape[3] // 2].numpy()
        column[1].plot(here, profile / max(weights), color=color, lw=1.6)
        column[1].plot(32 * np.arange(12) + 15.5, line, "o", color=INK, ms=3.5)
        column[1].set(xlim=(60, 290), ylim=(-0.08, 1.15), yticks=[0, 1])
        column[1].tick_params(labelsize=7.5, colors=GREY)
        column[1].spines[["top", "right"]].set_visible(False)
    grid[1, 0].set_ylabel("one row of scores", fontsize=8)
    note = (
        "dots: the coarse scores where the algebra puts them, 32 i + 15.5; "
        "white lines: the true outlines"
    )
    figure.text(0.5, 0.015, note, ha="center", fontsize=8.5, color=GREY)
    figure.subplots_adjust(0.05, 0.1, 0.985, 0.945, 0.09, 0.2)
    save(figure, "deconvolution.png")


def padding():
    """Confusion 4: where the scores of VGG16 lie on a 224 x 224 photo under each padding."""
    photo = open_source("shapes:224x224:seed=2", "val")[1].image
    figure = Figure((10.4, 4.1))
    axes = figure.subplots(1, 3)
    cases = [
        ("none", "fc6 unpadded, no padding before", BAD, 0),
        ("paper", "'paper': 100 pixels at conv1_1", INK, 100),
        ("same", "'same': every layer keeps its size", GOOD, 0),
    ]
    for place, (name, title, color, pad) in zip(axes, cases, strict=True):
        definition = NetSpec("fcn32s-vgg16", 21, padding=name).definition
        size = size_after(definition.windows(), 224)
        at = [float(definition.map()(i)) for i in range(size)]
        work = (224 + 2 * pad) ** 2 / 224**2
        below = f"{size} x {size} scores, {work:.2f} times the pixels"
        panel(place, photo, title, color, below, extent=(-0.5, 223.5, 223.5, -0.5))
        place.add_patch(
            Rectangle(
                (-pad - 0.5, -pad - 0.5), 224 + 2 * pad, 224 + 2 * pad, fc="#d8d8de", zorder=-1
            )
        )
        half = receptive_field(definition.windows()) / 2
        mid = at[(size - 1) // 2]
        place.add_patch(
            Rectangle((mid - half, mid - half), 2 * half, 2 * half, fill=False, ec=color, ls="--",
                      lw=1.1)
        )  # fmt: skip
        ys, xs = np.meshgrid(at, at, indexing="ij")
        place.plot(xs.ravel(), ys.ravel(), "o", ms=4.5, mfc="white", mec="black", mew=0.9)
        place.set(xlim=(-115, 339), ylim=(339, -115))
        place.spines[:].set_visible(False)
    note = (
        "dots: centres of the scores; dashed: what the middle one sees (404 pixels); "
        "grey: padding that is computed too"
    )
    figure.text(0.5, 0.02, note, ha="center", fontsize=8.5, color=GREY)
    figure.subplots_adjust(0.01, 0.12, 0.99, 0.93, 0.04)
    save(figure, "padding.png")


def telling(run, source):
    """The scene, of the first 20 with four classes or more, that the net knows best."""
    from fullconv import Predictor

    predictor, best = Predictor(run, "cpu"), {}
    for index in range(20):
        sample = source[index]
        found = predictor(sample.image).mask
        scores = Scores.from_confusion(confusion(sample.mask, found, len(source.classes), 255))
        if (scores.pixels > 0).sum() >= 4:
            best[index] = scores.mean_iu
    return max(best, key=best.get)


def channels(run):
    """Confusion 1: the same net and photo, three preparations."""
    from fullconv.checkpoints import load

    source = open_source("shapes", "val")
    chosen, checkpoint = telling(run, source), load(run)
    right = checkpoint.preprocessing
    ways = [
        ("as the checkpoint says", right, False, GOOD),
        ("red and blue exchanged", right, True, BAD),
        ("not scaled to 0..1", replace(right, scale=1.0), False, BAD),
    ]
    figure = Figure((10.4, 2.5))
    axes = figure.subplots(1, 4)
    panel(axes[0], source[chosen].image, "the photo")
    for place, (title, preparation, swap, color) in zip(axes[1:], ways, strict=True):
        total = np.zeros((len(source.classes),) * 2, np.int64)
        for index in range(20):
            sample = source[index]
            image = sample.image[..., ::-1].copy() if swap else sample.image
            with torch.inference_mode():
                found = checkpoint.net(preparation(torch.from_numpy(image)[None]))
            best = found.argmax(1)[0].numpy()
            total += confusion(sample.mask, best, len(source.classes), 255)
            if index == chosen:
                shown = pictures.colorize(best, source.classes)
        below = f"mean IU {100 * Scores.from_confusion(total).mean_iu:.1f} on 20 scenes"
        panel(place, shown, title, color, below)
    figure.subplots_adjust(0.01, 0.1, 0.99, 0.9, 0.05)
    save(figure, "channels.png")


def snapshot(run):
    """Confusion 5: what the file says of itself, and what bare weights leave open."""
    from safetensors import safe_open

    from fullconv import ClassSet, Predictor

    predictor, source = Predictor(run, "cpu"), open_source("shapes", "val")
    with safe_open(Path(run) / "model.safetensors", "numpy") as file:
        header = json.loads(file.metadata()["fullconv"])
    classes, photo = predictor.classes, source[telling(run, source)].image
    mask = predictor(photo).mask
    order = sorted(range(len(classes)), key=lambda i: classes.names[i])
    guessed = ClassSet([classes.names[i] for i in order], [classes.colors[i] for i in order])
    figure = Figure((10.4, 3.1))
    axes = figure.subplots(1, 4, width_ratios=[1.25, 1, 1, 1])
    axes[0].axis("off")
    text = "\n".join(
        [
            "model.safetensors",
            f"  format        {header['format']}",
            f"  net           {header['net']['name']}",
            f"  width         {header['net']['width']}",
            f"  padding       {header['net']['padding']}",
            f"  order         {header['preprocessing']['order']}",
            f"  classes       {', '.join(classes.names[:2])},",
            f"                {', '.join(classes.names[2:4])},",
            f"                {', '.join(classes.names[4:])}",
            "  colors        [[40, 44, 52], ...]",
            "  origin        recipe, data, step",
            "  + the weights",
        ]
    )
    axes[0].text(0, 0.97, text, family="DejaVu Sans Mono", fontsize=7.6, va="top", linespacing=1.5)
    panel(axes[1], photo, "the photo")
    panel(axes[2], pictures.overlay(photo, mask, classes), "as the file says", GOOD)
    panel(axes[3], pictures.overlay(photo, mask, guessed), "guessed: no error, wrong", BAD)
    for place in axes[1:]:
        place.set_anchor("N")
    figure.subplots_adjust(0.015, 0.05, 0.99, 0.91, 0.05)
    save(figure, "snapshot.png", 256)


def box(axes, left, middle, title, file, kind, width=1.62, height=0.92):
    """A step: what it does, and the file where it is written."""
    style = "round,pad=0.0,rounding_size=0.09"
    corner = (left, middle - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, fc=LANES[kind], ec=GREY))
    axes.text(left + width / 2, middle + 0.14, title, ha="center", va="center", fontsize=8.8)
    axes.text(left + width / 2, middle - 0.22, file, ha="center", va="center", fontsize=7.4,
              color="#444444", family="DejaVu Sans Mono")  # fmt: skip


def arrow(axes, start, end, label="", bend=0.0, lift=0.13):
    """An arrow with the shape of what travels along it."""
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=INK, lw=1.1,
                        connectionstyle=f"arc3,rad={bend}", shrinkA=1, shrinkB=1)
    )  # fmt: skip
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    axes.text(x, y + lift, label, ha="center", va="bottom", fontsize=7.4, color=GOOD)


def architecture():
    """The way of a photo and of a mask through the files."""
    sample = open_source("shapes:120x156:seed=1", "val")[2]
    classes = open_source("shapes", "val").classes
    figure = Figure((12.4, 4.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 14.9), ylim=(0, 5.4))
    axes.axis("off")
    top, low = 3.5, 1.75
    for image, middle, name in [
        (sample.image, top, "photo.jpg"),
        (pictures.colorize(sample.mask, classes), low, "mask.png"),
    ]:
        axes.imshow(image, extent=(0.15, 1.45, middle - 0.5, middle + 0.5), aspect="auto")
        axes.text(0.8, middle - 0.62, name, ha="center", va="top", fontsize=8)
    axes.set(xlim=(0, 14.9), ylim=(0, 5.4))
    box(axes, 2.0, top, "read, upright, RGB", "data/reading/image.py", "photo")
    box(axes, 2.0, low, "read, check values", "data/reading/mask.py", "mask")
    between, height = (top + low) / 2, top - low + 0.92
    box(
        axes,
        4.6,
        between,
        "scale, crop,\nmirror, turn",
        "data/augment/transforms.py",
        "both",
        1.7,
        height,
    )
    box(axes, 6.95, between, "batch of (seed, step)", "data/batches.py", "both", 1.75, height)
    box(axes, 9.6, top, "order, mean, scale", "models/preprocessing.py", "photo", 1.85)
    box(axes, 12.35, top, "FCN: scores", "models/fcn.py", "net", 1.5)
    box(axes, 9.6, low, "loss per pixel", "training/losses/criterion.py", "mask", 1.85)
    box(axes, 12.35, low, "class map", "inference/engine.py", "net", 1.5)
    for middle, shape in ((top, "H,W,3"), (low, "H,W")):
        arrow(axes, (1.45, middle), (2.0, middle))
        arrow(axes, (3.62, middle), (4.6, middle), shape)
        arrow(axes, (6.3, middle), (6.95, middle))
    arrow(axes, (8.7, top), (9.6, top), "N,H,W,3")
    arrow(axes, (8.7, low), (9.6, low), "N,H,W")
    arrow(axes, (11.45, top), (12.35, top), "N,C,H,W")
    arrow(axes, (12.35, top - 0.46), (11.45, low + 0.3), lift=0.08)
    axes.text(11.2, 2.62, "N,K,H,W", ha="center", fontsize=7.4, color=GOOD)
    arrow(axes, (13.3, top - 0.46), (13.3, low + 0.46))
    axes.text(13.37, 2.62, "N,K,H,W", ha="left", va="center", fontsize=7.4, color=GOOD)
    axes.plot([2.81, 2.81, 10.5, 10.5], [top + 0.46, 4.75, 4.75, top + 0.55], color=INK, lw=1.1)
    arrow(axes, (10.5, top + 0.75), (10.5, top + 0.46))
    axes.text(6.65, 4.83, "predict and evaluate: one photo at its own size, no augmentation",
              ha="center", fontsize=8.3)  # fmt: skip
    box(axes, 9.6, 0.5, "four scores", "metrics.py", "both", 1.85, 0.8)
    box(axes, 12.15, 0.5, "mask, overlay", "visualize.py", "both", 1.9, 0.8)
    arrow(axes, (13.3, low - 0.46), (13.3, 0.9))
    axes.text(13.37, 1.08, "H,W", fontsize=7.4, color=GOOD)
    arrow(axes, (12.6, low - 0.46), (11.45, 0.75))
    axes.plot([2.81, 2.81], [low - 0.46, 0.5], color=INK, lw=1.1)
    arrow(axes, (2.81, 0.5), (9.6, 0.5), "H,W: the truth at its own size", lift=0.06)
    save(figure, "architecture.png", 255)


def as_seen(image, vision):
    """A picture uint8 (H, W, 3) as somebody with that kind of colour vision sees it."""
    share = image / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    coded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8)


def palettes():
    """An overlay in CamVid's colours and in those far apart, as two people see them."""
    sample = open_source("shapes:160x208", "val")[3]
    own = replace(open_source("shapes", "val").classes, colors=CAMVID.colors[1:7])
    figure = Figure(figsize=(8.6, 4.9), layout="constrained")
    places = figure.subplots(2, 2)
    for row, palette in zip(places, ("classes", "colour-blind"), strict=True):
        shown = pictures.overlay(sample.image, sample.mask, recolored(own, palette))
        for axes, vision in zip(row, ("usual", "deuteranopia"), strict=True):
            panel(axes, as_seen(shown, vision), f"{palette}: {vision} vision")
    save(figure, "palettes.png", 255)


def labelling(run):
    """A net's prediction as shapes: along its pixels, within one pixel, within three."""
    from fullconv.inference import Predictor

    sample = open_source("shapes:160x208", "val")[3]
    prediction = Predictor(run, "cpu")(sample.image)
    figure = Figure(figsize=(10.4, 3.2), layout="constrained")
    for axes, tolerance in zip(figure.subplots(1, 3), (0, 1, 3), strict=True):
        regions = prediction.to_shapes(tolerance, smallest=16)
        outlines = [(r, o) for r in regions for o in r.outlines]
        rings = [(r, ring) for r, o in outlines for ring in (o.shell, *o.holes)]
        corners = sum(len(ring) for _, ring in rings)
        below = f"{len(regions)} regions, {corners:,} corners"
        panel(axes, prediction.image, f"--tolerance {tolerance}", below=below,
              extent=(0, 208, 160, 0))  # fmt: skip
        for region, ring in rings:
            color = np.array(prediction.classes.colors[region.value]) / 255
            x, y = np.concatenate([ring, ring[:1]]).T
            axes.plot(x, y, color="white", lw=2.2)
            axes.plot(x, y, "-o", color=color, lw=1.2, ms=2.2 if tolerance else 1.2)
    save(figure, "labelling.png", 255)


def main():
    """Draw all, or all that need no trained net."""
    HERE.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    architecture()
    averaged_labels()
    deconvolution()
    padding()
    palettes()
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "demo/run")
    if (run / "model.safetensors").is_file():
        channels(run)
        snapshot(run)
        labelling(run)
    else:
        print(f"{run} holds no model: channels, labelling and snapshot.png stay as they are")


if __name__ == "__main__":
    main()
