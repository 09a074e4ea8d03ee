"""Trainings on several processes, one of which is killed at a random moment, again and again.

    python benchmarks/kill_processes.py --kills 100 --launcher own --json kills.json
    python benchmarks/kill_processes.py --kills 6 --stops 3 --launcher torchrun

After each SIGKILL the others have to end within 30 seconds, with a code that is not 0 and one line
that names the dead process and how to resume; then the run is resumed. A run that comes to its end
must have the bits of one that was never disturbed. Between the kills, ``--stops`` times, SIGTERM to
the command that was typed has to end all within 30 seconds too, with one line and the state of that
step saved. Exit code 1 where any of it does not hold.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fullconv.data import open_source, write_folder

SAME = ("model.safetensors", "resume/state.safetensors", "log.csv", "config.toml", "scores.json")
SETTINGS = {
    "net.name": "fcn8s-resnet18",
    "net.width": 0.125,
    "net.weights": "none",
    "schedule.steps": 60,
    "schedule.batch_size": 2,
    "schedule.log_every": 2,
    "schedule.validate_every": 10,
    "schedule.save_minutes": 0,  # a state at each step: many kills hit the writing of one
    "augment.crop": "[32, 48]",
    "data.workers": 1,
    "data.check": "false",
    "compute.precision": "fp32",
    "compute.device": "cpu",
}
LIMIT = 30.0  # seconds in which the others have to end


@dataclass
class Counts:
    """What was done, and what went wrong."""

    kills: int = 0
    stops: int = 0
    runs: int = 0
    while_saving: int = 0
    slowest_end: float = 0.0
    failures: list[str] = field(default_factory=list)


def command(launcher: str, processes: int, *arguments: object) -> list[str]:
    """How the training is started; by torchrun or by fullconv itself."""
    own = [sys.executable, "-m", "fullconv"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", str(processes), "-m", "fullconv"]
    return [*(torchrun if launcher == "torchrun" else own), "train", *map(str, arguments)]


def begun(launcher: str, processes: int, photos: Path, out: Path) -> "subprocess.Popen[str]":
    """A run that begins in ``out``, or is resumed there."""
    if (out / "config.toml").is_file():
        arguments: list[object] = ["--resume", "--out", out]
    else:
        changes = SETTINGS if launcher == "torchrun" else {**SETTINGS, "compute.devices": processes}
        options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
        arguments = [photos, "--out", out, *options]
    return subprocess.Popen(
        command(launcher, processes, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def ranks_below(parent: int) -> dict[int, int]:
    """The processes of a training by their number: ``parent`` itself, or what it has started."""
    found, listed = {}, [parent]
    while listed:
        pid = listed.pop()
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            for task in Path(f"/proc/{pid}/task").iterdir():
                listed += map(int, (task / "children").read_text().split())
        except OSError:
            continue
        ranks = [int(v.split(b"=")[1]) for v in variables if v.startswith(b"LOCAL_RANK=")]
        if b"fullconv" in arguments and ranks:
            found.setdefault(ranks[0], pid)
    return {0: parent} | found if found else {}  # which torchrun's own processes replace


def kill_once(
    launcher: str, processes: int, photos: Path, out: Path, chance: random.Random, counts: Counts
) -> bool:
    """Start or resume the run in ``out`` and kill one process; False where the run ended first."""
    training = begun(launcher, processes, photos, out)
    rank = chance.randrange(processes)
    wait_for(training, lambda: (out / "log.csv").is_file() and len(ranks_below(training.pid)) > 1)
    end = time.monotonic() + chance.uniform(0.0, 12.0)
    is_hit = chance.random() < 0.5  # half of the kills hit the writing of a state
    while training.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    wait_for(training, lambda: not is_hit or any((out / "resume").glob(".*.part")), 10.0)
    victim = ranks_below(training.pid).get(rank)
    was_saving = any((out / "resume").glob(".*.part"))
    if training.poll() is None and victim is not None:
        os.kill(victim, signal.SIGKILL)
        counts.kills += 1
        counts.while_saving += was_saving
    killed_at, has_killed = time.monotonic(), victim is not None
    try:
        said, _ = training.communicate(timeout=LIMIT * 2)
    except subprocess.TimeoutExpired:
        training.kill()
        counts.failures.append(f"kill {counts.kills}: still running after {2 * LIMIT:.0f} s")
        return True
    if training.returncode == 0:
        return False
    if has_killed:
        check_end(said, rank, processes, time.monotonic() - killed_at, counts)
    return True


def stop_once(
    launcher: str, processes: int, photos: Path, out: Path, chance: random.Random, counts: Counts
) -> bool:
    """Start or resume the run in ``out`` and ask for its end; False where the run ended first."""
    training = begun(launcher, processes, photos, out)
    state = out / "resume" / "state.safetensors"
    before = _changed(state)
    wait_for(training, lambda: _changed(state) != before)  # it has made a step
    wait_for(training, lambda: False, chance.uniform(0.0, 6.0))
    if training.poll() is None:
        training.send_signal(signal.SIGTERM)
        counts.stops += 1
    asked_at = time.monotonic()
    try:
        said, _ = training.communicate(timeout=LIMIT * 2)
    except subprocess.TimeoutExpired:
        training.kill()
        counts.failures.append(f"stop {counts.stops}: still running after {2 * LIMIT:.0f} s")
        return True
    if training.returncode == 0:
        return False
    seconds = time.monotonic() - asked_at
    counts.slowest_end = max(counts.slowest_end, seconds)
    lines = [line for line in said.splitlines() if line.startswith("fullconv: ")]
    if seconds > LIMIT or len(lines) != 1 or "stopped by SIGTERM and saved" not in lines[0]:
        counts.failures.append(f"stop {counts.stops}: after {seconds:.0f} s said {lines}")
    return True


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_for(training: "subprocess.Popen[str]", is_so, seconds: float = 120.0) -> None:
    """Until it is so, or the training has ended."""
    end = time.monotonic() + seconds
    while training.poll() is None and time.monotonic() < end and not is_so():
        time.sleep(0.002)


def check_end(said: str, rank: int, processes: int, seconds: float, counts: Counts) -> None:
    """Note what is wrong with how the others ended."""
    counts.slowest_end = max(counts.slowest_end, seconds)
    lines = [line for line in said.splitlines() if line.startswith("fullconv: ")]
    expected = f"process {rank} of {processes} died"
    if seconds > LIMIT:
        counts.failures.append(f"kill {counts.kills}: the others ended after {seconds:.0f} s")
    if "plan: " not in said and "ChildFailedError" in said:  # they had not met: torchrun says it
        return
    if len(lines) != 1 or expected not in lines[0] or "--resume" not in lines[0]:
        counts.failures.append(f"kill {counts.kills} of process {rank}: said {lines}")


def disturbed(
    launcher: str,
    processes: int,
    photos: Path,
    out: Path,
    chance: random.Random,
    counts: Counts,
    kills: int,
    stops: int,
) -> bool:
    """A kill or a stop, by what is left of them; False where the run ended first."""
    left = max(0, kills - counts.kills), max(0, stops - counts.stops)
    is_stop = chance.random() * sum(left) < left[1]
    once = stop_once if is_stop else kill_once
    return once(launcher, processes, photos, out, chance, counts)


def soak(
    kills: int, launcher: str = "own", processes: int = 2, seed: int = 0, stops: int = 0
) -> Counts:
    """So many kills, and stops between them; what was found."""
    chance, counts = random.Random(seed), Counts()
    with tempfile.TemporaryDirectory() as folder:
        splits = [open_source("shapes:40x56:n=10", split) for split in ("train", "val")]
        photos = write_folder(splits, Path(folder) / "photos", limit=6)
        whole = Path(folder) / "whole"
        said, _ = begun(launcher, processes, photos, whole).communicate()
        assert (whole / "report.html").is_file(), said
        left = lambda: max(0, kills - counts.kills) + max(0, stops - counts.stops)  # noqa: E731
        while left() and len(counts.failures) < 10:
            out = Path(folder) / f"run-{counts.runs}"
            while disturbed(launcher, processes, photos, out, chance, counts, kills, stops):
                print(asdict(counts), flush=True)
                if not left():
                    begun(launcher, processes, photos, out).communicate()
                    break
            counts.runs += 1
            differing = [n for n in SAME if (out / n).read_bytes() != (whole / n).read_bytes()]
            if differing:
                counts.failures.append(f"run {counts.runs}: other bits in {', '.join(differing)}")
    return counts


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--stops", type=int, default=0)
    parser.add_argument("--launcher", choices=("own", "torchrun"), default="own")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    counts = soak(options.kills, options.launcher, options.processes, options.seed, options.stops)
    print(json.dumps(asdict(counts), indent=1))
    if options.json:
        options.json.write_text(json.dumps(asdict(counts), indent=1))
    sys.exit(bool(counts.failures))


if __name__ == "__main__":
    main()
