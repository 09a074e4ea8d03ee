"""What a trained net loses by each engine: its mean IU on its own data."""

import json
from pathlib import Path

from result import Table
from turns import TurnError, fullconv

ENGINES = {
    "torch": "torch",
    "winograd": "minimal filtering",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
WAYS = (  # engine, precision, what it runs: the run itself, or an export of it
    ("torch", "fp32", ""),
    ("torch", "bf16", ""),
    ("winograd", "fp32", ""),
    ("onnxruntime", "fp32", "trained.onnx"),
    ("openvino", "fp32", "trained.onnx"),
    ("openvino", "bf16", "trained.onnx"),
    ("openvino", "fp32", "trained_int8.xml"),
    ("openvino", "bf16", "trained_int8.xml"),
)
HEAD = ("", "mean IU", "difference")


def mean_iu(run: str, data: str, split: str, bf16: bool, folder: Path) -> tuple[Table, list[str]]:
    """The table, the first row being what the others are compared with; what was left out."""
    values: dict[str, float] = {}
    left_out = []
    for engine, precision, file in WAYS:
        if precision == "bf16" and not bf16:
            continue
        what = f"int8, the rest {precision}" if "int8" in file else precision
        name = f"fullconv, {ENGINES[engine]}, {what}"
        try:
            path = _exported(folder / file, run, data) if file else Path(run)
            options = ("--engine", engine, "--precision", precision, "--split", split)
            fullconv("evaluate", path, data, *options, "--out", folder / "scores")
        except TurnError as error:
            left_out.append(f"Left out of the mean IU: {name}: {error}.")
            continue
        scores = json.loads((folder / "scores" / "scores.json").read_text())
        values[name] = 100 * scores["mean_iu"]
    first = next(iter(values.values()), 0.0)
    lines = [[name, f"{v:.2f}", f"{v - first:+.2f}"] for name, v in values.items()]
    return Table(f"Mean IU of a trained net, {split}", HEAD, lines), left_out


def _exported(path: Path, run: str, data: str) -> Path:
    """An export of the run, in int8 by what its name says; calibrated on its data."""
    if not path.exists():
        int8 = ("--int8", "--calibrate", data) if "int8" in path.name else ()
        to = "openvino" if path.suffix == ".xml" else "onnx"
        fullconv("export", run, "--to", to, *int8, "--out", path)
    return path
