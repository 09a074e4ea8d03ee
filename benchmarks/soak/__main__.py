"""Counts what breaks: kills, damaged files, a service under load. Writes docs/reliability.md.

make soak                                    # everything: some hours on two cores
make soak SOAK='--only kills --kills 20'     # one part; the page keeps the others' counts
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from soak import page
from soak.tally import RESULTS, Tally

PARTS = ("training", "processes", "kills", "mutations", "service")


def main() -> None:
    """The command line."""
    options = _options()
    if options.page_only:
        page.write(options.page, options.results)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="soak-", dir=options.work) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # what readers write is looked at
        faults = _run(options, Path(folder))
    page.write(options.page, options.results)
    raise SystemExit(1 if faults else 0)


def _run(options: argparse.Namespace, folder: Path) -> int:
    """Run the parts; the number of faults."""
    faults = 0
    for name in options.only.split(","):
        start = time.monotonic()
        tally = _parts(options, folder)[name]()
        seconds = time.monotonic() - start
        tally.save(f"make soak SOAK='--only {name} {_count(name, options)}'", seconds,
                   options.results)  # fmt: skip
        faults += sum(len(lines) for lines in tally.findings.values())
        print(f"{name}: {seconds:.0f} s, {tally.rows}", flush=True)
    return faults


def _count(part: str, options: argparse.Namespace) -> str:
    """The option that says how much of a part is counted."""
    option = {"training": "kills", "processes": "kills", "service": "requests"}.get(part, part)
    return f"--{option} {getattr(options, option)}"


def _parts(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Tally]]:
    from soak import children, killed_processes, killed_training, kills, mutations, scenes, service

    children.preload()
    place = folder / "scenes"
    made = scenes.Scenes(place) if place.exists() else scenes.make(place)
    if not made.net.exists():
        scenes.train_net(made, folder / "log")
    seed, readers, jobs = options.seed, _names(options.readers), _names(options.jobs)
    return {
        "training": partial(killed_training.kill_training, made, options.kills, seed),
        "processes": partial(killed_processes.kill_processes, folder / "processes",
                             options.kills, seed),
        "kills": partial(kills.kill_jobs, made, options.kills, seed, jobs),
        "mutations": partial(mutations.mutate, made, options.mutations, seed, readers,
                             options.findings),
        "service": partial(service.soak_service, made, options.requests, seed),
    }  # fmt: skip


def _names(text: str) -> list[str] | None:
    return text.split(",") if text else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    parser.add_argument("--kills", type=int, default=200, help="of each command")
    parser.add_argument("--mutations", type=int, default=5000, help="of each reader's files")
    parser.add_argument("--requests", type=int, default=20000, help="to the service")
    parser.add_argument("--jobs", default="", help="some of the killed commands, with commas")
    parser.add_argument("--readers", default="", help="some of the readers, with commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    parser.add_argument("--findings", type=Path, default=Path("soak-findings"),
                        help="folder for the files that broke a reader")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the counts")
    parser.add_argument("--page", type=Path, default=page.PAGE, help="page to write")
    parser.add_argument("--page-only", action="store_true", help="write the page alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
