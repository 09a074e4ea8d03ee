"""Predicting one photo with other programs and with fullconv: seconds, memory, agreement.

    python benchmarks/prediction.py                      # 480x640 and 375x500, three rounds
    python benchmarks/prediction.py --sizes 96x128 --rounds 1
    python benchmarks/prediction.py --run RUN --data DATA   # and the mean IU of a trained net

FCN-8s VGG16, 21 classes, one photo at a time, from the photo (uint8 RGB) to the best class of each
pixel. All programs have the same weights. `paper` is the padding of the original, which the other
programs use; `same` is fullconv's default. Peak memory is that of the whole process, once the net
is loaded.

The weights in all formats take five gigabytes of a temporary folder; --files names another one.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rate
import same_weights
import trained_net
from fullconv.device import computes_bf16, pick_device
from fullconv.models import NetSpec
from fullconv.models.backbones.definition import Padding
from photos import photo_of, real_photos
from result import Result, Table
from turns import Found, TurnError, Way, fullconv, in_turn

PEER, OURS = "pytorch-fcn", "fullconv, torch, same, fp32"
HEAD = (
    "", "s", "times pytorch-fcn", "GFLOP/s", "of the product", "peak MiB", "equal argmax",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A way of predicting: ``file`` names what it loads, in the folder of the benchmark."""

    name: str
    padding: Padding
    script: str
    file: str
    engine: str = "auto"
    precision: str = "fp32"

    def way(self, folder: Path, size: str, repeats: int) -> Way:
        """Its turn with a photo of ``size``."""
        job = {
            "do": "predict",
            "weights": str(folder / self.file.format(size=size)),
            "photo": str(folder / f"{size}.npy"),
            "out": str(folder / f"{self.name.replace('/', ' ')} {size}.npy"),
            "classes": same_weights.CLASSES,
            "engine": self.engine,
            "precision": self.precision,
            "repeats": repeats,
        }
        return Way(f"{self.name}, {size}", self.script, job)


def ours(engine: str, padding: Padding, file: str, precision: str = "fp32") -> Row:
    """A row of this project's."""
    what = f"int8, the rest {precision}" if "int8" in file else precision
    name = f"fullconv, {trained_net.ENGINES[engine]}, {padding}, {what}"
    return Row(name, padding, "fullconv_net", file, engine, precision)


ROWS = (
    Row(PEER, "paper", "pytorch_fcn", "fcn8s.pth"),
    Row("wkentaro/fcn, Chainer 7.8.1", "paper", "chainer_fcn", "fcn8s.npz"),
    Row("OpenCV 4 dnn, paper", "paper", "opencv_dnn", "paper_{size}.onnx"),
    ours("torch", "paper", "paper.safetensors"),
    ours("torch", "paper", "paper.safetensors", "bf16"),
    ours("winograd", "paper", "paper.safetensors"),
    Row("OpenCV 4 dnn, same", "same", "opencv_dnn", "same_{size}.onnx"),
    ours("torch", "same", "same.safetensors"),
    ours("torch", "same", "same.safetensors", "bf16"),
    ours("winograd", "same", "same.safetensors"),
    ours("onnxruntime", "same", "same.onnx"),
    ours("openvino", "same", "same.onnx"),
    ours("openvino", "same", "same.onnx", "bf16"),
    ours("openvino", "same", "int8.xml"),
    ours("openvino", "same", "int8.xml", "bf16"),
)


def prepare(folder: Path, sizes: Sequence[tuple[int, int]]) -> dict[str, str]:
    """Write weights, photos and exports; what could not be written, with the reason."""
    same_weights.make(folder)
    exports: dict[str, tuple[str, ...]] = {"same.onnx": ("same.safetensors",)}
    for height, width in sizes:
        size = f"{height}x{width}"
        np.save(folder / f"{size}.npy", photo_of((height, width)))
        for padding in ("paper", "same"):
            options = ("--size", size, "--no-preprocess")
            exports[f"{padding}_{size}.onnx"] = (f"{padding}.safetensors", *options)
    calibration = calibration_photos(folder)
    int8 = ("--to", "openvino", "--int8", "--calibrate", str(calibration), "--accept-drop")
    exports["int8.xml"] = ("same.safetensors", *int8)
    missing = {}
    for name, (source, *options) in exports.items():
        if not (folder / name).exists():
            try:
                fullconv("export", folder / source, *options, "--out", folder / name)
            except TurnError as error:
                missing[name] = str(error)
    return missing


def calibration_photos(folder: Path) -> Path:
    """The real photos, else eight drawn scenes."""
    if found := real_photos():
        return found[0].parent
    if not (folder / "scenes").exists():
        fullconv("shapes", folder / "scenes", "--number", "8", "--split", "test")
    return folder / "scenes" / "images" / "test"


def table(found: Found, rows: Sequence[Row], folder: Path, size: tuple[int, int]) -> Table:
    """The rows of one size that were measured."""
    text = f"{size[0]}x{size[1]}"
    lines, references = [], {"paper": PEER, "same": OURS}
    ways = {row.name: row.way(folder, text, 0) for row in rows}
    for row in rows:
        way = ways[row.name]
        if way.name not in found.answers:
            continue
        seconds = found.median(way.name, "seconds")
        spec = NetSpec(same_weights.NET, same_weights.CLASSES, padding=row.padding)
        speed = rate.gflop(spec, size) / seconds
        is_int8 = "int8" in row.file
        lines.append(
            [
                row.name,
                f"{seconds:.2f}",
                times(found, ways, seconds),
                f"{speed:.0f}",
                "-" if is_int8 else rate.share(found, speed, row.precision),
                f"{found.median(way.name, 'mib'):.0f}",
                agreement(found, way, ways.get(references[row.padding])),
            ]
        )
    return Table(text, HEAD, lines)


def times(found: Found, ways: dict[str, Way], seconds: float) -> str:
    """How many times as fast as pytorch-fcn."""
    peer = ways[PEER].name if PEER in ways else ""
    return f"{found.median(peer, 'seconds') / seconds:.2f}" if peer in found.answers else "-"


def agreement(found: Found, way: Way, reference: Way | None) -> str:
    """The share of pixels with the same best class as the row that is the reference."""
    if reference is None or reference.name not in found.answers:
        return "-"
    own, other = (np.load(each.job["out"]) for each in (way, reference))
    return f"{100 * (own == other).mean():.2f} %"


def main() -> None:
    """Prepare, measure in turn, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="480x640,375x500")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="forwards of a turn that count")
    parser.add_argument("--run", help="a trained run, whose mean IU by each engine is compared")
    parser.add_argument("--data", help="the data to score it on")
    parser.add_argument("--split", default="val")
    parser.add_argument("--files", type=Path, help="where weights and exports are kept")
    parser.add_argument("--json", help="write the result to this file too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.files or Path(temporary)
        measure(given, folder).finish(given.json)


def measure(given: argparse.Namespace, folder: Path) -> Result:
    """All that was asked for."""
    sizes = [(int(h), int(w)) for h, w in (s.split("x") for s in given.sizes.split(","))]
    missing = prepare(folder, sizes)
    bf16 = computes_bf16(pick_device("cpu"))
    rows = [row for row in ROWS if bf16 or row.precision == "fp32"]
    ways = rate.products(bf16)
    for height, width in sizes:
        size = f"{height}x{width}"
        present = [row for row in rows if row.file.format(size=size) not in missing]
        ways += [row.way(folder, size, given.repeats) for row in present]
    found = in_turn(ways, given.rounds)
    result = Result([table(found, rows, folder, size) for size in sizes])
    result.notes += notes(found, missing, bf16)
    if given.run and given.data:
        scored = trained_net.mean_iu(given.run, given.data, given.split, bf16, folder)
        result.tables.append(scored[0])
        result.notes += scored[1]
    return result


def notes(found: Found, missing: dict[str, str], bf16: bool) -> list[str]:
    """How to read the tables, and what is not in them."""
    said = [
        rate.said(found),
        "Equal argmax: `paper` with pytorch-fcn, `same` with this project's torch in fp32. The "
        "weights are random, so the best class wins by little: with a trained net fewer pixels "
        "differ.",
    ]
    if any(name.startswith("OpenCV") for name in found.answers):
        said.append("OpenCV runs what `fullconv export --size HxW --no-preprocess` writes.")
    if not bf16:
        said.append("This processor does not compute in bf16: those rows are left out.")
    said += [f"Left out: {name}: {why}." for name, why in (missing | found.left_out).items()]
    return said


if __name__ == "__main__":
    main()
