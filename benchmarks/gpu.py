"""All that a GPU can show, in one call: training, memory within 4 GB, prediction, the tests.

    python benchmarks/gpu.py                          # a GPU
    python benchmarks/gpu.py --device cpu --small     # tiny sizes: only to see that it runs

Full-size FCN-8s of VGG16 on photos of 375x500, and torchvision's fcn_resnet50 beside it. The peers
run where they can be imported (the packages torchfcn and torchvision) and are said to be missing
elsewhere. Each row is a process of its own. Training reports batch 1 and the batch with the most
photos a second; ratios are to pytorch-fcn at its own batch of 1. Memory is what torch holds on the
GPU; CUDA's own share, some hundred MiB, comes on top and is part of the limit.

**This has not been run on a GPU**, only with --device cpu --small.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
Job = dict[str, Any]
NET = "fcn8s-vgg16"
MISSING = "No module named"


def training_rows(common: Job) -> list[tuple[str, Job]]:
    """The ways of training, the peer to compare with first."""
    ours = {"do": "train", "net": NET, **common}
    return [
        ("pytorch-fcn, fp32", {"do": "pytorch_fcn", **common}),
        ("fullconv, fp32", ours | {"precision": "fp32", "compiled": False}),
        ("fullconv, bf16", ours | {"precision": "bf16", "compiled": False}),
        ("fullconv, bf16, compiled", ours | {"precision": "bf16", "compiled": True}),
        (
            "torchvision fcn_resnet50, bf16",
            {"do": "torchvision_fcn", "precision": "bf16", **common},
        ),
        (
            "fullconv fcn8s-resnet50_dilated, bf16",
            ours | {"net": "fcn8s-resnet50_dilated", "precision": "bf16", "compiled": False},
        ),
    ]


def memory_rows(common: Job) -> list[tuple[str, Job]]:
    """Trainings within 4 GB."""
    ours = {"do": "limited", "net": NET, "memory": "4GB", **common}
    return [
        (
            f"batch {batch}, {optimiser}, {precision}",
            ours | {"batch": batch, "optimiser": optimiser, "precision": precision},
        )
        for optimiser in ("sgd", "adamw")
        for precision in ("fp32", "bf16")
        for batch in (1, 4)
    ]


def prediction_rows(common: Job) -> list[tuple[str, Job]]:
    """A photo of 480x640."""
    ours = {"do": "predict", "net": NET, **common}
    return [
        ("pytorch-fcn, fp32", {"do": "predict_pytorch_fcn", **common}),
        ("fullconv, fp32", ours | {"precision": "fp32"}),
        ("fullconv, bf16", ours | {"precision": "bf16"}),
    ]


def run(job: Job) -> Job | str:
    """The answer of a process, or why there is none."""
    command = [sys.executable, str(HERE / "gpu_turns.py"), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return "is not installed" if MISSING in lines[-1] else lines[-1][:160]


def ratio(value: float, base: float | None) -> str:
    """To the peer's, where that could run."""
    return f"{value / base:.2f}" if base else ""


def show_training(rows: list[tuple[str, Job]]) -> None:
    print("| training | photos/s, batch 1 | ratio | MiB | best batch | photos/s | ratio | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    peer = None
    for name, job in rows:
        found = run(job)
        if isinstance(found, str) or not found["rates"]:
            why = found if isinstance(found, str) else "out of memory at batch 1"
            print(f"| {name} | {why} | | | | | | |", flush=True)
            continue
        rates = {int(batch): each for batch, each in found["rates"].items()}
        best = max(rates, key=lambda batch: rates[batch]["rate"])
        one, most = rates[1], rates[best]
        if job["do"] == "pytorch_fcn":
            peer = one["rate"]  # its own batch is 1
        print(
            f"| {name} | {one['rate']:.2f} | {ratio(one['rate'], peer)} | {one['mib']} | {best} "
            f"| {most['rate']:.2f} | {ratio(most['rate'], peer)} | {most['mib']} |",
            flush=True,
        )


def show_memory(rows: list[tuple[str, Job]]) -> None:
    print(f"\n| {NET} within 4 GB | way | foretold MiB | allocated | reserved | s/step |")
    print("|---|---|---|---|---|---|")
    for name, job in rows:
        found = run(job)
        if isinstance(found, str):
            print(f"| {name} | {found} | | | | |", flush=True)
            continue
        print(
            f"| {name} | {found['way']} | {found['foretold']:.0f} | {found['peak']} | "
            f"{found.get('reserved', '')} | {found['seconds']:.3f} |",
            flush=True,
        )


def show_prediction(rows: list[tuple[str, Job]]) -> None:
    print("\n| prediction | ms | ratio |")
    print("|---|---|---|")
    peer = None
    for name, job in rows:
        found = run(job)
        if isinstance(found, str):
            print(f"| {name} | {found} | |", flush=True)
            continue
        if job["do"] == "predict_pytorch_fcn":
            peer = 1 / found["ms"]
        print(f"| {name} | {found['ms']:.1f} | {ratio(1 / found['ms'], peer)} |", flush=True)


def run_tests() -> None:
    """The tests that know a GPU: those whose files name cuda."""
    tests = HERE.parent / "tests"
    files = [str(f) for f in tests.rglob("test_*.py") if "cuda" in f.read_text(encoding="utf-8")]
    command = [sys.executable, "-m", "pytest", *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    said = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()
    print(f"\nTests that name cuda ({len(files)} files): {said[-1]}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--most", type=int, default=64, help="largest batch that is tried")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu --small shows that the script runs")
    common = {"device": given.device, "width": 1, "size": [375, 500], "repeats": given.repeats}
    most, photo = given.most, [480, 640]
    if given.small:
        common |= {"width": 1 / 16, "size": [64, 80], "repeats": 2}
        most, photo = 2, [96, 128]
    name = torch.cuda.get_device_name() if given.device == "cuda" else "the CPU"
    print(f"On {name}, torch {torch.__version__}.\n")
    show_training(training_rows(common | {"most": most}))
    show_memory(memory_rows(common))
    show_prediction(prediction_rows(common | {"size": photo}))
    if not given.small:
        run_tests()


if __name__ == "__main__":
    main()
