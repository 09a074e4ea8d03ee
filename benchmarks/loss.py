"""Seconds and memory of head and loss: in bands, against all pixels at once with torch's own ops.

    python benchmarks/loss.py                     # 150 classes, 512x512, batch 4, from stride 8
    python benchmarks/loss.py --jaccard 1         # with the soft Jaccard loss
    python benchmarks/loss.py --classes 11 --size 256x352 --net fcn4s-resnet18 --jaccard 1
    python benchmarks/loss.py --classes 21 --size 375x500 --batch 1 --net fcn8s-vgg16
    python benchmarks/loss.py --device cuda

The third command has the loss of the recipe camvid-scratch, the fourth that of the paper's net with
the maps of strides 32, 16 and 8, each upsampled to the photo. Each variant runs in a process of its
own, in turn; the figures are medians over the rounds. The maps are random: only what follows the
backbone is measured. "head" is the peak memory of the process above that before the first loss.
"""

import argparse
import json
import statistics
import subprocess
import sys

WAYS = ("at once", "in bands")


def measure(way: str, chosen: argparse.Namespace) -> dict[str, float]:
    """Median seconds of forward and backward, MiB above the start, and the loss of a pixel."""
    import time

    import torch

    from fullconv.device import peak_mib
    from fullconv.models import NetSpec, build
    from fullconv.models.analysis.cost import meta_net
    from fullconv.training import make_config
    from fullconv.training.losses.banded import banded_loss
    from fullconv.training.losses.criterion import make_criterion

    torch.manual_seed(0)
    device, size = torch.device(chosen.device), tuple(map(int, chosen.size.split("x")))
    spec = NetSpec(chosen.net, chosen.classes, width=1 / 8)
    net = build(spec)
    changes = {"loss.jaccard.weight": chosen.jaccard} if chosen.jaccard else {}
    criterion = make_criterion(make_config("scratch", changes).loss, None, 255, device)
    shapes = meta_net(spec).maps(torch.empty(chosen.batch, 3, *size, device="meta"))
    maps = {s: torch.randn(m.shape).to(device).requires_grad_() for s, m in shapes.items()}
    masks = torch.randint(0, chosen.classes, (chosen.batch, *size), dtype=torch.uint8).to(device)
    start, seconds = peak_mib(device), []
    for _ in range(chosen.repeats):
        began = time.perf_counter()
        if way == "at once":
            loss, _ = criterion(net.upsampled(maps, size), masks)
        else:
            loss, _ = banded_loss(net, criterion, maps, masks)
        loss.sum().backward()
        value = float(loss.detach().sum()) / masks.numel()  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return {"s": statistics.median(seconds), "mib": peak_mib(device) - start, "loss": value}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--size", default="512x512", help="height x width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--net", default="fcn8s-resnet18", help="whose maps are enlarged")
    parser.add_argument("--jaccard", type=float, default=0.0, help="of the soft Jaccard loss")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process, as JSON")
    return parser.parse_args()


def main() -> None:
    """Print one row a way."""
    chosen = arguments()
    if chosen.way:
        print(json.dumps(measure(chosen.way, chosen)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(chosen.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[way].append(json.loads(run.stdout))
    added = f", soft Jaccard {chosen.jaccard:g}" if chosen.jaccard else ""
    print(f"{chosen.classes} classes, {chosen.size}, batch {chosen.batch}, {chosen.net}{added}")
    first = {key: statistics.median(r[key] for r in found["at once"]) for key in ("s", "mib")}
    for way, rounds in found.items():
        s, mib = (statistics.median(r[key] for r in rounds) for key in ("s", "mib"))
        print(
            f"{way:9} {s:7.3f} s ({s / first['s']:.2f})  head {mib:6.0f} MiB "
            f"({mib / first['mib']:.2f})  loss {rounds[0]['loss']:.6f}"
        )


if __name__ == "__main__":
    main()
