"""Small data sets made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet

TOML = '[[class]]\nname = "ground"\n[[class]]\nname = "cat"\n[[class]]\nname = "dog"\n'


@pytest.fixture
def three() -> ClassSet:
    return ClassSet(("ground", "cat", "dog"))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """``save(array, name, mode=None, **options)`` writes a picture file and returns its path."""

    def write(pixels, name: str, mode: str | None = None, **options) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
        (image.convert(mode) if mode else image).save(path, **options)
        return path

    return write


@pytest.fixture
def make_folder(tmp_path: Path, save) -> Callable[..., Path]:
    """``make_folder(train=3, val=2)`` writes images/SPLIT, masks/SPLIT and classes.toml."""

    def make(name: str = "set", size: tuple[int, int] = (24, 32), **splits: int) -> Path:
        rng = np.random.default_rng(0)
        for split, count in splits.items():
            for i in range(count):
                photo = rng.integers(0, 256, (*size, 3), np.uint8)
                mask = rng.integers(0, 3, size, np.uint8).repeat(4, 0).repeat(4, 1)
                mask = mask[: size[0], : size[1]]
                save(photo, f"{name}/images/{split}/{i:03d}.png")
                save(mask, f"{name}/masks/{split}/{i:03d}.png")
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "classes.toml").write_text(TOML)
        return tmp_path / name

    return make
