"""Throughput of `predict --cluster auto` on one machine beside the local command.

    python benchmarks/cluster.py RUN PHOTOS [--threads 2] [--few 16] [--many 64] [--rounds 3]

Both predict the same photos with one process of so many threads, on the same cores. What starting takes (the command,
Ray, loading the net) is left out: the rate is that of the photos that a long call has more than a
short one. The ways take turns; the figures are medians.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from fullconv.inference.photos.find_photos import photos_in
from result import Result, Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("photos")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--few", type=int, default=16)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    one = ["--workers", "1", "--worker-cpus", str(options.threads)]
    ways = {"local": [], "--cluster auto": ["--cluster", "auto", *one]}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    starts: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        few, many = (copies(options.photos, n, Path(folder)) for n in (options.few, options.many))
        for _ in range(options.rounds):
            for way, more in ways.items():
                short = seconds(options.run, few, more, options.threads)
                long = seconds(options.run, many, more, options.threads)
                rate = (options.many - options.few) / (long - short)
                rates[way].append(rate)
                starts[way].append(short - options.few / rate)
    median = statistics.median
    rows = [
        [way, f"{median(rates[way]):.2f}", f"{median(rates[way]) / median(rates['local']):.2f}",
         f"{median(starts[way]):.0f}"]
        for way in ways
    ]  # fmt: skip
    table = Table("Photos a second", ["way", "photos/s", "of local", "start, s"], rows)
    notes = [
        f"{options.few} and {options.many} photos, {options.threads} threads, "
        f"{options.rounds} rounds: "
        + "; ".join(f"{way} {', '.join(f'{r:.2f}' for r in rates[way])}" for way in ways)
    ]
    Result([table], notes).finish(options.json)


def copies(photos: str, count: int, folder: Path) -> Path:
    """A folder of ``count`` photos, the given ones again and again."""
    place = folder / str(count)
    place.mkdir()
    files = photos_in(photos)
    for number, file in enumerate(islice(files * (count // len(files) + 1), count)):
        shutil.copy(file, place / f"{number:04d}{file.suffix}")
    return place


def seconds(run: str, photos: Path, more: list[str], threads: int) -> float:
    """How long one call takes."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "fullconv", "predict", run, str(photos), "--out", out]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        start = time.perf_counter()
        subprocess.run([*command, *more], check=True, capture_output=True, env=environment)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
