"""Seconds and memory of a training step: padding, precision, layout, batch, and the allocator.

    python benchmarks/training.py                 # FCN-8s VGG16 on a VOC-sized photo, and ResNet-18
    python benchmarks/training.py --rounds 5

Each variant runs in a process of its own (so that its peak memory is its own), all variants in turn
in each round; medians over the rounds, and the ratio to the first variant of its group.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Variant:
    """One way of training; ``size`` is H x W of the photos."""

    group: str
    name: str
    net: str
    size: tuple[int, int]
    padding: str = "same"
    precision: str = "fp32"
    channels_last: bool = True
    keeps_memory: bool = True
    batch: int = 1


VGG, SMALL = "fcn8s-vgg16, 375x500", "fcn4s-resnet18, 256x352"
VARIANTS = [
    Variant(VGG, "padding paper, NCHW", "fcn8s-vgg16", (375, 500), "paper", channels_last=False),
    Variant(VGG, "padding same, NCHW", "fcn8s-vgg16", (375, 500), channels_last=False),
    Variant(VGG, "padding same, channels-last", "fcn8s-vgg16", (375, 500)),
    Variant(VGG, "padding same, channels-last, bf16", "fcn8s-vgg16", (375, 500), precision="bf16"),
    Variant(SMALL, "batch 8", "fcn4s-resnet18", (256, 352), batch=8),
    Variant(
        SMALL,
        "batch 8, freed memory returned",
        "fcn4s-resnet18",
        (256, 352),
        keeps_memory=False,
        batch=8,
    ),
    Variant(SMALL, "batch 4", "fcn4s-resnet18", (256, 352), batch=4),
    Variant(SMALL, "batch 8, bf16", "fcn4s-resnet18", (256, 352), precision="bf16", batch=8),
]


def measure(variant: Variant, steps: int) -> dict[str, float]:
    """Median seconds of a step, peak MiB of the process, and what fullconv foretold."""
    import time

    import torch
    from lightning_fabric import Fabric

    from fullconv.data import Batch
    from fullconv.device import MIB, keep_freed_memory, peak_mib
    from fullconv.nets import NetSpec, build
    from fullconv.nets.spec import BACKBONES
    from fullconv.train import make_config
    from fullconv.train.loss import make_criterion
    from fullconv.train.memory import estimate
    from fullconv.train.update import Updater

    if variant.keeps_memory:
        keep_freed_memory()
    config = make_config(
        overrides={
            "net.name": variant.net,
            "net.padding": variant.padding,
            "machine.precision": variant.precision,
            "machine.channels_last": variant.channels_last,
            "length.batch": variant.batch,
            "optimiser.kind": "sgd",
            "optimiser.rate": 1e-5,
            "optimiser.ema": None,
        }
    )
    precision = "bf16-mixed" if variant.precision == "bf16" else "32-true"
    fabric = Fabric(accelerator="auto", devices=1, precision=precision)
    net = build(NetSpec(variant.net, 21, padding=variant.padding))
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    preprocessing = BACKBONES[net.spec.backbone].preprocessing
    updater = Updater(config, fabric, net, preprocessing, criterion, 1000)
    images = torch.randint(0, 256, (variant.batch, *variant.size, 3), dtype=torch.uint8)
    masks = torch.randint(0, 21, (variant.batch, *variant.size), dtype=torch.uint8)
    seconds = []
    for step in range(steps + 1):
        before = time.perf_counter()
        updater.step(Batch(step, images, masks, ["noise"] * variant.batch))
        seconds.append(time.perf_counter() - before)
    return {
        "seconds": statistics.median(seconds[1:]),
        "mib": peak_mib(fabric.device),
        "foretold": estimate(config, net.spec, variant.size).total / MIB,
    }


def main() -> None:
    """Run all variants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        fields = json.loads(given.one)
        fields["size"] = tuple(fields["size"])
        print(json.dumps(measure(Variant(**fields), given.steps)))
        return
    from fullconv.device import computes_bf16, pick_device

    variants = [v for v in VARIANTS if v.precision == "fp32" or computes_bf16(pick_device())]
    found: dict[Variant, list[dict[str, float]]] = {variant: [] for variant in variants}
    for _ in range(given.rounds):
        for variant in variants:
            command = [sys.executable, __file__, "--steps", str(given.steps), "--one"]
            done = subprocess.run(
                [*command, json.dumps(asdict(variant))], check=True, stdout=subprocess.PIPE
            )
            found[variant].append(json.loads(done.stdout.splitlines()[-1]))
    print("| net and size | variant | s/step | speed | peak MiB | foretold MiB |")
    print("|---|---|---|---|---|---|")
    first: dict[str, float] = {}
    for variant, rows in found.items():
        seconds = statistics.median(row["seconds"] for row in rows)
        ratio = first.setdefault(variant.group, seconds) / seconds
        peak = statistics.median(row["mib"] for row in rows)
        foretold = rows[0]["foretold"]
        print(
            f"| {variant.group} | {variant.name} | {seconds:.2f} | {ratio:.2f} | {peak:.0f} "
            f"| {foretold:.0f} |"
        )


if __name__ == "__main__":
    main()
