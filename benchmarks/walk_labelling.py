"""From twenty labelled photos to a corrected, growing data set and a served net.

    python benchmarks/walk_labelling.py                                  # generated scenes
    python benchmarks/walk_labelling.py --data data/camvid --time 5m --out walk/labelling

Every command of docs/walk-labelling.md is run as it is typed there and timed. The labels of all
training photos are known: some are given as labelme's files at first, and the person who corrects
the net's shapes is played by putting the known ones in their place: no time. How much of
the net's own drawing was right already, and the scores of both nets on the data set's val photos,
are printed too.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from fullconv.data import available_splits, open_source
from fullconv.data.splits.subset import with_photos
from labelme_files import Mask, write_labelme
from walk import FILMS, Walk, ask


def labelled(data: str, names: list[str], folder: Path) -> dict[str, Mask]:
    """Write labelme's files of these training photos; the masks (H, W) by name."""
    return write_labelme(with_photos(open_source(data, "train"), names, "train"), folder)


def agreement(data: Path, masks: dict[str, Mask], names: tuple[str, ...], ignore: int) -> float:
    """The share of the labelled pixels of ``masks`` that an imported data set has right."""
    right = count = 0
    for split in available_splits(str(data)):
        source = open_source(str(data), split)
        table = np.full(256, -1)
        for number, name in enumerate(source.classes.names):
            if name in names:
                table[number] = names.index(name)
        for index, name in enumerate(source.names):
            is_labelled = masks[name] != ignore
            right += int((table[source.mask(index)] == masks[name])[is_labelled].sum())
            count += int(is_labelled.sum())
    return right / count


def walk(folder: Path, data: str, first: int, number: int, options: str, training: str) -> Walk:
    """Every step; exits where one fails."""
    steps, pool = Walk(folder), open_source(data, "train")
    names = list(pool.names)
    start = [names[place] for place in np.linspace(0, len(names) - 1, first).round().astype(int)]
    labelled(data, start, folder / "labelled")
    labelled(data, [name for name in names if name not in start], folder / "unlabelled")
    for file in (folder / "unlabelled").glob("*.json"):
        file.unlink()
    steps.fullconv(f"import labelled data1 {options}".strip())
    steps.fullconv("check data1")
    steps.fullconv(f"train data1 --out runs/one {training}")
    steps.fullconv(f"suggest runs/one unlabelled --number {number} --out next --to labelme")
    drawn = correct(steps, data, options)
    steps.fullconv(f"import labelled data2 {options}".strip())
    steps.fullconv("inspect data2 --run runs/one --out inspect.html")
    steps.fullconv(f"train data2 --weights runs/one --out runs/two {training}")
    steps.fullconv("report runs/one runs/two")
    steps.fullconv("calibrate runs/two")
    print(f"\n{drawn:.1%} of the labelled pixels that the net drew were right")
    for run in ("one", "two"):
        steps.fullconv(f"evaluate runs/{run} {data} --split val --out scores-{run}")
    steps.fullconv("predict runs/two data2/images/val --out predicted")
    ask(steps, "runs/two", "data2")
    return steps


def correct(steps: Walk, data: str, options: str) -> float:
    """Put the true shapes in the place of the net's; the share of pixels that was right before."""
    chosen, pool = steps.folder / "next/labelme", open_source(data, "train")
    names = sorted(file.stem for file in chosen.glob("*.json"))
    steps.fullconv(f"import next/labelme drawn {options}".strip())
    masks = labelled(data, names, steps.folder / "labelled")
    drawn = agreement(steps.folder / "drawn", masks, pool.classes.names, pool.classes.ignore)
    for name in names:
        next((steps.folder / "unlabelled").glob(f"{name}.*")).unlink()
    return drawn


def main() -> None:
    """Walk, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="shapes:n=200", help="masks to make the labels of")
    parser.add_argument("--start", type=int, default=20, help="photos labelled at first")
    parser.add_argument("--number", type=int, default=20, help="photos that are suggested")
    parser.add_argument("--time", default="3m", help="of each training")
    parser.add_argument("--train", default="", help="other options of fullconv train than --time")
    parser.add_argument("--out", type=Path, default=Path("walk/labelling"), help="a new folder")
    given = parser.parse_args()
    real = not given.data.startswith("shapes")
    if real and not Path(given.data).is_dir():
        print(f"{given.data}: is not here; the walk on real photos is left out")
        return
    if given.out.exists():
        sys.exit(f"{given.out}: is there already; remove it, or name another --out")
    data = str(Path(given.data).resolve()) if real else given.data
    training = given.train or f"--time {given.time}"
    options = FILMS if real else ""
    steps = walk(given.out.resolve(), data, given.start, given.number, options, training)
    print(f"\n{steps.table()}\n\nOpen {given.out / 'runs/two/report.html'}")


if __name__ == "__main__":
    main()
