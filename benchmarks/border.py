"""Seconds and memory of padding `paper`: plainly, and with the border once, against `same`.

    python benchmarks/border.py                             # fcn8s-vgg16, 375x500 and 480x640
    python benchmarks/border.py --sizes 375x500 --rounds 5 --precision bf16

Each variant runs in a process of its own, in turn in each round; the figures are medians over the
rounds of the median of a process. Processor seconds are summed over all threads and vary less than
the clock if other programs run; "first" has those of the first photo of a size, for which the
border is computed. Memory is that of the process, "before" that before the first photo. "Scores
off" is the largest difference to the plain scores, relative to the largest score.
"""

import argparse
import json
import statistics
import subprocess
import sys

WAYS = ("same", "paper", "paper once")
CLASSES = 21


def measure(
    net: str, size: tuple[int, int], way: str, precision: str, repeats: int, file: str
) -> dict[str, float]:
    """Median seconds and processor seconds of one photo, and MiB; its scores go to ``file``."""
    import time

    import numpy as np
    import torch

    from fullconv.device import forget_peak, peak_mib
    from fullconv.models import NetSpec, build
    from fullconv.models.paper_padding.border import for_prediction

    torch.manual_seed(0)
    made = build(NetSpec(net, CLASSES, padding="same" if way == "same" else "paper")).eval()
    for layer in made.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    for parameter in made.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    made.to(memory_format=torch.channels_last)  # pyright: ignore
    run = for_prediction(made) if way == "paper once" else made
    photo = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)
    cpu, found = torch.device("cpu"), []
    forget_peak(cpu)
    idle = peak_mib(cpu)
    for _ in range(1 + repeats):
        began, worked = time.perf_counter(), time.process_time()
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
        ):
            scores = run(photo)
        found.append((time.perf_counter() - began, time.process_time() - worked))
    np.save(file, scores.float().numpy())
    seconds, processor = (statistics.median(column) for column in zip(*found[1:], strict=True))
    return {
        "seconds": seconds, "processor": processor, "first": found[0][1],
        "mib": peak_mib(cpu), "idle": idle,
    }  # fmt: skip


def table(size: str, found: dict[str, list[dict[str, float]]], folder: str) -> None:
    """Print one row a way."""
    import numpy as np

    of = {
        way: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for way, runs in found.items()
    }
    scores = {way: np.load(f"{folder}/{way}.npy") for way in WAYS}
    plain = scores["paper"]
    print(f"| {size} | s | ratio | processor s | ratio | first | peak MiB | before |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for way, row in of.items():
        ratio, worked = (row[key] / of["same"][key] for key in ("seconds", "processor"))
        print(
            f"| {way} | {row['seconds']:.2f} | {ratio:.2f} | {row['processor']:.2f} | {worked:.2f} "
            f"| {row['first']:.2f} | {row['mib']:.0f} | {row['idle']:.0f} |"
        )
    off = np.abs(scores["paper once"] - plain).max() / np.abs(plain).max()
    equal = np.mean(scores["paper once"].argmax(1) == plain.argmax(1))
    print(f"{size}: scores off {off:.1e}, classes equal {equal:.4%}")


def main() -> None:
    """Measure in turn, print a table for each size."""
    import tempfile

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--net", default="fcn8s-vgg16")
    options.add_argument("--sizes", default="375x500,480x640")
    options.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        size, way, file = given.one
        height, width = map(int, size.split("x"))
        print(json.dumps(
            measure(given.net, (height, width), way, given.precision, given.repeats, file)
        ))  # fmt: skip
        return
    command = [
        sys.executable, __file__, "--net", given.net, "--precision", given.precision,
        "--repeats", str(given.repeats),
    ]  # fmt: skip
    for size in given.sizes.split(","):
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(given.rounds):
                for way in WAYS:
                    done = subprocess.run(
                        [*command, "--one", size, way, f"{folder}/{way}.npy"],
                        stdout=subprocess.PIPE, text=True, check=True,
                    )  # fmt: skip
                    found[way].append(json.loads(done.stdout.splitlines()[-1]))
                    print(way, found[way][-1], file=sys.stderr, flush=True)
            table(size, found, folder)


if __name__ == "__main__":
    main()
