"""Seconds and memory of a training step: as it is, recomputing, and within a limit.

    python benchmarks/memory.py                        # fcn8s-vgg16 on VOC-sized photos
    python benchmarks/memory.py --small                # the estimate against many small trainings
    python benchmarks/memory.py --device cuda          # the same on a GPU

Each training runs in a process of its own, so that its peak memory is its own. "before" is the
memory of the process before the net, "peak" its peak, "foretold" fullconv's estimate. "error" is
that of the whole estimate, "on top" that of the part above the process itself.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Training:
    """What is trained; ``memory`` is a limit, as 4GB, within which the rest is chosen."""

    net: str
    size: tuple[int, int]
    batch: int = 1
    accumulate: int = 1
    recompute: int = 0
    memory: str | None = None
    padding: str = "same"
    optimizer: str = "sgd"
    width: float = 1.0
    classes: int = 21
    ema: bool = False
    jaccard: float = 0.0
    precision: str = "auto"

    @property
    def name(self) -> str:
        """All that is not as usual."""
        usual = Training(self.net, self.size)
        said = [
            f"{key}={value}"
            for key, value in asdict(self).items()
            if key not in ("net", "size") and value != getattr(usual, key)
        ]
        return f"{self.net} {self.size[0]}x{self.size[1]} {' '.join(said)}".strip()


VGG = ("fcn8s-vgg16", (375, 500))
LARGE = [
    Training(*VGG),
    Training(*VGG, recompute=2),
    Training(*VGG, recompute=99),
    Training(*VGG, batch=4),
    Training(*VGG, batch=4, memory="4GB"),
]
SMALL = [
    Training("fcn8s-vgg16", (375, 500), width=0.25),
    Training("fcn8s-vgg16", (375, 500), width=0.25, recompute=1),
    Training("fcn8s-vgg16", (375, 500), width=0.25, recompute=99),
    Training("fcn8s-vgg16", (256, 256), width=0.25, batch=4),
    Training("fcn8s-vgg16", (256, 256), width=0.25, batch=2, accumulate=2, ema=True),
    Training("fcn8s-vgg16", (96, 96), width=0.5, optimizer="adamw"),
    Training("fcn8s-vgg16", (96, 96), width=0.5, accumulate=2),
    Training("fcn32s-caffenet", (375, 500), width=0.5, batch=4),
    Training("fcn4s-resnet18", (256, 352), width=0.75, batch=4, optimizer="adamw", ema=True),
    Training("fcn4s-resnet18", (256, 352), batch=8, jaccard=1.0, classes=11),
    Training("fcn4s-resnet18", (256, 352), batch=8, recompute=99, classes=11),
    Training("fcn8s-resnet50", (256, 256), width=0.5, batch=4),
    Training("fcn8s-resnet50", (256, 256), width=0.5, batch=4, recompute=99),
    Training("fcn8s-googlenet", (256, 256), batch=4),
    Training("fcn8s-googlenet", (256, 256), batch=4, recompute=3),
    Training("fcn8s-resnet18", (256, 256), batch=4, width=0.5, classes=150),
]


def config_of(training: Training, device: str):
    """The config of a training."""
    from fullconv.device import pick_device, pick_precision
    from fullconv.training import make_config

    return make_config(
        "scratch",
        overrides={
            "net.name": training.net,
            "net.padding": training.padding,
            "net.width": training.width,
            "compute.device": device,
            "compute.precision": pick_precision(training.precision, pick_device(device)),
            "compute.activation_checkpointing": training.recompute,
            "compute.memory": training.memory,
            "schedule.batch_size": training.batch,
            "schedule.accumulate": training.accumulate,
            "optimizer.kind": training.optimizer,
            "optimizer.lr": 1e-5,
            "optimizer.clip": None,
            "optimizer.ema": 0.99 if training.ema else None,
        }
        | ({"loss.jaccard.weight": training.jaccard} if training.jaccard else {}),
    )


def measure(training: Training, device: str, steps: int) -> dict:
    """Median seconds of a step, MiB before and at the peak, and what fullconv foretold."""
    import time

    from peers.left_out import not_installed

    not_installed("torchmetrics")

    import torch

    from fullconv.data import Batch
    from fullconv.device import MIB, peak_mib
    from fullconv.models import build
    from fullconv.models.registry import BACKBONES
    from fullconv.training.losses.criterion import make_criterion
    from fullconv.training.memory import memory_budget as budget
    from fullconv.training.memory.step_memory import estimate
    from fullconv.training.parallel.processes import processes_of
    from fullconv.training.step import Updater

    config = config_of(training, device)
    spec = config.spec(training.classes)
    config = budget.within(config, spec, training.size)
    need = estimate(config, spec, training.size)
    fabric = processes_of(config)
    budget.enforce(config)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    preprocessing = BACKBONES[spec.backbone].preprocessing
    updater = Updater(config, fabric, build(spec), preprocessing, criterion, 1000)
    count = config.schedule.batch_size * config.schedule.accumulate
    images = torch.randint(0, 256, (count, *training.size, 3), dtype=torch.uint8)
    masks = torch.randint(0, training.classes, (count, *training.size), dtype=torch.uint8)
    seconds = []
    for step in range(steps + 1):
        before = time.perf_counter()
        updater.step(Batch(step, images, masks, ["noise"] * count))
        seconds.append(time.perf_counter() - before)
    return {
        "seconds": statistics.median(seconds[1:]),
        "before": need.process / MIB,
        # On a GPU torch counts its own arrays only; CUDA's share is what was there before.
        "peak": peak_mib(fabric.device) + (need.process / MIB if device == "cuda" else 0),
        "foretold": need.total / MIB,
        "uses": {use: v // MIB for use, v in asdict(need).items()},
        "way": budget.way_of(config, spec, training.size),
    }


def main() -> None:
    """Print one row a training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=2, help="steps that are timed")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        fields = json.loads(given.one)
        fields["size"] = tuple(fields["size"])
        print(json.dumps(measure(Training(**fields), given.device, given.steps)))
        return
    print("| training | s/step | before MiB | peak MiB | foretold | error | on top |")
    print("|---|---|---|---|---|---|---|")
    for training in SMALL if given.small else LARGE:
        command = [sys.executable, __file__, "--device", given.device, "--steps", str(given.steps)]
        command += ["--one", json.dumps(asdict(training))]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        row = json.loads(done.stdout.splitlines()[-1])
        before, peak, foretold = (row[key] for key in ("before", "peak", "foretold"))
        print(
            f"| {training.name}, {row['way']} | {row['seconds']:.2f} | {before:.0f} | {peak:.0f} | "
            f"{foretold:.0f} | {foretold / peak - 1:+.0%} | "
            f"{(foretold - before) / (peak - before) - 1:+.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
