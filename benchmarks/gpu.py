"""All that a GPU can show, in one call: the tests, prediction, training, memory within 4 GB.

    python benchmarks/gpu.py                          # a GPU
    python benchmarks/gpu.py --only tests,prediction  # some of it
    python benchmarks/gpu.py --device cpu --small     # tiny sizes: only to see that it runs

Runs from a checkout, without installing; what pyproject.toml lists as dependencies must be there.
The peers run where they can be imported (the packages torchfcn and torchvision; PYTHONPATH may name
a folder with torchfcn) and are said to be missing elsewhere.

Full-size FCN-8s of VGG16 on photos of 375x500, and torchvision's fcn_resnet50 beside it. Each row
is a process of its own, which is ended after ``--patience`` seconds; what it says beside its answer
is kept in ``--log``. Training reports batch 1 and the batch with the most photos a second; ratios
are to pytorch-fcn at its own batch of 1. "fp32" is torch's usual: convolutions may round their
inputs to TF32, on both sides. Memory is what torch holds on the GPU; "of the card" is all that the
process takes of it, with CUDA's own share, which is part of the limit.

**This has not been run on a GPU**, only with --device cpu --small.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
Job = dict[str, Any]
Jobs = list[tuple[str, Job]]
Answering = Callable[[Job], Job | str]
NET = "fcn8s-vgg16"
MISSING = "No module named"
ENDED = 124
WHERE = {"cuda": "torch.cuda.get_device_name()", "cpu": "'the CPU'"}
PARTS = ("tests", "prediction", "training", "memory")  # the quickest first
TESTS = ("tests/unit/test_gpu.py",)


@dataclass(frozen=True)
class Runner:
    """Runs programs of this checkout, each for so many seconds, and keeps what they say."""

    patience: int
    log: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A Python program; its exit code is ENDED where it took longer."""
        paths = [str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
        found = os.pathsep.join(path for path in paths if path)
        command = [sys.executable, *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
            env=os.environ | {"PYTHONPATH": found},
            start_new_session=True,
        )
        try:
            out, said = process.communicate(timeout=self.patience)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it started holds some of the GPU too
            out, said = process.communicate()
            said, code = f"{said}\nended after {self.patience} seconds", ENDED
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(arguments)}\n{out}{said}\n")
        return subprocess.CompletedProcess(command, code, out, said)

    def answer(self, job: Job) -> Job | str:
        """What the process of a job answers, or why it does not."""
        done = self(str(HERE / "gpu_turns.py"), json.dumps(job))
        answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if answers and done.returncode in (0, ENDED):  # what was measured till then
            return json.loads(answers[-1])
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        errors = [line for line in said if "Error" in line.split(":")[0]] or said
        missing = MISSING in errors[-1]
        return f"{errors[-1].split()[-1]} is not installed" if missing else errors[-1][:160]


def training_rows(common: Job, batches: list[int]) -> Jobs:
    """The ways of training, the peer to compare with first."""
    common = common | {"batches": batches}
    ours = {"do": "train", "net": NET, "compiled": False, **common}
    few = batches[:1] + batches[3:5]  # each is compiled anew
    return [
        ("pytorch-fcn, fp32", {"do": "pytorch_fcn", **common, "batches": batches[:3]}),
        ("fullconv, fp32", ours | {"precision": "fp32"}),
        ("fullconv, bf16", ours | {"precision": "bf16"}),
        (
            "fullconv, bf16, compiled",
            ours | {"precision": "bf16", "compiled": True, "batches": few},
        ),
        (
            "torchvision fcn_resnet50, bf16",
            {"do": "torchvision_fcn", "precision": "bf16", **common},
        ),
        (
            "fullconv fcn8s-resnet50_dilated, bf16",
            ours | {"net": "fcn8s-resnet50_dilated", "precision": "bf16"},
        ),
    ]


def memory_rows(common: Job) -> Jobs:
    """Trainings within 4 GB."""
    ours = {"do": "limited", "net": NET, "memory": "4GB", **common}
    return [
        (
            f"batch {batch}, {optimizer}, {precision}",
            ours | {"batch": batch, "optimizer": optimizer, "precision": precision},
        )
        for optimizer in ("sgd", "adamw")
        for precision in ("fp32", "bf16")
        for batch in (1, 4)
    ]


def prediction_rows(common: Job) -> Jobs:
    """A photo of 480x640."""
    ours = {"do": "predict", "net": NET, **common}
    return [
        ("pytorch-fcn, fp32", {"do": "predict_pytorch_fcn", **common}),
        ("fullconv, fp32", ours | {"precision": "fp32"}),
        ("fullconv, bf16", ours | {"precision": "bf16"}),
    ]


def ratio(value: float, base: float | None) -> str:
    """To the peer's, where that could run."""
    return f"{value / base:.2f}" if base else ""


def table(*heads: str) -> None:
    """The head of a table."""
    print()
    row(*heads)
    row(*("---" for _ in heads))


def row(*cells: Any) -> None:
    """One row of a table, seen at once."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def show_training(answer: Answering, jobs: Jobs) -> None:
    columns = ("photos/s, batch 1", "ratio", "MiB", "best batch", "photos/s", "ratio", "MiB")
    table("training", *columns)
    peer = None
    for name, job in jobs:
        found = answer(job)
        if isinstance(found, str) or not found["rates"]:
            row(name, found if isinstance(found, str) else found["ended"], *6 * [""])
            continue
        rates = {int(batch): each for batch, each in found["rates"].items()}
        best = max(rates, key=lambda batch: rates[batch]["rate"])
        one, most = rates[1], rates[best]
        if job["do"] == "pytorch_fcn":
            peer = one["rate"]  # its own batch is 1
        cells = [f"{one['rate']:.2f}", ratio(one["rate"], peer), one["mib"], best]
        cells += [f"{most['rate']:.2f}", ratio(most["rate"], peer), most["mib"]]
        row(name, *cells)
        if found["ended"]:
            row(name, f"ended at {found['ended']}", *6 * [""])


def show_memory(answer: Answering, jobs: Jobs) -> None:
    columns = ("way", "foretold MiB", "allocated", "reserved", "of the card", "s/step")
    table(f"{NET} within 4 GB", *columns)
    for name, job in jobs:
        found = answer(job)
        if isinstance(found, str):
            row(name, found, *5 * [""])
            continue
        before = found["before"]  # CUDA's own
        cells = [found["way"], f"{found['foretold']:.0f}", f"{found['peak'] - before:.0f}"]
        row(name, *cells, found.get("reserved"), found.get("card"), f"{found['seconds']:.3f}")


def show_prediction(answer: Answering, jobs: Jobs) -> None:
    table("prediction", "ms", "ratio")
    peer = None
    for name, job in jobs:
        found = answer(job)
        if isinstance(found, str):
            row(name, found, "")
            continue
        if job["do"] == "predict_pytorch_fcn":
            peer = 1 / found["ms"]
        row(name, f"{found['ms']:.1f}", ratio(1 / found["ms"], peer))


def show_tests(run: Runner) -> None:
    """The tests that run on a GPU where there is one."""
    done = run("-m", "pytest", "-q", "-rfs", "--tb=short", "-p", "no:cacheprovider", *TESTS)
    said = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()
    print("\n".join(["", f"{' '.join(TESTS)}:", *said[-30:]]), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--most", type=int, default=32, help="largest batch that is tried")
    parser.add_argument("--patience", type=int, default=150, help="seconds for each row")
    parser.add_argument("--log", type=Path, default=Path("gpu.log"))
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(
            f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}"
        )
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu --small shows that the script runs")
    given.log.unlink(missing_ok=True)
    run = Runner(given.patience, given.log.resolve())
    # A child says it: what asks CUDA holds some of the card.
    first = run("-c", f"import fullconv.training, torch; print({WHERE[given.device]})")
    if first.returncode:
        sys.exit(f"this checkout does not run here: {first.stderr.strip().splitlines()[-1]}")
    print(f"On {first.stdout.strip()}, torch {torch.__version__}.", flush=True)
    common = {"device": given.device, "width": 1, "size": [375, 500], "repeats": given.repeats}
    most, photo = given.most, [480, 640]
    if given.small:
        common |= {"width": 1 / 16, "size": [64, 80], "repeats": 2}
        most, photo = 2, [96, 128]
    batches = [2**n for n in range(most.bit_length()) if 2**n <= most]
    if "tests" in parts and not given.small:
        show_tests(run)
    if "prediction" in parts:
        show_prediction(run.answer, prediction_rows(common | {"size": photo}))
    if "training" in parts:
        show_training(run.answer, training_rows(common, batches))
    if "memory" in parts:
        show_memory(run.answer, memory_rows(common))


if __name__ == "__main__":
    main()
