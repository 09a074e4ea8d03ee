"""Seconds, memory and size of an exported net in int8 and in fp32, by each runtime.

    python benchmarks/int8.py                               # FCN-8s VGG16 at 480x640
    python benchmarks/int8.py --nets fcn8s-vgg16,fcn4s-resnet18 --sizes 375x500 --rounds 5
    python benchmarks/int8.py --run RUN --data DATA         # and what int8 costs a trained net

One photo at a time, from uint8 RGB to the best class of each pixel, as `fullconv predict` runs the
files of `fullconv export`; padding `same`. Each runtime runs in a process of its own, in turn in
each round. The weights are random, which does not change the time. The gain of int8 depends on the
processor: VNNI and AMX multiply 8-bit numbers in one instruction, AVX2 in three.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.models import NetSpec, build
from fullconv.models.registry import BACKBONES
from photos import photo_of
from prediction import calibration_photos
from result import Result, Table
from turns import Found, TurnError, Way, fullconv, in_turn

CLASSES = 21
HEAD = ("", "s", "times torch", "times fp32", "peak MiB", "file MiB", "equal argmax")


@dataclass(frozen=True)
class Row:
    """What runs a file of the benchmark's folder."""

    name: str
    file: str
    engine: str


ROWS = (
    Row("torch, fp32", "net.safetensors", "torch"),
    Row("ONNX Runtime, fp32", "net.onnx", "onnxruntime"),
    Row("ONNX Runtime, int8", "net-int8.onnx", "onnxruntime"),
    Row("OpenVINO, fp32", "net.xml", "openvino"),
    Row("OpenVINO, int8", "net-int8.xml", "openvino"),
)


def prepare(folder: Path, net: str, calibration: Path) -> dict[str, str]:
    """Write the net and its exports; what could not be written, with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    made = build(NetSpec(net, CLASSES)).eval()
    for layer in made.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    classes = ClassSet(tuple(f"class {i}" for i in range(CLASSES)))
    preprocessing = BACKBONES[made.spec.backbone].preprocessing
    save(folder / "net.safetensors", Checkpoint(made, classes, preprocessing))
    missing = {}
    for row in ROWS[1:]:
        to = "onnx" if row.file.endswith(".onnx") else "openvino"
        int8 = ("--int8", "--calibrate", str(calibration), "--accept-drop")
        options = int8 if "int8" in row.file else ()
        try:
            command = ("export", folder / "net.safetensors", "--to", to, *options)
            fullconv(*command, "--out", folder / row.file)
        except TurnError as error:
            missing[row.file] = str(error)
    return missing


def way(folder: Path, net: str, row: Row, size: str, repeats: int) -> Way:
    """A turn of a row."""
    job = {
        "weights": str(folder / net / row.file),
        "photo": str(folder / f"{size}.npy"),
        "out": str(folder / net / f"{row.name} {size}.npy"),
        "engine": row.engine,
        "precision": "fp32",
        "repeats": repeats,
    }
    return Way(f"{net}, {size}, {row.name}", "fullconv_net", job)


def table(found: Found, folder: Path, net: str, size: str) -> Table:
    """A net at a size."""
    ways = {row.name: way(folder, net, row, size, 0) for row in ROWS}
    reference = np.load(ways[ROWS[0].name].job["out"])
    lines = []
    for row in ROWS:
        own = ways[row.name]
        if own.name in found.answers:
            same = (np.load(own.job["out"]) == reference).mean()
            lines.append(
                [
                    row.name,
                    f"{found.median(own.name, 'seconds'):.3f}",
                    times(found, ways[ROWS[0].name], own),
                    times(found, ways[row.name.replace("int8", "fp32")], own),
                    f"{found.median(own.name, 'mib'):.0f}",
                    f"{size_of(Path(own.job['weights'])) / 2**20:.0f}",
                    f"{100 * same:.2f} %",
                ]
            )
    return Table(f"{net}, {size}", HEAD, lines)


def times(found: Found, slow: Way, fast: Way) -> str:
    """How many times as fast one is."""
    if slow.name not in found.answers:
        return "-"
    return f"{found.median(slow.name, 'seconds') / found.median(fast.name, 'seconds'):.2f}"


def size_of(file: Path) -> int:
    """Bytes of an export, of OpenVINO with its weights."""
    files = [file, *([file.with_suffix(".bin")] if file.suffix == ".xml" else [])]
    return sum(each.stat().st_size for each in files)


def trained(run: str, data: str, folder: Path) -> Iterator[list[str]]:
    """The mean IU of a trained net in each form, on the data's split val."""
    first = None
    for row in ROWS:
        file = Path(run)
        if row.engine != "torch":
            file = folder / f"trained{row.file.removeprefix('net')}"
            int8 = ("--int8", "--calibrate", data) if "int8" in row.file else ()
            to = "onnx" if row.engine == "onnxruntime" else "openvino"
            fullconv("export", run, "--to", to, *int8, "--out", file)
        fullconv("evaluate", file, data, "--out", folder / "scores")
        scored = 100 * json.loads((folder / "scores" / "scores.json").read_text())["mean_iu"]
        first = scored if first is None else first
        yield [row.name, f"{scored:.2f}", f"{scored - first:+.2f}"]


def measure(given: argparse.Namespace, folder: Path) -> Result:
    """All that was asked for."""
    nets, sizes = given.nets.split(","), given.sizes.split(",")
    for size in sizes:
        height, width = map(int, size.split("x"))
        np.save(folder / f"{size}.npy", photo_of((height, width)))
    missing = {net: prepare(folder / net, net, calibration_photos(folder)) for net in nets}
    cases = [(net, size) for net in nets for size in sizes]
    ways = [
        way(folder, net, row, size, given.repeats)
        for net, size in cases
        for row in ROWS
        if row.file not in missing[net]
    ]
    found = in_turn(ways, given.rounds)
    result = Result([table(found, folder, net, size) for net, size in cases])
    left_out = {f"{net}, {file}": why for net in nets for file, why in missing[net].items()}
    result.notes = [
        f"Left out: {name}: {why}." for name, why in (left_out | found.left_out).items()
    ]
    if given.run and given.data:
        rows: Sequence[list[str]] = list(trained(given.run, given.data, folder))
        result.tables.append(Table("A trained net, val", ("", "mean IU", "difference"), rows))
    return result


def main() -> None:
    """Prepare, measure in turn, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default="fcn8s-vgg16")
    parser.add_argument("--sizes", default="480x640")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="forwards of a turn that count")
    parser.add_argument("--run", help="a trained run, to compare the mean IU of its forms")
    parser.add_argument("--data", help="the data to calibrate and to score it on")
    parser.add_argument("--json", help="write the result to this file too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given, Path(folder)).finish(given.json)


if __name__ == "__main__":
    main()
