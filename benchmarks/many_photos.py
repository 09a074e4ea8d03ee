"""Start and memory of a training on 100,000 photos, beside one on 200.

    python benchmarks/many_photos.py                              # makes the photos in a new folder
    python benchmarks/many_photos.py --folder /scratch/many       # made there once, used again

The photos are generated, 64x48, each with its mask, a tenth of them PNG, in folders of train and
val, and once more (hard links) without splits. `fullconv train` runs on them with a small net and
one loader process. The first training reads them all for the check; the ones after it only look
whether a file has changed. Seconds from the start of the command to its first step, wall and
processor, medians; memory is the proportional set size of the process and of its loader process at
steps 1 and 200. Linux only: it reads /proc.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fullconv.data.synthetic.scene import KINDS, scene
from result import Result, Table

SETTINGS = {
    "net.name": "fcn8s-resnet18",
    "net.width": 0.0625,
    "net.weights": "none",
    "schedule.steps": 250,
    "schedule.batch_size": 2,
    "schedule.log_every": 1,
    "schedule.validate_every": 100_000,
    "augment.crop": "[32, 32]",
    "data.workers": 1,
    "compute.device": "cpu",
    "compute.precision": "fp32",
}
BLOCK = 1000  # photos that a process makes at once
SCENES = 20  # of which those of a block are, under noise
STEPS = (1, 200)


def main() -> None:
    """Make the photos where they are not there, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="of the photos, kept; else a temporary one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the result to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "photos"
        places = {}
        for count in (200, given.photos):
            made = folder / str(count)
            if not (made / "done").is_file():
                shutil.rmtree(made, ignore_errors=True)
                make(made, count)
            places |= {f"{count:,} in train and val": made / "split",
                       f"{count:,} without splits": made / "flat"}  # fmt: skip
        os.environ["FULLCONV_CACHE"] = str(Path(temporary) / "cache")
        rows = [row(name, data, Path(temporary), given.rounds) for name, data in places.items()]
    head = ["photos", "first time: s", "of processor", "again: s", "of processor"]
    head += [f"{who} at step {step}: MiB" for who in ("process", "loader") for step in STEPS]
    Result([Table("From the command to its first step", head, rows)]).finish(given.json)


def make(folder: Path, count: int) -> None:
    """``split/`` and ``flat/`` with so many photos, a tenth of them to validate on."""
    for kind in ("images", "masks"):
        for inside in ("split/{}/train", "split/{}/val", "flat/{}"):
            (folder / inside.format(kind)).mkdir(parents=True)
    classes = "".join(f'[[class]]\nname = "{name}"\n' for name in ("background", *KINDS))
    for layout in ("split", "flat"):
        (folder / layout / "classes.toml").write_text(classes)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_make_block, *zip(*((folder, first, count) for first in
                                          range(0, count, BLOCK)), strict=True)))  # fmt: skip
    (folder / "done").touch()


def _make_block(folder: Path, first: int, count: int) -> None:
    rng = np.random.default_rng(first)
    scenes = [scene(48, 64, rng)[:2] for _ in range(SCENES)]
    for number in range(first, min(first + BLOCK, count)):
        photo, mask = scenes[number % SCENES]
        noisy = (photo + rng.integers(-12, 13, photo.shape)).clip(0, 255).astype(np.uint8)
        split = "val" if number % 10 == 5 else "train"
        name = f"photo_{number:06}" + (".png" if number % 10 == 0 else ".jpg")
        for kind, file, pixels in (("images", name, noisy), ("masks", f"{name[:-4]}.png", mask)):
            place = folder / "split" / kind / split / file
            Image.fromarray(pixels).save(place)
            os.link(place, folder / "flat" / kind / file)


@dataclass
class Start:
    """Of one training: seconds to its first step, and MiB of process and loader by step."""

    wall: float
    worked: float
    memory: dict[int, tuple[float, float]]


def row(name: str, data: Path, place: Path, rounds: int) -> list[str]:
    """The first training on some photos, and the median of those after it."""
    first, *again = (started(data, place / "run") for _ in range(rounds + 1))
    seconds = [first.wall, first.worked]
    seconds += [statistics.median(getattr(s, part) for s in again) for part in ("wall", "worked")]
    memory = [
        statistics.median(start.memory[step][who] for start in again)
        for who in (0, 1)
        for step in STEPS
    ]
    return [name, *(f"{value:.1f}" for value in seconds), *(f"{value:.0f}" for value in memory)]


def started(data: Path, run: Path) -> Start:
    """A training, ended after the last of STEPS."""
    shutil.rmtree(run, ignore_errors=True)
    options = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "fullconv", "train", str(data), "--out", str(run), *options]
    began, memory = time.monotonic(), {}
    training = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _wait_for_step(training, run, STEPS[0])
        wall, worked = time.monotonic() - began, _processor_seconds(training.pid)
        for step in STEPS:
            _wait_for_step(training, run, step)
            memory[step] = _memory(training.pid)
    finally:
        os.killpg(training.pid, signal.SIGKILL)
        training.communicate()
    return Start(wall, worked, memory)


def _wait_for_step(training: "subprocess.Popen[bytes]", run: Path, step: int) -> None:
    log = run / "log.csv"
    while not log.is_file() or log.read_bytes().count(b"\n") <= step:
        if training.poll() is not None:
            assert training.stderr
            sys.exit(training.stderr.read().decode())
        time.sleep(0.005)


def _tree(pid: int) -> list[int]:
    """A process and what it has started, itself first."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(below for child in children for below in _tree(child))]


def _processor_seconds(pid: int) -> float:
    ticks = 0
    for each in _tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # user and system, its own and its ended children's
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[float, float]:
    """MiB of the process, and of those that it has started."""
    own, *others = (_proportional(each) for each in _tree(pid))
    return own, sum(others)


def _proportional(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


if __name__ == "__main__":
    main()
