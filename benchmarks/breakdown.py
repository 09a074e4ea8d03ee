"""Where the time of a prediction and of a training step goes, by torch's profiler.

    python benchmarks/breakdown.py    # FCN-8s VGG16: 480x640 predicted, 375x500 learnt
    python benchmarks/breakdown.py --net fcn8s-resnet18 --width 0.25 --repeats 1

Operations are grouped by their name (convolution, pooling, ...), and others by the time when they
run: before the first convolution they preprocess the photo, after the last one of the forward pass
they upsample and compare scores, after the last one of the backward pass they update weights.
"""

import argparse
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.profiler import ProfilerActivity, profile

from fullconv.data import Batch
from fullconv.device import computes_bf16, keep_freed_memory, pick_device
from fullconv.inference import TorchEngine
from fullconv.models import NetSpec, build
from fullconv.models.registry import BACKBONES
from fullconv.training import make_config
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.step import Updater
from photos import mask_of, photo_of
from rate import TRAINING, gflop, product
from result import Result, Table
from turns import run

PREDICTED, LEARNT = (480, 640), (375, 500)
CLASSES = 21
LAYERS = {  # by the name of the operation, forward and backward
    "convolutions": "conv|filtered|multiplied",  # the last two: nets.conv
    "pooling": "pool",
    "ReLU": "relu",
    "dropout": "dropout",
    "norms": "batch_norm|batchnorm",
    "optimizer": "optimizer",
}
PREPARED, CHANGED = "preparing the photo", "optimizer"
BEHIND = {False: "enlargement, best class", True: "enlargement, loss"}
BETWEEN = "between operations"
OTHER = "other"

Span = tuple[str, float, float]
"""An operation that no other contains: name, begin and end in microseconds."""


def spans(work: Callable[[], object]) -> list[Span]:
    """What ``work`` does, in order; it is done once before."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    top: list[Any] = [event for event in found.events() or () if event.cpu_parent is None]
    return sorted(
        ((e.name, e.time_range.start, e.time_range.end) for e in top), key=lambda span: span[1]
    )


def shares(found: Sequence[Span]) -> Counter[str]:
    """Milliseconds of each kind of operation; ``BETWEEN`` is Python's time."""
    kinds = [kind_of(name) for name, _, _ in found]
    back = next((i for i, s in enumerate(found) if "Backward" in s[0]), len(found))
    forward = [i for i, kind in enumerate(kinds[:back]) if kind == "convolutions"]
    backward = [i for i, kind in enumerate(kinds) if kind == "convolutions" and i >= back]
    trains = bool(backward)
    total: Counter[str] = Counter()
    for place, (kind, (_, begin, end)) in enumerate(zip(kinds, found, strict=True)):
        if kind is None and place < forward[0]:
            kind = PREPARED
        elif kind is None and forward[-1] < place < (backward[0] if trains else len(found)):
            kind = BEHIND[trains]
        elif kind is None and trains and place > backward[-1]:
            kind = CHANGED
        total[kind or OTHER] += (end - begin) / 1000
    total[BETWEEN] = (found[-1][2] - found[0][1]) / 1000 - sum(total.values())
    return total


def kind_of(name: str) -> str | None:
    """The kind that an operation's name tells; None where it tells none."""
    return next((kind for kind, known in LAYERS.items() if re.search(known, name.lower())), None)


def prediction(spec: NetSpec, precision: Any) -> Callable[[], object]:
    """A photo's class map by torch."""
    engine = TorchEngine((build(spec), BACKBONES[spec.backbone].preprocessing), "cpu", precision)
    photo = photo_of(PREDICTED)
    return lambda: engine.class_map(photo)


def training(spec: NetSpec, precision: str) -> Callable[[], object]:
    """A step in the recipe that the training benchmark has."""
    keep_freed_memory()  # as `fullconv train` does
    changed = {"net.name": spec.name, "net.width": spec.width, "compute.precision": precision}
    config = make_config("heavy-vgg16", overrides=changed)
    numbers: Any = "bf16-mixed" if precision == "bf16" else "32-true"
    fabric = Fabric(accelerator="cpu", devices=1, precision=numbers)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    preprocessing = BACKBONES[spec.backbone].preprocessing
    updater = Updater(config, fabric, build(spec), preprocessing, criterion, 1000)
    photos = torch.from_numpy(photo_of(LEARNT).copy())[None]
    masks = torch.from_numpy(mask_of(LEARNT, CLASSES))[None]
    return lambda: updater.step(Batch(0, photos, masks, ["photo"]))


def median_of(counts: Sequence[Counter[str]]) -> Counter[str]:
    """The median of each kind."""
    kinds = dict.fromkeys(kind for count in counts for kind in count)
    return Counter({k: statistics.median(count[k] for count in counts) for k in kinds})


def table(title: str, measured: Counter[str]) -> Table:
    """The kinds, the largest first."""
    whole = sum(measured.values())
    lines = [
        [kind, f"{ms:.0f}", f"{100 * ms / whole:.1f} %"]
        for kind, ms in measured.most_common()
        if ms >= 0.0005 * whole
    ]
    return Table(title, ("", "ms", "share"), [*lines, ["in all", f"{whole:.0f}", ""]])


def sentence(what: str, measured: Counter[str], work: float, reached: float) -> str:
    """The paragraph of one profile: what the convolutions take and reach, and what the rest is."""
    whole = sum(measured.values())
    convolutions = measured["convolutions"]
    rate = 1000 * work / convolutions
    rest = Counter({k: ms for k, ms in measured.items() if k != "convolutions"})
    named = ", ".join(f"{kind} {100 * ms / whole:.1f} %" for kind, ms in rest.most_common(4))
    faster = whole / (whole - convolutions + 1000 * work / reached)
    at_the_rate = f"; with convolutions as fast as the product, {faster:.2f} times"
    if rate > reached:
        at_the_rate = "; the rate counts the products of a plain convolution, of which less is done"
    return (
        f"{what}: {100 * convolutions / whole:.0f} % of {whole / 1000:.2f} s are convolutions, at "
        f"{rate:.0f} GFLOP/s, {100 * rate / reached:.0f} % of what a matrix product reaches "
        f"({reached:.0f}). The rest: {named}. Without the rest it would be "
        f"{whole / convolutions:.2f} times as fast{at_the_rate}."
    )


def main() -> None:
    """Profile both, print tables and paragraph."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="fcn8s-vgg16")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="write the result to this file too")
    given = parser.parse_args()
    precisions = ["fp32", *(["bf16"] if computes_bf16(pick_device("cpu")) else [])]
    spec, result = NetSpec(given.net, CLASSES, width=given.width), Result()
    for precision in precisions:
        reached = statistics.median(run(product(precision))["gflops"])
        for what, make, size, passes in (
            ("A prediction", prediction, PREDICTED, 1),
            ("A training step", training, LEARNT, TRAINING),
        ):
            work = make(spec, precision)
            found = median_of([shares(spans(work)) for _ in range(given.repeats)])
            title = f"{what} of {size[0]}x{size[1]}, {precision}"
            result.tables.append(table(title, found))
            result.notes.append(sentence(title, found, gflop(spec, size, passes), reached))
    result.finish(given.json)


if __name__ == "__main__":
    main()
