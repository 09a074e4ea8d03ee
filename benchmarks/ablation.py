"""What single settings bring: the same training with one change, by its mean IU on val.

    python benchmarks/ablation.py data/camvid losses --out losses.json
    python benchmarks/ablation.py data/camvid augmentations --steps 840 --seeds 0,1 --out a.json
    python benchmarks/ablation.py data/camvid 'lr=--lr 5e-4' 'lr=--lr 2e-3' --out lr.json
    python benchmarks/ablation.py --out losses.json              # the table again, nothing is run

Each variant is a bare `fullconv train` with further options, for the same number of steps from the
same seeds; it is validated once, at its end. Trainings that --out has already are not run again, so
an interrupted call continues.
"""

import argparse
import json
import math
import resource
import shlex
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from fullconv.files.atomic import write_atomically
from machine import machine
from result import Result, Table
from turns import fullconv

BARE = "as the default"
SETS = {
    "losses": {
        "cross-entropy alone": "--set loss.jaccard=none",
        "soft Jaccard alone": "--set loss.cross_entropy=none",
        "cross-entropy and Dice": "--set loss.jaccard=none --set loss.dice.weight=1",
        "cross-entropy and Lovasz": "--set loss.jaccard=none --set loss.lovasz.weight=1",
        "focal and soft Jaccard": "--set loss.cross_entropy=none --set loss.focal.weight=1",
        "OHEM and soft Jaccard": "--set loss.cross_entropy=none --set loss.ohem.weight=1",
    },
    "augmentations": {
        "no mirroring": "--set augment.hflip=false",
        "no scales": "--set augment.scale=[1.0,1.0]",
        "no colours": "--set augment.brightness=0 --set augment.contrast=0 "
        "--set augment.saturation=0 --set augment.hue=0",
        "rare crops": "--set augment.rare_crops=0.5",
        "paste of rare classes": "--set augment.paste=0.5",
        "CutMix": "--set augment.cutmix=0.5",
        "rotations": "--set augment.rotate=10",
    },
}


def main() -> None:
    """The command line."""
    options = _options()
    done = json.loads(options.out.read_text("utf-8")) if options.out.exists() else []
    for seed in map(int, options.seeds.split(",")) if options.data else ():
        for name, arguments in _variants(options.variants).items():
            key = {"name": name, "arguments": arguments, "steps": options.steps, "seed": seed,
                   "machine": machine()}  # fmt: skip
            if any(key.items() <= each.items() for each in done):
                continue
            done.append(key | _train(options.data, arguments, options.steps, seed))
            print(f"{name}, seed {seed}: {done[-1]['mean_iu']:.2%}", flush=True)
            write_atomically(options.out, json.dumps(done, indent=1, ensure_ascii=False) + "\n")
    _table(done).finish(None)


def _variants(names: list[str]) -> dict[str, str]:
    variants = {BARE: ""}
    for name in names:
        if "=" in name:
            title, _, arguments = name.partition("=")
            variants[f"{title} {arguments}"] = arguments
        else:
            variants |= SETS[name]
    return variants


def _train(data: str, arguments: str, steps: int, seed: int) -> dict[str, Any]:
    """The scores of one training at its end, as fractions, and what it took of the processor."""
    before = _processor_seconds()
    with tempfile.TemporaryDirectory(prefix="ablation-") as folder:
        run = Path(folder) / "run"
        fullconv("train", data, "--out", run, "--steps", str(steps), "--seed", str(seed),
                 "--precision", "fp32", "--set", f"schedule.validate_every={steps}",
                 *shlex.split(arguments))  # fmt: skip
        scores = json.loads((run / "scores.json").read_text("utf-8"))
    kept = {name: scores[name] for name in ("mean_iu", "pixel_accuracy", "mean_accuracy")}
    return kept | {"processor_seconds": _processor_seconds() - before}


def _processor_seconds() -> float:
    """Of all processes that have ended, which other work does not lengthen as it does the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(runs: list[dict[str, Any]]) -> Result:
    """Means over the seeds, best first, with the differences to the bare training of each seed."""
    bare = {(run["steps"], run["seed"]): run["mean_iu"] for run in runs if run["name"] == BARE}
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["name"], run["steps"]), []).append(run)
    ranked = sorted(groups.items(), key=lambda group: -mean(r["mean_iu"] for r in group[1]))
    rows = [_row(name, steps, group, bare) for (name, steps), group in ranked]
    head = ["", "steps", "mean IU", "of each seed", "more than the default", "pixel accuracy",
            "mean accuracy", "processor, minutes"]  # fmt: skip
    return Result([Table("Mean IU on val", head, rows)])


def _row(name: str, steps: int, runs: list[dict[str, Any]], bare: dict[tuple[int, int], float]
         ) -> list[str]:  # fmt: skip
    more = [r["mean_iu"] - bare[steps, r["seed"]] for r in runs if (steps, r["seed"]) in bare]
    each = ", ".join(f"{100 * run['mean_iu']:.1f}" for run in sorted(runs, key=lambda r: r["seed"]))
    means = [f"{100 * mean(r[key] for r in runs):.1f}"
             for key in ("mean_iu", "pixel_accuracy", "mean_accuracy")]  # fmt: skip
    difference = "" if name == BARE else _difference(more)
    minutes = f"{mean(r['processor_seconds'] for r in runs) / 60:.1f}"
    return [name, str(steps), means[0], each, difference, *means[1:], minutes]


def _difference(values: list[float]) -> str:
    """The mean in points, with its standard error where there are several."""
    if not values:
        return ""
    error = f" ± {100 * stdev(values) / math.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):+.1f}{error}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", help="left out: the table of --out alone")
    parser.add_argument("variants", nargs="*", default=["losses"],
                        help=f"{', '.join(SETS)}, or NAME=OPTIONS")  # fmt: skip
    parser.add_argument("--steps", type=int, default=840, help="ten minutes of one core")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--out", type=Path, required=True, help="JSON of the trainings")
    return parser.parse_args()


if __name__ == "__main__":
    main()
