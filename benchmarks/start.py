"""Time and memory to start of each command, in turn with `import torch`, before and after a change.

    python benchmarks/start.py [--before CHECKOUT] [--rounds 5]

Processor seconds (user and system) of the whole process and its peak memory, the median over the
rounds, on a data set of 12 scenes of 48x64. `train` is also ended where its first step would begin,
so that what remains is its start. With the folder of another checkout of this project its commands
are measured too.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from result import Result, Table

HERE = Path(__file__).resolve().parent.parent
TINY = (
    "--net fcn8s-resnet18 --set net.width=0.0625 --steps 1 --batch-size 2 --crop 32x32 --workers 0"
)
COMMANDS = {
    "import torch": None,
    "--help": "--help",
    "nets --help": "nets --help",
    "recipes": "recipes",
    "weights": "weights",
    "nets": "nets",
    "check": "check scenes",
    "statistics": "statistics scenes",
    "inspect": "inspect scenes --out page.html",
    "shapes": "shapes OUT --number 2 --size 48x64",
    "import": "import labelled OUT",
    "train (to its first step)": f"train scenes --out OUT {TINY}",
    "train (1 step)": f"train scenes --out OUT {TINY}",
    "evaluate": "evaluate run scenes",
    "predict": "predict run scenes/images/val --out OUT",
    "compare --help": "compare --help",
}
MAIN = "from fullconv.cli import main; main()"
TO_THE_FIRST_STEP = f"""
import os
from fullconv.training.step import Updater
Updater.step = lambda *_: os._exit(0)
{MAIN}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--before", type=Path, help="another checkout of this project")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--json", help="write the result to this file")
    given = arguments.parse_args()
    versions = {"now": HERE} | ({"before": given.before.resolve()} if given.before else {})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _prepare(folder)
        times = _measured(folder, versions, given.rounds)
    _result(times, list(versions), given.rounds).finish(given.json)


def _prepare(folder: Path) -> None:
    """A data set, a run, and photos with labels, made by the code of now."""
    _run(folder, HERE, "shapes scenes --number 12 --size 48x64")
    _run(folder, HERE, f"train scenes --out run {TINY}")
    for number in range(6):
        name = sorted((folder / "scenes/images/train").iterdir())[number]
        (folder / "labelled").mkdir(exist_ok=True)
        (folder / "labelled" / name.name).write_bytes(name.read_bytes())
        shape = {"label": "a", "points": [[1, 1], [30, 1], [30, 30]], "shape_type": "polygon"}
        said = {"version": "5.0", "shapes": [shape], "imagePath": name.name, "imageData": None,
                "imageHeight": 48, "imageWidth": 64}  # fmt: skip
        (folder / "labelled" / f"{name.stem}.json").write_text(json.dumps(said))


Times = dict[tuple[str, str], list[tuple[float, float]]]
"""Command and version -> processor seconds and MiB of each round."""


def _measured(folder: Path, versions: dict[str, Path], rounds: int) -> Times:
    times: Times = {(name, version): [] for name in COMMANDS for version in versions}
    for number in range(rounds + 1):
        for row, (name, command) in enumerate(COMMANDS.items()):
            for version, place in versions.items():
                program = TO_THE_FIRST_STEP if name.endswith("first step)") else MAIN
                took = _run(folder, place, command, f"out-{number}-{row}-{version}", program)
                if number and took:  # the first round fills the caches of the system
                    times[name, version].append(took)
    return times


def _run(
    folder: Path, checkout: Path, command: str | None, out: str = "out", program: str = MAIN
) -> tuple[float, float] | None:
    """Processor seconds and peak MiB of a command; None where it fails, as an older one may."""
    words = [] if command is None else [out if w == "OUT" else w for w in command.split()]
    program = "import torch" if command is None else program
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.execve(sys.executable, [sys.executable, "-c", program, *words], environment)
    _, status, usage = os.wait4(pid, 0)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    took = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit
    return took if os.waitstatus_to_exitcode(status) == 0 else None


def _result(times: Times, versions: list[str], rounds: int) -> Result:
    seconds, memory = (
        {
            key: statistics.median(v[place] for v in values)
            for key, values in times.items()
            if values
        }
        for place in (0, 1)
    )
    order = sorted(versions)  # before, now
    head = ["command", *(f"{v}: s" for v in order), *(f"{v}: of torch" for v in order),
            *(f"{v}: MiB" for v in order)]  # fmt: skip
    rows = []
    for name in COMMANDS:
        keys = [(name, version) for version in order]
        torch = [seconds["import torch", version] for version in order]
        rows.append(
            [f"`{name}`"]
            + [f"{seconds[key]:.2f}" if key in seconds else "-" for key in keys]
            + [
                f"{seconds[k] / t:.2f}" if k in seconds else "-"
                for k, t in zip(keys, torch, strict=True)
            ]
            + [f"{memory[key]:.0f}" if key in memory else "-" for key in keys]
        )
    note = (
        "Processor seconds, user and system, and peak memory of the process; "
        f"{rounds} rounds in turn, medians."
    )
    return Result([Table("Start of the commands", head, rows)], [note])


if __name__ == "__main__":
    main()
