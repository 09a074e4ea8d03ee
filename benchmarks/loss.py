"""Seconds and memory of head and loss: in bands, against interpolate + cross_entropy of all pixels.

    python benchmarks/loss.py                     # 150 classes, 512x512, batch 4, from stride 8
    python benchmarks/loss.py --classes 21 --rounds 7

Each way runs in a process of its own, in turn; medians over the rounds. The maps are random: only
what comes behind the backbone is measured. "head" is the peak of the process above what it held
before the first loss.
"""

import argparse
import json
import statistics
import subprocess
import sys

WAYS = ("at once", "in bands")


def measure(way: str, classes: int, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Median seconds of forward and backward, MiB above the start, and the loss."""
    import time

    import torch

    from fullconv.device import peak_mib
    from fullconv.nets import NetSpec, build
    from fullconv.train import make_config
    from fullconv.train.banded import banded_loss
    from fullconv.train.loss import make_criterion

    torch.manual_seed(0)
    cpu = torch.device("cpu")
    net = build(NetSpec("fcn8s-resnet18", classes, width=1 / 8))
    criterion = make_criterion(make_config("default").loss, None, 255, cpu)
    maps = {8: torch.randn(batch, classes, size // 8, size // 8).requires_grad_()}
    masks = torch.randint(0, classes, (batch, size, size), dtype=torch.uint8)
    start, seconds = peak_mib(cpu), []
    for _ in range(repeats):
        began = time.perf_counter()
        if way == "in bands":
            loss, _ = banded_loss(net, criterion, maps, masks)
        else:
            loss, _ = criterion(net.enlarged(maps, (size, size)), masks)
        loss.sum().backward()
        seconds.append(time.perf_counter() - began)
    value = float(loss.sum()) / masks.numel()
    return {"s": statistics.median(seconds), "mib": peak_mib(cpu) - start, "loss": value}


def main() -> None:
    """Print one row a way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process, as JSON")
    chosen = parser.parse_args()
    sizes = (chosen.classes, chosen.size, chosen.batch, chosen.repeats)
    if chosen.way:
        print(json.dumps(measure(chosen.way, *sizes)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(chosen.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            found[way].append(json.loads(run.stdout))
    print(f"{sizes[0]} classes, {sizes[1]}x{sizes[1]}, batch {sizes[2]}")
    first = {key: statistics.median(r[key] for r in found[WAYS[0]]) for key in ("s", "mib")}
    for way, rounds in found.items():
        s, mib = (statistics.median(r[key] for r in rounds) for key in ("s", "mib"))
        print(
            f"{way:9} {s:7.2f} s ({s / first['s']:.2f})  head {mib:6.0f} MiB "
            f"({mib / first['mib']:.2f})  loss {rounds[0]['loss']:.6f}"
        )


if __name__ == "__main__":
    main()
