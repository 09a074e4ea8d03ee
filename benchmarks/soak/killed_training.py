"""SIGKILLs at random moments of a training, saving included: a resume gives the same bits."""

import random
import shutil
import time
from pathlib import Path

from soak.children import Child, command
from soak.kills import temporary_files
from soak.scenes import NET, Scenes
from soak.tally import Tally

ROW = "training"
COLUMNS = ["kills", "while a file was being written", "runs ended", "resumes",
           "unreadable runs", "not the same bits"]  # fmt: skip
STEPS = 10
SETTINGS = {
    "schedule.log_every": 2,
    "schedule.validate_every": 4,
    "schedule.save_minutes": 0,  # the state is saved at each step
    "optimizer.ema": 0.9,
}
SAME = ["model.safetensors", "resume/state.safetensors", "log.csv", "config.toml", "scores.json"]
"""Files that have the bits of those of the run that nothing interrupts."""
WRITING = 0.6
"""Share of the kills that wait for a temporary file."""


def kill_training(scenes: Scenes, kills: int, seed: int) -> Tally:
    """At least ``kills`` of a training, in runs that are resumed until each ends."""
    tally = Tally("training", COLUMNS)
    chance, place = random.Random(seed), scenes.scratch("training")
    whole, log = place / "whole", place / "log"
    start = time.monotonic()
    if code := command(_new(scenes, whole, 0), log).wait():
        raise RuntimeError(f"the undisturbed run ended with {code}: {log.read_text()}")
    seconds, number = time.monotonic() - start, 0
    tally.rows[ROW] = dict.fromkeys(COLUMNS, 0)
    while tally.rows[ROW]["kills"] < kills:  # pyright: ignore[reportOperatorIssue]
        number += 1
        _one_run(scenes, place / f"run{number}", number % 2, (whole, seconds), chance, tally)
    tally.notes.append(
        f"Each run: {STEPS} steps, a state saved at each, three validations, every second one with "
        f"a process that reads the data. Compared with a run that nothing interrupts: "
        f"{', '.join(SAME)}, byte by byte (config.toml where the workers are the same)."
    )
    shutil.rmtree(place)
    return tally


def _one_run(scenes: Scenes, run: Path, workers: int, reference: tuple[Path, float],
             chance: random.Random, tally: Tally) -> None:  # fmt: skip
    """Kill and resume one run until it ends."""
    whole, seconds = reference
    log, killed = run.with_suffix(".log"), True
    while killed:
        resumes = (run / "config.toml").exists()
        arguments = ["train", "--resume", "--out", run] if resumes else _new(scenes, run, workers)
        tally.count(ROW, "resumes", resumes)
        child = command(arguments, log)
        killed, writing = _killed(child, run, chance.uniform(0, 1.2 * seconds), chance)
        tally.count(ROW, "kills", killed)
        tally.count(ROW, COLUMNS[1], killed and writing)
        if not killed and child.code:
            tally.count(ROW, "unreadable runs")
            tally.find(ROW, f"{run.name} ended with {child.code}: {child.said()[-300:]!r}")
            return
        if unreadable := _unreadable(run, log.with_suffix(".read")):
            tally.count(ROW, "unreadable runs")
            tally.find(ROW, f"{run.name}: {unreadable[-300:]!r}")
    tally.count(ROW, "runs ended")
    different = [n for n in SAME if (run / n).read_bytes() != (whole / n).read_bytes()]
    if workers:
        different = [name for name in different if name != "config.toml"]  # it says the workers
    left = temporary_files(run)
    if different or left:
        tally.count(ROW, "not the same bits")
        tally.find(ROW, f"{run.name}: {different} differ, {[p.name for p in left]} are left")
    shutil.rmtree(run)


def _killed(child: Child, run: Path, after: float, chance: random.Random) -> tuple[bool, bool]:
    """Kill it at a random moment: whether it still ran, and whether it was writing a file."""
    end = time.monotonic() + after
    if chance.random() < WRITING:
        waits = chance.randrange(1, 4)
        seen: set[Path] = set()
        while child.poll() is None and len(seen) < waits:
            seen |= set(temporary_files(run))
            time.sleep(0.0002)
        end = 0.0
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.0005)
    running = child.poll() is None
    return child.kill() == -9 and running, bool(temporary_files(run))


def _unreadable(run: Path, log: Path) -> str:
    """Why what a killed run has left cannot be read; '' where it can."""

    def read() -> None:
        from fullconv.checkpoints import load
        from fullconv.report.run_files import read_run

        if (run / "model.safetensors").exists():
            load(run)
        if (run / "config.toml").exists():
            read_run(run)

    child = Child(read, log)
    return child.said() if child.wait() else ""


def _new(scenes: Scenes, run: Path, workers: int) -> list[object]:
    changes = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return ["train", scenes.photos, "--out", run, *NET, "--steps", STEPS, "--batch-size", 2,
            "--workers", workers, *changes]  # fmt: skip
