"""The built-in data set ``shapes``: generated scenes, nothing to download."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.sample import Mask, Sample
from fullconv.data.scene import KINDS, scene
from fullconv.errors import UserError

CLASSES = ClassSet(
    names=("background", *KINDS),
    colors=((40, 44, 52), (228, 70, 60), (60, 130, 230), (60, 180, 90), (240, 190, 50),
            (170, 90, 210)),
)  # fmt: skip
SPLITS = ("train", "val", "test")
MOST_HELD_OUT = 100  # scenes of val and of test: enough to score, and quick
_USAGE = "shapes, shapes:HEIGHTxWIDTH, shapes:n=NUMBER, shapes:seed=NUMBER, joined by ':'"


@dataclass(frozen=True)
class Shapes:
    """Scenes by (seed, split, index): ``count`` in 'train', else a tenth, at most 100."""

    split: str
    height: int = 160
    width: int = 208
    count: int = 10000
    seed: int = 0

    @property
    def classes(self) -> ClassSet:
        """Background and one class for each kind of object."""
        return CLASSES

    @property
    def names(self) -> tuple[str, ...]:
        """``shapes-train-00000`` and so on."""
        held_out = min(max(1, round(self.count / 10)), MOST_HELD_OUT)
        return _names(self.split, self.count if self.split == "train" else held_out)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        key = [self.seed, SPLITS.index(self.split), index % len(self)]
        image, mask = scene(self.height, self.width, np.random.default_rng(key))
        return Sample(name, image, mask)

    def mask(self, index: int) -> Mask | None:
        """The mask alone."""
        return self[index].mask

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Nothing lies on disk."""
        return None, None


@lru_cache(maxsize=8)
def _names(split: str, count: int) -> tuple[str, ...]:
    return tuple(f"shapes-{split}-{index:05d}" for index in range(count))


def looks_like(data: str) -> bool:
    """``shapes`` or ``shapes:OPTIONS``."""
    return data == "shapes" or data.startswith("shapes:")


def open_split(data: str, split: str) -> Shapes:
    """The scenes that a text as 'shapes:240x320:n=400' asks for; UserError for what it cannot."""
    if split not in SPLITS:
        raise UserError(f"{data}: there is no split {split!r}; it has {', '.join(SPLITS)}")
    options: dict[str, int] = {}
    for part in data.split(":")[1:]:
        options |= _option(part, data)
    return Shapes(split, **options)


def _option(part: str, data: str) -> dict[str, int]:
    if size := re.fullmatch(r"(\d+)x(\d+)", part):
        height, width = int(size[1]), int(size[2])
        if min(height, width) < 32 or max(height, width) > 8192:
            raise UserError(f"{data}: sizes must lie between 32 and 8192, not {part}")
        return {"height": height, "width": width}
    if (number := re.fullmatch(r"(n|seed)=(\d+)", part)) and part != "n=0":
        return {{"n": "count", "seed": "seed"}[number[1]]: int(number[2])}
    raise UserError(f"{data}: cannot understand {part!r}; write {_USAGE}")
