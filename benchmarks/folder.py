"""A folder of photos to masks and overlays: wall time, and the net's share of it.

    python benchmarks/folder.py                                       # 200 photos, fcn8s-vgg16
    python benchmarks/folder.py --run runs/camvid --photos photos/ --engine openvino
    python benchmarks/folder.py --net fcn8s-resnet18 --number 20 --rounds 1

Each round does the whole job twice, in turn: one photo after the other (read, predict, write), and
as `fullconv predict` does it, reading the next photo and writing the last while the net runs. The
figures are medians of the rounds. Without ``--photos`` the photos are generated scenes with noise,
as JPEG; without ``--run`` the net has random weights. Both take as long as real ones, except that
random weights give ragged masks, which are slower to write.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import VOC
from fullconv.data.synthetic.scene import scene
from fullconv.inference import Input, Predictor, find_inputs, predict_each
from fullconv.models import TORCH, NetSpec, build
from machine import machine


def random_run(net: str, folder: Path) -> Path:
    """A run of a net that nobody has trained."""
    torch.manual_seed(0)
    made = build(NetSpec(net, len(VOC)))
    for layer in made.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    save(folder / "model.safetensors", Checkpoint(made, VOC, TORCH))
    return folder


def generated(number: int, size: tuple[int, int], folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(number):
        photo = scene(*size, rng)[0] + rng.normal(0, 6, (*size, 3))
        picture = Image.fromarray(photo.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{index:04}.jpg", quality=92)
    return folder


def one_after_another(predictor: Predictor, photos: list[Input]) -> float:
    """Seconds of the net."""
    spent = 0.0
    for photo in photos:
        assert photo.file
        image = predictor.read(photo.file)
        before = time.perf_counter()
        prediction = predictor(image)
        spent += time.perf_counter() - before
        prediction.save(photo.result)
    return spent


def overlapped(predictor: Predictor, photos: list[Input]) -> float:
    """Seconds of the net."""
    return sum(outcome.seconds for outcome in predict_each(predictor, photos))


WAYS = {"one after another": one_after_another, "overlapped": overlapped}


def measured(way: str, predictor: Predictor, photos: list[Input]) -> dict[str, float]:
    before = time.perf_counter()
    net = WAYS[way](predictor, photos)
    wall = time.perf_counter() - before
    return {"wall": wall, "net": net, "share": net / wall, "photos_per_second": len(photos) / wall}


def main() -> None:
    """Measure in turn, print a table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--run", type=Path, help="run folder or exported file")
    options.add_argument("--net", default="fcn8s-vgg16", help="with random weights")
    options.add_argument("--photos", type=Path, help="folder")
    options.add_argument("--number", type=int, default=200)
    options.add_argument("--size", default="480x640", help="of generated photos")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--engine", default="torch")
    options.add_argument("--precision", default="fp32")
    options.add_argument("--json", type=Path, help="file for the numbers")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        height, width = map(int, given.size.split("x"))
        run = given.run or random_run(given.net, place / "run")
        source = given.photos or generated(given.number, (height, width), place / "photos")
        photos = find_inputs([source], place / "out")[: given.number]
        predictor = Predictor(run, "auto", given.precision, given.engine)
        one_after_another(predictor, photos[:2])  # what the first calls prepare does not count
        found = {way: [] for way in WAYS}
        for _ in range(given.rounds):
            for way in WAYS:
                found[way].append(measured(way, predictor, photos))
    middle = {
        way: {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        for way, runs in found.items()
    }
    threads = torch.get_num_threads()
    print(f"{len(photos)} photos, {given.engine} {given.precision}, {machine()}, {threads} threads")
    print("                     wall s   net s  net's share  photos/s")
    for way, each in middle.items():
        print(
            f"{way:<18} {each['wall']:8.1f} {each['net']:7.1f} {each['share']:12.1%} "
            f"{each['photos_per_second']:9.2f}"
        )
    if given.json:
        about = {"photos": len(photos), "cpu": machine(), "threads": threads}
        content = {**about, "options": {k: str(v) for k, v in vars(given).items()}, **middle}
        given.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
