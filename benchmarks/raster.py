"""A raster of 20,000 x 20,000 pixels: minutes, peak memory, and whether a killed run resumes.

    python benchmarks/raster.py                          # fcn8s-resnet18, width 0.5
    python benchmarks/raster.py --size 6000 --compare    # smaller, and once more without a kill
    python benchmarks/raster.py --net fcn4s-resnet18 --width 0.25

Writes a GeoTIFF (blocks of noise, tiled, DEFLATE) in windows and a run with random weights, and
runs `fullconv predict RUN scene.tif --out maps` twice: first killed (SIGKILL) when a third of the
rows is on the disk, then to the end. The peak memory is that of each process, as the kernel counts
it (VmHWM of Linux). Noise and random weights do not change the work. `--folder` names the working
folder, which needs 1.5 GB.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = 6
BLOCK = 512


def make_scene(path: Path, size: int) -> None:
    """An RGB GeoTIFF of half a metre a pixel."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    coarse = np.random.default_rng(0).integers(
        0, 256, (size // 50 + 1, size // 50 + 1, 3), np.uint8
    )
    profile = {
        "driver": "GTiff", "height": size, "width": size, "count": 3, "dtype": "uint8",
        "crs": "EPSG:32632", "transform": from_origin(500000, 5000000, 0.5, 0.5),
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as scene:
        for top in range(0, size, BLOCK):
            bottom = min(top + BLOCK, size)
            rows = coarse[np.arange(top, bottom) // 50][:, np.arange(size) // 50]
            scene.write(rows.transpose(2, 0, 1), window=((top, bottom), (0, size)))


def make_run(folder: Path, net: str, width: float) -> None:
    """A run folder of a net with random weights."""
    import torch

    from fullconv.checkpoints import Checkpoint, save
    from fullconv.classes import ClassSet
    from fullconv.models import TORCH, NetSpec, build

    torch.manual_seed(0)
    made = build(NetSpec(net, CLASSES, width=width))
    for layer in made.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    save(folder / "model.safetensors", Checkpoint(made, ClassSet(tuple("abcdef")), TORCH))


def predict(folder: Path, out: str, tile: str, kill_at: float | None) -> tuple[float, int, str]:
    """Seconds, peak MiB and words of the command; killed when that share of rows is there."""
    command = ["predict", folder / "run", folder / "scene.tif", "--out", folder / out]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(
        [sys.executable, "-m", "fullconv", *map(str, command), "--tile", tile],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        while process.poll() is None:
            peak = max(peak, peak_of(process.pid))
            if kill_at is not None and rows_done(folder / out) >= kill_at:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.1)
        said, _ = process.communicate()
    return time.perf_counter() - start, peak, said


def peak_of(process: int) -> int:
    """The most memory that a process had so far, MiB; 0 where it has ended."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) // 1024 if found else 0


def rows_done(out: Path) -> int:
    """The rows that the journal counts."""
    try:
        return json.loads((out / "scene.tif.partial.json").read_text())["rows"]
    except (OSError, ValueError):
        return 0


def differing(first: Path, second: Path) -> int:
    """Pixels of two GeoTIFFs that differ."""
    import rasterio

    count = 0
    with rasterio.open(first) as one, rasterio.open(second) as other:
        for top in range(0, one.height, BLOCK):
            window = ((top, min(top + BLOCK, one.height)), (0, one.width))
            count += int((one.read(1, window=window) != other.read(1, window=window)).sum())
    return count


def main() -> None:
    """Make, kill, go on, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=20000)
    options.add_argument("--net", default="fcn8s-resnet18")
    options.add_argument("--width", type=float, default=0.5)
    options.add_argument("--tile", default="auto")
    options.add_argument("--compare", action="store_true", help="predict once more, not killed")
    options.add_argument("--folder", help="where to work; a temporary folder without it")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        make_scene(folder / "scene.tif", given.size)
        make_run(folder / "run", given.net, given.width)
        runs = [
            predict(folder, "maps", given.tile, given.size / 3),
            predict(folder, "maps", given.tile, None),
        ]
        print(f"{given.net} width {given.width:g}, {given.size} x {given.size}, tile {given.tile}")
        for what, (seconds, peak, said) in zip(("killed", "went on"), runs, strict=True):
            print(f"{what:8} {seconds / 60:6.1f} minutes, peak {peak} MiB")
            told = said.replace(f"{folder}/", "")
            print("".join(f"    {line}\n" for line in told.splitlines()), end="")
        print(f"in all   {sum(run[0] for run in runs) / 60:6.1f} minutes")
        print(f"result   {(folder / 'maps' / 'scene.tif').stat().st_size / 2**20:.1f} MiB")
        if given.compare:
            seconds, peak, _ = predict(folder, "whole", given.tile, None)
            count = differing(folder / "maps" / "scene.tif", folder / "whole" / "scene.tif")
            print(f"at once  {seconds / 60:6.1f} minutes, peak {peak} MiB, {count} pixels differ")


if __name__ == "__main__":
    main()
