"""From labelme's files to a page that answers: each command as it is typed, and its seconds.

    python benchmarks/walk.py                                       # generated scenes: make walk
    python benchmarks/walk.py --data data/camvid --every 2 --steps 500 --out walk/camvid

The masks of a data set are first turned into labelme's files, so that there is an export. Checked
on the way: the masks that come back are those, and the served mask is the predicted one.
"""

import argparse
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fullconv.data import available_splits, open_source
from labelme_files import Mask, write_labelme

SCENES = "--recipe demo"
CAMVID = "--recipe scratch --net fcn4s-resnet18 --set net.width=0.5 --crop 192x256 --batch-size 4"
FILMS = "--background __ignore__ --group '^[^_]+'"  # unlabelled is ignored; a film on one side


class Walk:
    """The steps so far: command, seconds, what came of it. All run in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[tuple[str, float]] = []

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long the block took."""
        print(f"\n$ {what}", flush=True)
        start = time.perf_counter()
        yield
        self.rows.append((what, time.perf_counter() - start))

    def fullconv(self, arguments: str) -> None:
        """A command as it is typed; ends the walk where it fails."""
        command = [sys.executable, "-m", "fullconv", *shlex.split(arguments)]
        with self.timed(f"fullconv {arguments}"):
            subprocess.run(command, cwd=self.folder, check=True)

    @contextmanager
    def served(self, run: str) -> Iterator[str]:
        """Its address while ``fullconv serve`` runs, at any free port."""
        command = [sys.executable, "-m", "fullconv", "serve", run, "--port", "0"]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as it:
            try:
                with self.timed(f"fullconv serve {run}"):
                    url = _address(it)
                yield url
            finally:
                it.send_signal(signal.SIGINT)
                it.communicate()
        if it.returncode:
            sys.exit(f"serve ended with {it.returncode}")

    def table(self) -> str:
        """Markdown."""
        rows = [f"| `{what}` | {seconds:.1f} |" for what, seconds in self.rows]
        return "\n".join(["| step | seconds |", "|---|---|", *rows])


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    for line in process.stdout:
        if found := re.match(r"http://\S+", line):
            return found[0]
    return sys.exit("serve did not start")


def differing(data: Path, masks: dict[str, Mask], names: tuple[str, ...], ignore: int) -> list[str]:
    """The photos of an imported data set whose masks are not those that were exported."""
    wrong = set(masks)
    for split in available_splits(str(data)):
        source = open_source(str(data), split)
        table = np.full(256, source.classes.ignore)
        table[: len(names)] = [source.classes.names.index(name) for name in names]
        for index, name in enumerate(source.names):
            if np.array_equal(source.mask(index), table[masks[name]]):
                wrong.discard(name)
    return sorted(wrong)


def walk(folder: Path, data: str, every: int, options: str, training: str) -> Walk:
    """Every step; exits where one fails."""
    steps, masks = Walk(folder), {}
    for split in available_splits(data):
        source = open_source(data, split)
        masks |= write_labelme(source, folder / "labelme", every)
    print(f"{len(masks)} photos with labelme's files in {folder / 'labelme'}")
    steps.fullconv(f"import labelme photos {options}".strip())
    wrong = differing(folder / "photos", masks, source.classes.names, source.classes.ignore)
    if wrong:
        sys.exit(f"{len(wrong)} masks are not what was exported: {', '.join(wrong[:5])}")
    print(f"all {len(masks)} masks are what was exported, in every pixel")
    steps.fullconv("inspect photos")
    steps.fullconv(f"train photos {training} --out runs/first")
    steps.fullconv("report runs/first")
    steps.fullconv("predict runs/first photos/images/val --out predicted")
    ask(steps, "runs/first", "photos")
    return steps


def ask(steps: Walk, run: str, data: str) -> None:
    """Send a photo to the service twice; its mask must be the predicted one."""
    photo = min((steps.folder / data / "images/val").iterdir())
    with steps.served(run) as url:
        request = urllib.request.Request(
            f"{url}/v1/segment?answer=mask", photo.read_bytes(),
            {"Content-Type": f"image/{photo.suffix[1:].replace('jpg', 'jpeg')}"},
        )  # fmt: skip
        for time_of in ("the first photo", "the next"):
            what = f"curl -F photo=@{photo.name} URL/v1/segment?answer=mask, {time_of}"
            with steps.timed(what):
                mask = urllib.request.urlopen(request, timeout=120).read()
    if mask != (steps.folder / "predicted" / f"{photo.stem}.png").read_bytes():
        sys.exit("the served mask is not the predicted one")
    print("\nthe served mask is the predicted one, byte for byte")


def main() -> None:
    """Walk, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="shapes:n=300", help="masks to make the export of")
    parser.add_argument("--every", type=int, default=1, help="only every n-th photo")
    parser.add_argument("--steps", type=int, help="of the training; left out: the recipe's")
    parser.add_argument("--train", default="", help="further options of fullconv train")
    parser.add_argument("--out", type=Path, default=Path("walk/scenes"), help="a new folder")
    given = parser.parse_args()
    real = not given.data.startswith("shapes")
    if real and not Path(given.data).is_dir():
        print(f"{given.data}: is not here; the walk on real photos is left out")
        return
    if given.out.exists():
        sys.exit(f"{given.out}: is there already; remove it, or name another --out")
    training = f"{CAMVID if real else SCENES} {given.train}".strip()
    training += f" --steps {given.steps}" if given.steps else ""
    steps = walk(given.out.resolve(), given.data, given.every, FILMS if real else "", training)
    print(f"\n{steps.table()}\n\nOpen {given.out / 'runs/first/report.html'}")


if __name__ == "__main__":
    main()
