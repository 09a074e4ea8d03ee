"""SIGKILLs at random moments of commands that write a result: is what is there then whole?

Each job is first run undisturbed: its result is what a whole one is, and its duration bounds the
moments. A killed command is typed again, as a person would, until it ends.
"""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from soak.children import Child, command
from soak.scenes import Scenes
from soak.tally import Tally

COLUMNS = ["kills", "while a file was being written", "results", "halves that look whole",
           "not finished by the next command", "left behind"]  # fmt: skip
AT_A_TEMPORARY_FILE = 0.5
"""Share of the kills that wait until a temporary file is there."""
LATEST = 0.02  # seconds after it has appeared


@dataclass
class Job:
    """A command that writes below ``out``, the same bytes each time."""

    name: str
    arguments: Callable[[Path], list[object]]
    unfinished: tuple[str, ...] = ()
    """Endings of files that say by their name that they are not whole."""
    seconds: float = field(default=0.0, init=False)


def jobs(scenes: Scenes) -> list[Job]:
    """What is killed; each has one ``out``, which is not there before."""
    net, photos = scenes.net, scenes.photos / "images" / "train"
    return [
        Job("predict of a folder", lambda out: ["predict", net, photos, "--out", out]),
        Job(
            "predict of a raster",
            lambda out: ["predict", net, scenes.raster, "--out", out, "--tile", 480],
            unfinished=(".partial", ".partial.json", ".part", ".lock"),
        ),
        Job("import", lambda out: ["import", scenes.labelme, out]),
        Job("export", lambda out: ["export", net, "--out", out / "net.onnx"]),
        Job("evaluate --out", lambda out: ["evaluate", net, scenes.photos, "--out", out]),
    ]


def kill_jobs(scenes: Scenes, kills: int, seed: int, names: list[str] | None) -> Tally:
    """``kills`` of each job, or of those called ``names``, in turn."""
    tally = Tally("kills", COLUMNS)
    tally.notes.append(
        f"{AT_A_TEMPORARY_FILE:.0%} of the kills came within {LATEST * 1000:.0f} ms of the moment "
        "at which a temporary file appeared, the others at any moment of the command."
    )
    known = {job.name: job for job in jobs(scenes)}
    for job in [known[name] for name in names or known]:
        _kill(job, scenes, kills, random.Random(f"{seed} {job.name}"), tally)
    return tally


def _kill(job: Job, scenes: Scenes, kills: int, chance: random.Random, tally: Tally) -> None:
    place = scenes.scratch(job.name)
    whole, out = place / "whole" / "out", place / "killed" / "out"
    whole.parent.mkdir(parents=True)
    start = time.monotonic()
    _finish(job, whole, place / "log", tally)
    job.seconds = time.monotonic() - start
    done = 0
    while done < kills:
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir(parents=True)
        killed = True
        while killed and done < kills:
            killed, writing = _killed(command(job.arguments(out), place / "log"), job, out, chance)
            done += killed
            tally.count(job.name, COLUMNS[0], killed)
            tally.count(job.name, COLUMNS[1], killed and writing)
            for file in halves(job, whole, out):
                tally.count(job.name, COLUMNS[3])
                tally.find(job.name, f"after {done} kills {file} is not what a whole one is")
        if killed and _is_there(job, whole, out):
            continue  # it was killed after its result was whole
        if not killed or _finish(job, out, place / "log", tally):
            tally.count(job.name, COLUMNS[2])
            _check_end(job, whole, out, tally)
    shutil.rmtree(place)


def _killed(child: Child, job: Job, out: Path, chance: random.Random) -> tuple[bool, bool]:
    """Kill it at a random moment: whether it still ran, and whether a temporary file was there."""
    end = time.monotonic() + chance.uniform(0, job.seconds * 1.1)
    if chance.random() < AT_A_TEMPORARY_FILE:
        while child.poll() is None and not temporary_files(out.parent):
            time.sleep(0.0002)
        end = time.monotonic() + chance.uniform(0, LATEST)
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.0005)
    running = child.poll() is None
    code = child.kill()
    return running and code == -9, bool(temporary_files(out.parent))


def _finish(job: Job, out: Path, log: Path, tally: Tally) -> bool:
    """Run it to its end; whether it did."""
    child = command(job.arguments(out), log)
    if code := child.wait():
        tally.count(job.name, COLUMNS[4])
        tally.find(job.name, f"ended with {code}: {child.said()[-300:]!r}")
    return not code


def _check_end(job: Job, whole: Path, out: Path, tally: Tally) -> None:
    """The result of a command that ended is the whole one, and nothing else is there."""
    if not _is_there(job, whole, out):
        tally.count(job.name, COLUMNS[4])
        tally.find(job.name, f"ended, and {sorted(results(out) ^ results(whole))} differ")
    for file in temporary_files(out.parent) + _unfinished(job, out):
        tally.count(job.name, COLUMNS[5])
        tally.find(job.name, f"{file.name} is left behind")


def results(out: Path) -> set[str]:
    """Files that a person sees as results: those below ``out`` that are not hidden."""
    if not out.is_dir():
        return set()
    names = (p.relative_to(out) for p in out.rglob("*") if p.is_file())
    return {str(name) for name in names if not any(part[0] == "." for part in name.parts)}


def halves(job: Job, whole: Path, out: Path) -> list[str]:
    """Results that are not what they are after an undisturbed run."""
    endings, known = job.unfinished or ("\0",), results(whole)
    names = [name for name in results(out) if not name.endswith(endings)]
    return [
        n for n in names if n not in known or (out / n).read_bytes() != (whole / n).read_bytes()
    ]


def _is_there(job: Job, whole: Path, out: Path) -> bool:
    return results(whole) <= results(out) and not halves(job, whole, out)


def temporary_files(folder: Path) -> list[Path]:
    """What is being written below ``folder``, or was when its process was killed."""
    try:
        return [p for p in folder.rglob(".*") if p.name.endswith(".part")]
    except OSError:  # a folder that is removed at this moment
        return []


def _unfinished(job: Job, out: Path) -> list[Path]:
    endings = [e for e in job.unfinished if e != ".lock"]
    return [p for p in out.rglob("*") if p.name.endswith(tuple(endings) or "\0")]
