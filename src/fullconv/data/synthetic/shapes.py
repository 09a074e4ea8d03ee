"""The built-in data set ``shapes``: generated scenes, nothing to download."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.sample import Image, Mask, Sample
from fullconv.data.synthetic.scene import KINDS, distances, scene
from fullconv.errors import UserError

CLASSES = ClassSet(
    names=("background", *KINDS),
    colors=((40, 44, 52), (228, 70, 60), (60, 130, 230), (60, 180, 90), (240, 190, 50),
            (170, 90, 210)),
)  # fmt: skip
OUTLINES = ClassSet(
    names=("background", "round", "angular"),
    colors=((40, 44, 52), (240, 140, 60), (80, 170, 220)),
)
"""A coarser second labelling of the same scenes."""
KINDS_OUTPUT, OUTLINES_OUTPUT = "kinds", "outlines"
OUTPUTS = {KINDS_OUTPUT: CLASSES, OUTLINES_OUTPUT: OUTLINES}
ROUND = ("disc", "ring")
SPLITS = ("train", "val", "test")
MOST_HELD_OUT = 100  # scenes of val and of test: enough to score, and quick
_USAGE = "shapes, shapes:HEIGHTxWIDTH, shapes:n=NUMBER, shapes:seed=NUMBER, joined by ':'"


@dataclass(frozen=True)
class Shapes:
    """Scenes by (seed, split, index): ``count`` in 'train', else a tenth, at most 100.

    ``output`` names the labelling, one of ``OUTPUTS``.
    """

    split: str
    height: int = 160
    width: int = 208
    count: int = 10000
    seed: int = 0
    output: str = KINDS_OUTPUT

    @property
    def classes(self) -> ClassSet:
        """Background and one class for each kind of object, or of outline."""
        return OUTPUTS[self.output]

    @property
    def names(self) -> tuple[str, ...]:
        """``shapes-train-00000`` and so on."""
        held_out = min(max(1, round(self.count / 10)), MOST_HELD_OUT)
        return _names(self.split, self.count if self.split == "train" else held_out)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        image, mask, _ = self._scene(index)
        if self.output == OUTLINES_OUTPUT:
            mask = _TO_OUTLINES[mask]
        return Sample(self.names[index], image, mask)

    def _scene(self, index: int) -> tuple[Image, Mask, Mask]:
        key = [self.seed, SPLITS.index(self.split), index % len(self)]
        return scene(self.height, self.width, np.random.default_rng(key))

    def plane(self, index: int, kind: str) -> Image:
        """The ``depth`` of a scene as its logarithm, float32 (H, W, 1); UserError for others."""
        if kind != "depth":
            raise UserError(f"shapes: has color and depth, no {kind}", "FC-DATA-132")
        *_, owner = self._scene(index)
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), index % len(self), 1])
        return np.log(distances(owner, rng))[..., None]

    def mask(self, index: int) -> Mask | None:
        """The mask alone."""
        return self[index].mask

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Nothing lies on disk."""
        return None, None


_TO_OUTLINES = np.full(256, 255, np.uint8)
_TO_OUTLINES[: len(CLASSES)] = [0, *(1 if kind in ROUND else 2 for kind in KINDS)]


@lru_cache(maxsize=8)
def _names(split: str, count: int) -> tuple[str, ...]:
    return tuple(f"shapes-{split}-{index:05d}" for index in range(count))


def looks_like(data: str) -> bool:
    """``shapes`` or ``shapes:OPTIONS``; a folder called ``shapes`` is the user's own data."""
    return data.startswith("shapes:") or (data == "shapes" and not Path(data).is_dir())


def open_split(data: str, split: str, output: str = KINDS_OUTPUT) -> Shapes:
    """The scenes that a text as 'shapes:240x320:n=400' asks for; UserError for what it cannot."""
    if split not in SPLITS:
        raise UserError(
            f"{data}: there is no split {split!r}; it has {', '.join(SPLITS)}", "FC-DATA-102"
        )
    options: dict[str, int] = {}
    for part in data.split(":")[1:]:
        options |= _option(part, data)
    if output not in OUTPUTS:
        raise UserError(
            f"{data}: has the outputs {', '.join(OUTPUTS)}, no {output!r}", "FC-DATA-104"
        )
    return Shapes(split, **options, output=output)


def _option(part: str, data: str) -> dict[str, int]:
    if size := re.fullmatch(r"(\d+)x(\d+)", part):
        height, width = int(size[1]), int(size[2])
        if min(height, width) < 32 or max(height, width) > 8192:
            raise UserError(
                f"{data}: sizes must lie between 32 and 8192, not {part}", "FC-DATA-131"
            )
        return {"height": height, "width": width}
    if (number := re.fullmatch(r"(n|seed)=(\d+)", part)) and part != "n=0":
        return {{"n": "count", "seed": "seed"}[number[1]]: int(number[2])}
    raise UserError(f"{data}: cannot understand {part!r}; write {_USAGE}", "FC-DATA-131")
