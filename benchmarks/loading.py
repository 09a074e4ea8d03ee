"""Photos per second: those that the loader delivers, against those that a training takes.

    python benchmarks/loading.py                             # CamVid, the recipe camvid-scratch
    python benchmarks/loading.py PHOTOS --recipe default --seconds 20

CamVid is expected in the folder FULLCONV_DATA; without it, generated scenes are written to files of
the same size.

The loader runs alone with 0, 1 and the default number of worker processes, and the training runs
alone on prepared batches, on all cores; again at half size if the recipe has such steps. The
figures are medians of several rounds, in turn. The ratio is that of the loader to the training at
the same size. Processor seconds are those of all processes of the loader.
"""

import argparse
import os
import resource
import statistics
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning_fabric import Fabric

from fullconv.data import loader, open_source, write_folder
from fullconv.device import keep_freed_memory
from fullconv.models import build
from fullconv.models.registry import BACKBONES
from fullconv.training import make_config
from fullconv.training.config.data_defaults import workers_of
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.step import Updater

ROOT = Path(__file__).resolve().parent.parent


def loaded(config, source, workers: int, coarse: bool, seconds: float) -> tuple[float, float]:
    """Photos a second from the loader alone, and a processor second."""
    batch = config.schedule.batch_size * config.schedule.accumulate
    began_worked = _worked()
    stream = loader(
        source,
        batch_size=batch,
        augmentation=config.augment.build(),
        workers=workers,
        coarse_steps=10**9 if coarse else 0,
    )
    for _ in islice(stream, 2 + 4 * workers):  # the workers' start, and what they prefetched
        pass
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        next(stream)
        count += batch
    taken = time.perf_counter() - began
    stream.close()  # ends the workers, whose time is known from then on
    all_photos = count + batch * (2 + 4 * workers)
    return count / taken, all_photos / (_worked() - began_worked)


def _worked() -> float:
    """Processor seconds of this process and its ended children."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, who))


def trained(updater, batches, seconds: float) -> float:
    """Photos a second of training on batches that lie ready."""
    began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < seconds:
        for batch in batches:
            updater.step(batch)
            count += len(batch.images)
    return count / (time.perf_counter() - began)


def made(config, source):
    """The update of the recipe's net, and two batches of each size."""
    keep_freed_memory()
    spec = config.spec(len(source.classes))
    fabric = Fabric(accelerator="cpu", devices=1)
    criterion = make_criterion(config.loss, None, source.classes.ignore, fabric.device)
    preprocessing = BACKBONES[spec.backbone].preprocessing
    updater = Updater(config, fabric, build(spec), preprocessing, criterion, 10**6)
    options = {
        "batch_size": config.schedule.batch_size * config.schedule.accumulate,
        "stop_step": 2,
    }
    options |= {"augmentation": config.augment.build()}
    ready = {c: list(loader(source, coarse_steps=2 * c, **options)) for c in (False, True)}
    return updater, ready


def camvid(folder: Path) -> Path:
    """Where CamVid lies, or drawn scenes written to ``folder``."""
    found = Path(os.environ.get("FULLCONV_DATA", ROOT.parent / "shared" / "data")) / "camvid"
    if found.is_dir():
        return found
    return write_folder([open_source("shapes:360x480:n=200", "train")], folder / "scenes")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--recipe", default="camvid-scratch")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure(given, open_source(given.data or camvid(Path(folder)), "train"))


def measure(given: argparse.Namespace, source: Any) -> None:
    """Run all in turn, print the table."""
    changes = {
        "loss.cross_entropy.class_weights": "none",
        "compute.device": "cpu",
        "compute.precision": "fp32",
    }
    config = make_config(given.recipe, changes)
    counts = sorted({0, 1, workers_of(config)})
    sizes = [False, True] if config.schedule.half_size else [False]
    updater, ready = made(config, source)
    rates = {coarse: [] for coarse in sizes}
    loads = {(coarse, workers): [] for coarse in sizes for workers in counts}
    for _ in range(given.rounds):
        for coarse in sizes:
            rates[coarse].append(trained(updater, ready[coarse], given.seconds))
            for workers in counts:
                found = loaded(config, source, workers, coarse, given.seconds)
                loads[coarse, workers].append(found)
    print("| size | training, photos/s | workers | loader, photos/s | a processor second | ratio |")
    print("|---|---|---|---|---|---|")
    for (coarse, workers), found in loads.items():
        rate = statistics.median(rates[coarse])
        wall, work = (statistics.median(values) for values in zip(*found, strict=True))
        print(
            f"| {'half' if coarse else 'whole'} | {rate:.1f} | {workers} | {wall:.0f} | {work:.0f} "
            f"| {wall / rate:.1f} |"
        )


if __name__ == "__main__":
    main()
