"""Seconds and memory of one large photo, whole and in tiles, and whether the classes are the same.

    python benchmarks/tiling.py                                   # fcn8s-resnet18, 3000x4000
    python benchmarks/tiling.py --net fcn8s-vgg16 --size 1500x2000 --tiles none,auto,1024

Each variant runs in a process of its own, so that its peak memory is its own, all in turn in each
round; the figures are medians. Processor seconds are summed over all threads and vary less than the
clock if other programs run. The photo is noise in blocks and the weights are random, which does not
change the work.
"""

import argparse
import json
import statistics
import subprocess
import sys

CLASSES = 21


def measure(net: str, size: tuple[int, int], tile: str, file: str) -> dict[str, float]:
    """Seconds, processor seconds and peak MiB of one photo, whose class map goes to ``file``."""
    import time

    import numpy as np
    import torch

    from fullconv.device import peak_mib, pick_device
    from fullconv.inference import PhotoEngine, Tile, TorchEngine, with_tiles
    from fullconv.models import TORCH, NetSpec, build

    torch.manual_seed(0)
    made = build(NetSpec(net, CLASSES))
    for layer in made.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    blocks = np.random.default_rng(0).integers(
        0, 256, (size[0] // 50 + 1, size[1] // 50 + 1, 3), np.uint8
    )
    photo = blocks.repeat(50, 0).repeat(50, 1)[: size[0], : size[1]].copy()
    way: Tile | None = {"none": None, "auto": "auto"}[tile] if tile.isalpha() else int(tile)
    engine = with_tiles(TorchEngine((made, TORCH), "cpu"), made.spec, way)
    engine.class_map(photo[:64, :64])  # what the first call loads and prepares does not count
    pieces = engine.tiling if isinstance(engine, PhotoEngine) else None
    side = pieces.length if pieces else 0
    idle = peak_mib(pick_device("cpu"))
    start, worked = time.perf_counter(), time.process_time()
    np.save(file, engine.class_map(photo))
    return {
        "seconds": time.perf_counter() - start,
        "worked": time.process_time() - worked,
        "mib": peak_mib(pick_device("cpu")),
        "idle": idle,
        "side": side,
    }


def main() -> None:
    """Measure in turn, print a table."""
    import tempfile

    import numpy as np

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--net", default="fcn8s-resnet18")
    options.add_argument("--size", default="3000x4000")
    options.add_argument("--tiles", default="none,auto,2048,1024")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    height, width = map(int, given.size.split("x"))
    if given.one:
        print(json.dumps(measure(given.net, (height, width), *given.one)))
        return
    ways = given.tiles.split(",")
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for way in ways:
                command = [sys.executable, __file__, "--net", given.net, "--size", given.size]
                done = subprocess.run(
                    [*command, "--one", way, f"{folder}/{way}.npy"],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
                print(way, found[way][-1], file=sys.stderr, flush=True)
        maps = {way: np.load(f"{folder}/{way}.npy") for way in ways}
    print("tile  side  seconds  processor s  peak MiB  before  pixels that differ from the first")
    for way, runs in found.items():
        seconds, worked = (
            statistics.median(run[key] for run in runs) for key in ("seconds", "worked")
        )
        peak, idle = (max(run[key] for run in runs) for key in ("mib", "idle"))
        differ = int((maps[way] != maps[ways[0]]).sum())
        print(
            f"{way:>4}  {runs[0]['side']:4}  {seconds:7.1f}  {worked:11.1f}  {peak:8}  {idle:6}  "
            f"{differ}"
        )


if __name__ == "__main__":
    main()
