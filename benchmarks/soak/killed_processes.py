"""SIGKILLs at random moments of one process of a training on several, and SIGTERMs between them.

The others have to end within `LIMIT` seconds, with one line that names the dead one and how to
resume; then the run is resumed. A run that comes to its end has the bits of one that nothing
disturbs. The commands are real ones: fullconv starts its processes itself, or torchrun does.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soak.killed_training import SAME
from soak.tally import Tally

COLUMNS = ["kills", "while a state was being written", "SIGTERMs", "runs ended",
           "others still running", "not one line", "not the same bits",
           "slowest end, s"]  # fmt: skip
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
LIMIT = 30.0
"""Seconds in which the others have to end."""
LATEST = 6.0
"""Seconds from the first step to the last moment of a kill."""
WRITING = 0.5
"""Share of the kills that wait for the writing of a state."""


def kill_processes(place: Path, kills: int, seed: int, processes: int = 2) -> Tally:
    """So many kills of trainings that fullconv starts, and a tenth of them under torchrun.

    A SIGTERM is sent for ten kills of each, at least one. Temporary files lie in ``place``.
    """
    from fullconv.data import open_source, write_folder

    tally = Tally("processes", COLUMNS)
    place.mkdir(parents=True)
    splits = [open_source("shapes:40x56:n=10", split) for split in ("train", "val")]
    photos = write_folder(splits, place / "photos", limit=6)
    for launcher, count in (("fullconv", kills), ("torchrun", -(-kills // 10))):
        soak = _Soak(launcher, processes, photos, place / launcher, random.Random(seed), tally)
        soak.run(count, -(-count // 10))
    tally.notes.append(
        f"Each run: {SETTINGS['schedule.steps']} steps, a state saved at each, six validations. A "
        f"process has ended too late after {LIMIT:.0f} s. Compared with a run that nothing "
        f"disturbs: {', '.join(SAME)}, byte by byte."
    )
    shutil.rmtree(place)
    return tally


@dataclass
class _Soak:
    launcher: str
    processes: int
    photos: Path
    place: Path
    chance: random.Random
    tally: Tally

    @property
    def row(self) -> str:
        """The name of its row."""
        return f"{self.processes} processes, started by {self.launcher}"

    def run(self, kills: int, stops: int) -> None:
        """Runs that are disturbed until each ends, till so many of both were sent."""
        whole = self.place / "whole"
        said, _ = self.begun(whole).communicate()
        if not (whole / "report.html").is_file():
            raise RuntimeError(f"the undisturbed run has failed: {said}")
        self.count(COLUMNS[0], 0)
        asked, number = {"kills": kills, "SIGTERMs": stops}, 0
        while any(self.left(asked).values()):
            out = self.place / f"run{number}"
            while self.disturbed(out, self.left(asked)):
                pass
            self.compare(out, whole)
            number += 1

    def disturbed(self, out: Path, left: dict[str, int]) -> bool:
        """A kill or a SIGTERM, by what is left of them, or none; False where the run has ended."""
        print(f"{self.row}: left {left}", flush=True)
        if not any(left.values()):
            self.begun(out).communicate()
            return False
        is_kill = self.chance.uniform(0, sum(left.values())) < left["kills"]
        return self.kill(out) if is_kill else self.stop(out)

    def left(self, asked: dict[str, int]) -> dict[str, int]:
        """How many are still to be sent, by column."""
        return {c: max(0, n - int(self.tally.rows[self.row][c])) for c, n in asked.items()}

    def compare(self, out: Path, whole: Path) -> None:
        """Count the run that has come to its end, and what differs from the undisturbed one."""
        self.count("runs ended")
        different = [
            name
            for name in SAME
            if not (out / name).is_file()
            or (out / name).read_bytes() != (whole / name).read_bytes()
        ]
        if different:
            self.fault("not the same bits", f"{out.name}: {different} differ")
        shutil.rmtree(out, ignore_errors=True)

    def begun(self, out: Path) -> "subprocess.Popen[str]":
        """A run that begins in ``out``, or is resumed there."""
        if (out / "config.toml").is_file():
            arguments: list[object] = ["--resume", "--out", out]
        else:
            changes: dict[str, object] = dict(SETTINGS)
            if self.launcher == "fullconv":  # torchrun says it itself
                changes["compute.devices"] = self.processes
            options = [p for key, value in changes.items() for p in ("--set", f"{key}={value}")]
            arguments = [self.photos, "--out", out, *options]
        return subprocess.Popen(
            [*self.command(), "train", *map(str, arguments)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def command(self) -> list[str]:
        """How fullconv is started."""
        if self.launcher == "fullconv":
            return [sys.executable, "-m", "fullconv"]
        return [sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--nproc-per-node", str(self.processes), "-m", "fullconv"]  # fmt: skip

    def kill(self, out: Path) -> bool:
        """Begin or resume the run and kill one process; False where the run ended first."""
        training = self.begun(out)
        rank = self.chance.randrange(self.processes)
        log = out / "log.csv"
        _wait(training, lambda: log.is_file() and len(ranks_below(training.pid)) > 1)
        _wait(training, lambda: False, self.chance.uniform(0.0, LATEST))
        if self.chance.random() < WRITING:
            _wait(training, partial(_is_writing, out), 10.0)
        victim = ranks_below(training.pid).get(rank)
        was_writing = _is_writing(out)
        if training.poll() is None and victim is not None:
            os.kill(victim, signal.SIGKILL)
            self.count("kills")
            self.count(COLUMNS[1], was_writing)
        return self.end(training, out, f"process {rank} of {self.processes} died", "--resume")

    def stop(self, out: Path) -> bool:
        """Begin or resume the run and ask for its end; False where the run ended first."""
        state = out / "resume" / "state.safetensors"
        before = _changed(state)
        training = self.begun(out)
        _wait(training, lambda: _changed(state) != before)  # it has made a step
        _wait(training, lambda: False, self.chance.uniform(0.0, LATEST))
        if training.poll() is None:
            training.send_signal(signal.SIGTERM)
            self.count("SIGTERMs")
        return self.end(training, out, "stopped by SIGTERM and saved", "--resume")

    def end(self, training: "subprocess.Popen[str]", out: Path, *expected: str) -> bool:
        """Wait for the end of all; whether it was that of a training that was disturbed."""
        start, column = time.monotonic(), "others still running"
        try:
            said, _ = training.communicate(timeout=2 * LIMIT)
        except subprocess.TimeoutExpired:
            for pid in (*ranks_below(training.pid).values(), training.pid):
                os.kill(pid, signal.SIGKILL)
            self.fault(column, f"after {2 * LIMIT:.0f} s, once there was to be {expected[0]!r}")
            return True
        if training.returncode == 0:
            return False
        seconds = time.monotonic() - start
        row = self.tally.rows[self.row]
        row["slowest end, s"] = max(float(row["slowest end, s"]), round(seconds, 1))
        if seconds > LIMIT:
            self.fault(column, f"for {seconds:.0f} s, once there was to be {expected[0]!r}")
        lines = [line for line in said.splitlines() if line.startswith("fullconv: ")]
        had_not_met = "plan: " not in said and "ChildFailedError" in said  # torchrun says it then
        if had_not_met or self.is_at_end(out):
            return True
        if len(lines) != 1 or not all(part in lines[0] for part in expected):
            code, last = training.returncode, said[-300:]
            self.fault("not one line", f"{lines} in place of one with {expected}: {code}, {last!r}")
        return True

    def is_at_end(self, out: Path) -> bool:
        """Whether the last step is saved: then the processes part, and the report is left."""
        log = out / "log.csv"
        last = log.read_text("utf-8").splitlines()[-1] if log.is_file() else ""
        return last.startswith(f"{SETTINGS['schedule.steps']},")

    def count(self, column: str, number: float = 1) -> None:
        """Add to a count of the row."""
        self.tally.count(self.row, column, number)

    def fault(self, column: str, line: str) -> None:
        """Count and note a fault."""
        self.count(column)
        self.tally.find(self.row, line)


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


def _is_writing(out: Path) -> bool:
    return any((out / "resume").glob(".*.part"))


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _wait(
    training: "subprocess.Popen[str]", is_so: Callable[[], bool], seconds: float = 120.0
) -> None:
    """Until it is so, or the training has ended."""
    end = time.monotonic() + seconds
    while training.poll() is None and time.monotonic() < end and not is_so():
        time.sleep(0.002)
