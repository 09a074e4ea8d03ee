"""Throughput of `predict --cluster auto` on one machine beside the local command.

    python benchmarks/cluster.py RUN PHOTOS [--threads 2] [--count 64] [--rounds 3] [--json FILE]

Both predict the same photos with one process of so many threads, on the same cores. The rate is
that between the first and the last result, by the times of their files: what starting takes (the
command, Ray, loading the net) varies by more than the photos take, and is shown beside. A call
that does not write every result ends the benchmark. The ways take turns; the figures are medians.
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
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    one = ["--workers", "1", "--worker-cpus", str(options.threads)]
    ways = {"local": [], "--cluster auto": ["--cluster", "auto", *one]}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    starts: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        photos = copies(options.photos, options.count, Path(folder))
        for _ in range(options.rounds):
            for way, more in ways.items():
                first, last = results(options.run, photos, more, options)
                rates[way].append((options.count - 1) / (last - first))
                starts[way].append(first)
    median = statistics.median
    rows = [
        [way, f"{median(rates[way]):.2f}", f"{median(rates[way]) / median(rates['local']):.2f}",
         f"{median(starts[way]):.0f}"]
        for way in ways
    ]  # fmt: skip
    table = Table("Photos a second", ["way", "photos/s", "of local", "first result, s"], rows)
    notes = [
        f"{options.count} photos, {options.threads} threads, "
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


def results(
    run: str, photos: Path, more: list[str], options: argparse.Namespace
) -> tuple[float, float]:
    """Seconds from the start of a call to its first and to its last class map."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "fullconv", "predict", run, str(photos), "--out", out]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        start = time.time()
        subprocess.run([*command, *more], check=True, capture_output=True, env=environment)
        times = sorted(file.stat().st_mtime - start for file in Path(out).glob("*.png"))
        if len(times) != options.count:
            raise SystemExit(f"{len(times)} of {options.count} results are there: {command}")
        return times[0], times[-1]


if __name__ == "__main__":
    main()
