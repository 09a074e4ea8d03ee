"""A small data set of classes that overlap: discs and boxes over each other, a mask for each."""

from pathlib import Path

import numpy as np
from PIL import Image

from fullconv.classes import ClassSet

SHAPES = ClassSet(("disc", "box"), ((230, 60, 40), (40, 90, 230))).overlapping()
SIZE = (64, 80)


def overlapping_scene(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A photo (64, 80, 3) and the mask of each class: red from a disc, blue from a box, both."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    row, column, radius = rng.integers(16, 48), rng.integers(16, 64), rng.integers(10, 18)
    disc = (y - row) ** 2 + (x - column) ** 2 <= radius**2
    top, left = rng.integers(4, 36), rng.integers(4, 44)
    box = (y >= top) & (y < top + 24) & (x >= left) & (x < left + 30)
    image = np.full((*SIZE, 3), 90, np.int64) + rng.integers(-20, 20, (*SIZE, 3))
    image[..., 0] += 120 * disc
    image[..., 2] += 120 * box
    masks = {"disc": disc.astype(np.uint8), "box": box.astype(np.uint8)}
    return image.clip(0, 255).astype(np.uint8), masks


def write_overlapping(folder: Path, train: int = 8, val: int = 4, classes=("disc", "box")) -> Path:
    """``images/SPLIT/NAME.png`` and ``masks/SPLIT/CLASS/NAME.png``; the folder."""
    for split, first, count in (("train", 0, train), ("val", 100, val)):
        for number in range(first, first + count):
            image, masks = overlapping_scene(number)
            _save(folder / "images" / split / f"{number:03d}.png", image)
            for name in classes:
                _save(folder / "masks" / split / name / f"{number:03d}.png", masks[name])
    text = "".join(
        f'[[class]]\nname = "{name}"\ncolor = {list(SHAPES.colors[SHAPES.index(name)])}\n'
        for name in classes
    )
    (folder / "classes.toml").write_text(text)
    return folder


def _save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
