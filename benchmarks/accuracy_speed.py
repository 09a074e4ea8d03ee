"""Seconds a photo of what accuracy.py has trained, in turn."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from accuracy_results import Results, best
from turns import TurnError, Way, fullconv, in_turn

REPEATS = 5


def measure(
    results: Results, trained: Sequence[tuple[Any, dict, Path]], data: Path, work: Path, rounds: int
) -> None:
    """Add ``speed`` to those runs of the first seed that lack it.

    ``trained`` are what was trained, the key of its run, and the folder of its weights.
    """
    first = min((key["seed"] for _, key, _ in trained), default=0)
    ways: list[tuple[dict, Way, float]] = []
    for each, key, folder in trained:
        run = results.find(key)
        if run is None or key["seed"] != first or "speed" in run or not folder.is_dir():
            continue
        job = {"photo": str(a_photo(data, work)), "repeats": REPEATS}
        try:
            if hasattr(each, "script"):
                own = peers_ways(each.script, run, job, folder)
            else:
                own = our_ways(run, job, data, folder)
            ways += [(run, way, score) for way, score in own]
        except TurnError as error:
            print(f"left out of the seconds: {each.name}: {error}", file=sys.stderr)
    found = in_turn([way for _, way, _ in ways], rounds)
    for run, way, score in ways:
        if way.name in found.answers:
            speed = {"engine": way.name.rsplit(", ", 1)[1], "mean_iu": score}
            seconds, mib = (found.median(way.name, what) for what in ("seconds", "mib"))
            run.setdefault("speed", []).append({**speed, "seconds": seconds, "mib": mib})
    results.save()


def a_photo(data: Path, work: Path) -> Path:
    """The first validation photo, as uint8 RGB (H, W, 3) in a file of NumPy."""
    path = work / "photo.npy"
    np.save(path, np.asarray(Image.open(min((data / "images" / "val").iterdir())).convert("RGB")))
    return path


def peers_ways(script: str, run: dict, job: dict, folder: Path) -> list[tuple[Way, float]]:
    """By torch as it is, and by OpenVINO."""
    job = {
        **job, "do": "predict", "weights": str(folder / "best.safetensors"),
        "arch": run["arch"], "encoder": run["encoder"], "recipe": run["recipe"],
        "threads": run["settings"]["threads"], "classes": run["classes"],
    }  # fmt: skip
    return [
        (_way(f"{run['name']}, {name}", script, job, folder, engine=engine), best(run))
        for engine, name in (("torch", "torch"), ("openvino", "OpenVINO fp32"))
    ]


def our_ways(run: dict, job: dict, data: Path, folder: Path) -> list[tuple[Way, float]]:
    """By torch, and by OpenVINO in fp32 and int8; int8 has a mean IU of its own."""
    exported, int8 = folder / "accuracy.xml", folder / "accuracy_int8.xml"
    fullconv("export", folder, "--to", "openvino", "--out", exported)
    calibrate = ("--int8", "--accept-drop", "--calibrate", data)
    fullconv("export", folder, "--to", "openvino", *calibrate, "--out", int8)
    fullconv("evaluate", int8, data, "--split", "val", "--out", folder / "int8")
    of_int8 = json.loads((folder / "int8" / "scores.json").read_text("utf-8"))["mean_iu"]
    job = {**job, "precision": "fp32"}
    return [
        (_ours(run, "torch", job, folder, "torch", folder), best(run)),
        (_ours(run, "OpenVINO fp32", job, folder, "openvino", exported), best(run)),
        (_ours(run, "OpenVINO int8", job, folder, "openvino", int8), of_int8),
    ]


def _ours(run: dict, name: str, job: dict, folder: Path, engine: str, weights: Path) -> Way:
    job = {**job, "weights": str(weights)}
    return _way(f"{run['name']}, {name}", "fullconv_net", job, folder, engine=engine)


def _way(name: str, script: str, job: dict, folder: Path, engine: str) -> Way:
    return Way(name, script, {**job, "engine": engine, "out": str(folder / f"{engine}.npy")})
