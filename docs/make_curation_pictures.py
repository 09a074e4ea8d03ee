"""Photograph what a net says of data: ``python docs/make_curation_pictures.py RUN``.

RUN is a run folder trained on the generated scenes ("shapes"), as demo/run of ``make demo``; no
photo is shown. Writes fixes.png, inspect-label-errors.png and suggest.png. Needs what
make_screenshots.py needs.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from make_screenshots import fullconv, keep, opened_by
from PIL import Image

from fullconv.data import open_source
from fullconv.data.export_folder import write_folder

SHOTS = [
    # picture, page, section that is in view, size
    ("fixes", "fixed/fixes.html", "corrected", (1100, 760)),
    ("inspect-label-errors", "label_errors.html", "likely-label-errors", (1340, 900)),
    ("suggest", "next/suggestions.html", "photos", (1340, 900)),
]


def main(run):
    """Every picture."""
    with tempfile.TemporaryDirectory() as temporary, opened_by() as open_page:
        folder = Path(temporary)
        shutil.copytree(run, folder / "runs/shapes")  # the pages name it
        badly_saved(folder / "photos")
        fullconv("check", "photos", "--fix", "fixed", folder=folder)
        wrongly_labelled(folder / "scenes")
        fullconv(
            "inspect", "scenes", "--run", "runs/shapes", "--out", "label_errors.html", folder=folder
        )
        unlabelled(folder / "unlabelled")
        write_folder(
            [open_source("shapes", split) for split in ("train", "val")], folder / "labelled", 20
        )
        options = ("--number", "4", "--out", "next", "--data", "labelled")
        fullconv("suggest", "runs/shapes", "unlabelled", *options, folder=folder)
        for name, file, section, size in SHOTS:
            page = open_page((folder / file).as_uri(), size, "light")
            page.evaluate("id => document.getElementById(id)?.scrollIntoView()", section)
            keep(name, page.screenshot())


def badly_saved(folder):
    """Scenes whose masks count from 1, some at half the size."""
    write_folder([open_source("shapes", "train")], folder, 6)
    for number, file in enumerate(sorted((folder / "masks").rglob("*.png"))):
        mask = np.asarray(Image.open(file))
        mask = np.where(mask == 255, mask, mask + 1).astype(np.uint8)
        Image.fromarray(mask[::2, ::2] if number % 2 else mask).save(file)


def wrongly_labelled(folder):
    """Scenes; one object forgotten, one of another class, the mask of one moved."""
    write_folder([open_source("shapes", "val")], folder, 20)
    files = sorted((folder / "masks").rglob("*.png"))
    for file, change in zip(files[3::5], (forgotten, swapped, moved), strict=False):
        picture = Image.open(file)
        changed = Image.fromarray(change(np.asarray(picture)))
        changed.putpalette(picture.getpalette())
        changed.save(file)


def largest(mask):
    """The value of the object with the most pixels."""
    return int(np.bincount(mask[(mask > 0) & (mask < 255)]).argmax())


def forgotten(mask):
    """An object as background."""
    return np.where(mask == largest(mask), 0, mask).astype(np.uint8)


def swapped(mask):
    """An object of the next class."""
    return np.where(mask == largest(mask), largest(mask) % 5 + 1, mask).astype(np.uint8)


def moved(mask):
    """All objects 24 pixels to the right."""
    return np.roll(mask, 24, 1)


def unlabelled(folder):
    """Photos of new scenes."""
    folder.mkdir()
    scenes = open_source("shapes:160x208:seed=11:n=40", "train")
    for place in range(len(scenes)):
        Image.fromarray(scenes[place].image).save(folder / f"{place:04d}.jpg", quality=92)


if __name__ == "__main__":
    main(*sys.argv[1:])
