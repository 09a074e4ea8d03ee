"""A training step of other programs and of fullconv: seconds and memory.

    python benchmarks/training.py                 # FCN-8s VGG16 on a VOC-sized photo, and ResNet-18
    python benchmarks/training.py --rounds 5 --only peers

The first table has one photo of 375x500 and the other programs' recipe: the loss summed over the
pixels, SGD with momentum 0.99. The second shows the effect of fullconv's settings: layout, batch,
and whether freed memory is kept. Peak memory is that of the whole process, once the net is loaded.
"Foretold" is fullconv's own estimate.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import rate
import same_weights
from fullconv.device import computes_bf16, pick_device
from fullconv.models import NetSpec
from fullconv.models.backbones.definition import Padding
from photos import mask_of, photo_of
from result import Result, Table
from turns import Found, Way, in_turn

VGG, SMALL = (375, 500), (256, 352)
PEER = "pytorch-fcn"


@dataclass(frozen=True)
class Row:
    """One way of training; ``overrides`` are of the config, for this project's own."""

    name: str
    script: str = "fullconv_step"
    file: str = ""
    size: tuple[int, int] = VGG
    padding: Padding = "same"
    recipe: str = "heavy-vgg16"
    bf16: bool = False
    keeps_memory: bool = True
    overrides: dict[str, Any] = field(default_factory=dict)

    def way(self, folder: Path, repeats: int) -> Way:
        """Its turn; photo and mask of its size lie in ``folder``."""
        size = f"{self.size[0]}x{self.size[1]}"
        job = {
            "do": "train",
            "weights": str(folder / self.file) if self.file else "",
            "photo": str(folder / f"{size}.npy"),
            "mask": str(folder / f"{size} mask.npy"),
            "size": self.size,
            "classes": same_weights.CLASSES,
            "recipe": self.recipe,
            "fabric": "bf16-mixed" if self.bf16 else "32-true",
            "keeps_memory": self.keeps_memory,
            "overrides": {"compute.precision": "bf16" if self.bf16 else "fp32", **self.overrides},
            "repeats": repeats,
        }
        return Way(self.name, self.script, job)


def ours(padding: Padding, precision: str, layout: str = "", **overrides: Any) -> Row:
    """FCN-8s of VGG16 by this project, in the recipe of the peers."""
    name = f"fullconv, {padding}{layout}, {precision}"
    all_of_them = {"net.padding": padding, **overrides}
    return Row(name, padding=padding, bf16=precision == "bf16", overrides=all_of_them)


def small(name: str, batch: int, bf16: bool = False, keeps_memory: bool = True) -> Row:
    """FCN-4s of ResNet-18, the net of the CamVid recipe."""
    overrides = {
        "net.name": "fcn4s-resnet18",
        "schedule.batch_size": batch,
        "optimizer.kind": "sgd",
        "optimizer.lr": 1e-5,
        "optimizer.ema": None,
    }
    name = f"ResNet-18, batch {batch}, {name}{'bf16' if bf16 else 'fp32'}"
    return Row(
        name,
        size=SMALL,
        recipe="scratch",
        bf16=bf16,
        keeps_memory=keeps_memory,
        overrides=overrides,
    )


NCHW = {"compute.channels_last": False}
TORCHS = {"compute.cpu_kernels": "torch"}
TWICE, AGAIN = (
    ", two segments again",
    {"compute.activation_checkpointing": 2},
)  # as --memory does where short
PEERS = (
    Row(PEER, "pytorch_fcn", "fcn8s.pth", padding="paper"),
    Row("wkentaro/fcn, Chainer 7.8.1", "chainer_fcn", "fcn8s.npz", padding="paper"),
    ours("paper", "fp32"),
    ours("paper", "bf16"),
    ours("same", "fp32"),
    ours("same", "fp32", TWICE, **AGAIN),
    replace(ours("same", "fp32", f"{TWICE}, freed memory returned", **AGAIN), keeps_memory=False),
    ours("same", "bf16"),
)
SETTINGS = (
    ours("same", "fp32", ", torch's convolutions", **TORCHS),
    ours("same", "fp32", ", torch's convolutions in NCHW", **TORCHS, **NCHW),
    small("", 8),
    small("freed memory returned, ", 8, keeps_memory=False),
    small("", 4),
    small("", 8, bf16=True),
)


def prepare(folder: Path) -> None:
    """Write weights, photos and masks."""
    same_weights.make(folder)
    for size in (VGG, SMALL):
        name = f"{size[0]}x{size[1]}"
        np.save(folder / f"{name}.npy", photo_of(size))
        np.save(folder / f"{name} mask.npy", mask_of(size, same_weights.CLASSES))


def peers_table(found: Found, rows: Sequence[Row]) -> Table:
    """Against pytorch-fcn."""
    head = (
        "", "s/step", "times pytorch-fcn", "GFLOP/s", "of the product", "peak MiB",
        "of pytorch-fcn's", "foretold MiB",
    )  # fmt: skip
    lines = []
    for row in rows:
        if row.name not in found.answers:
            continue
        seconds, mib = found.median(row.name, "seconds"), found.median(row.name, "mib")
        ratios = ["-", "-"]
        if PEER in found.answers:
            ratios[0] = f"{found.median(PEER, 'seconds') / seconds:.2f}"
            ratios[1] = f"{100 * mib / found.median(PEER, 'mib'):.0f} %"
        spec = NetSpec(same_weights.NET, same_weights.CLASSES, padding=row.padding)
        speed = rate.gflop(spec, row.size, rate.TRAINING) / seconds
        reached = rate.share(found, speed, "bf16" if row.bf16 else "fp32")
        line = [row.name, f"{seconds:.2f}", ratios[0], f"{speed:.0f}", reached]
        lines.append([*line, f"{mib:.0f}", ratios[1], foretold(found, row)])
    return Table("FCN-8s VGG16, one photo of 375x500", head, lines)


def settings_table(found: Found, rows: Sequence[Row]) -> Table:
    """This project alone."""
    lines = [
        [
            row.name,
            f"{found.median(row.name, 'seconds'):.2f}",
            f"{found.median(row.name, 'mib'):.0f}",
            foretold(found, row),
        ]
        for row in rows
        if row.name in found.answers
    ]
    title = "Settings; ResNet-18 is fcn4s-resnet18 on photos of 256x352"
    return Table(title, ("", "s/step", "peak MiB", "foretold MiB"), lines)


def foretold(found: Found, row: Row) -> str:
    """What this project said it would take."""
    said = found.answers[row.name][0].get("foretold")
    return "-" if said is None else f"{said:.0f}"


def main() -> None:
    """Prepare, measure in turn, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="steps of a turn that count")
    parser.add_argument("--only", choices=("peers", "settings"), help="one of the two tables")
    parser.add_argument("--files", type=Path, help="where the weights are kept")
    parser.add_argument("--json", help="write the result to this file too")
    given = parser.parse_args()
    bf16 = computes_bf16(pick_device("cpu"))
    asked = {"peers": PEERS, "settings": SETTINGS}
    peers, settings = (
        [row for row in rows if given.only in (None, name) and (bf16 or not row.bf16)]
        for name, rows in asked.items()
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.files or Path(temporary)
        prepare(folder)
        ways = [row.way(folder, given.repeats) for row in [*peers, *settings]]
        found = in_turn([*rate.products(bf16), *ways], given.rounds)
    tables = [peers_table(found, peers), settings_table(found, settings)]
    result = Result([table for table in tables if table.rows], [rate.said(found)])
    if not bf16:
        result.notes.append("This processor does not compute in bf16: those rows are left out.")
    result.notes += [f"Left out: {name}: {why}." for name, why in found.left_out.items()]
    result.finish(given.json)


if __name__ == "__main__":
    main()
