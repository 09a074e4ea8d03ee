"""Classes that may overlap: a mask of 0, 1 and 255 for each, from masks of either kind.

Such masks lie behind one another, (H, W, K), as those of several outputs do; of one class (H, W).
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.classes import OVERLAP_IGNORE, THRESHOLD, ClassSet, Task
from fullconv.data.sample import Mask, Source
from fullconv.data.splits.multimodal import Stacked
from fullconv.data.splits.remapped import remapped
from fullconv.errors import UserError

BACKGROUND = ("background", "_background_")
"""Names of what is no class of its own where classes may overlap."""


@dataclass(frozen=True)
class TaskChoice:
    """The task that is asked for: 'auto' is what the masks say, or follows from the ``foreground``.

    ``foreground`` are the classes that are asked for, all where it is empty; ``threshold`` is one
    probability for all, or one for each.
    """

    kind: Task | Literal["auto"] = "auto"
    foreground: tuple[str, ...] = ()
    threshold: float | tuple[float, ...] = THRESHOLD

    @classmethod
    def of(cls, classes: ClassSet) -> "TaskChoice":
        """That of a net's ``classes``: the same classes with the same thresholds."""
        if not classes.is_overlapping:
            return cls("semantic")
        return cls(classes.task, classes.names, classes.thresholds)


AUTO_TASK = TaskChoice()


def for_task(source: Source, choice: TaskChoice) -> Source:
    """``source`` with masks for the task: itself where they are so already.

    Of classes that exclude each other, 'binary' takes one against the rest, and 'multilabel' each
    that is asked for, or all but the background. Raises UserError where the masks do not suit the
    task, or it is not clear which class is meant.
    """
    if isinstance(source, Stacked):
        return _of_stacked(source, choice)
    given = source.classes
    is_plain = not given.is_overlapping and not choice.foreground
    if choice.kind == "semantic" or (choice.kind == "auto" and is_plain):
        return _semantic(source, choice)
    names = _asked(given, choice)
    places = [given.index(name) for name in names]
    classes = ClassSet(names, tuple(given.colors[place] for place in places))
    classes = replace(classes.overlapping(choice.threshold), ignore_color=given.ignore_color)
    if not given.is_overlapping:
        return remapped(source, classes, AgainstRest(tuple(places), given.ignore))
    if places == list(range(len(given))):
        return remapped(source, classes, _same) if classes != given else source
    return remapped(source, classes, PickedPlanes(tuple(places)))


def _of_stacked(source: Stacked, choice: TaskChoice) -> Source:
    parts = [for_task(part, choice) for part in source.sources]
    if all(part is old for part, old in zip(parts, source.sources, strict=True)):
        return source
    if len(parts) > 1:
        raise UserError(
            "several outputs are of classes that exclude each other: leave out --outputs, or "
            "--task",
            "FC-DATA-137",
        )
    return replace(source, sources=tuple(parts), classes=parts[0].classes)


def _semantic(source: Source, choice: TaskChoice) -> Source:
    if source.classes.is_overlapping:
        raise UserError(
            "task semantic: is of one class a pixel, and the data has a mask for each class, which "
            "may overlap: train and evaluate such data without --task, by a net of its own",
            "FC-DATA-137",
        )
    if choice.foreground:
        raise UserError(
            f"foreground {choice.foreground[0]!r}: is for the tasks binary and multilabel: leave "
            "it out, or --task",
            "FC-DATA-137",
        )
    return source


def _asked(given: ClassSet, choice: TaskChoice) -> tuple[str, ...]:
    """The names of the classes that are meant."""
    for name in choice.foreground:
        given.index(name)  # refuses an unknown one
    if len(set(choice.foreground)) < len(choice.foreground):
        raise UserError("foreground: a class is named twice", "FC-DATA-137")
    names = choice.foreground or _things(given)
    if choice.kind == "binary" and len(names) != 1:
        raise UserError(
            f"task binary: is of one class, and the data has {', '.join(given.names[:8])}: name "
            f"it, as --foreground {names[0]!r}, or train all with --task multilabel",
            "FC-DATA-137",
        )
    return names


def _things(given: ClassSet) -> tuple[str, ...]:
    """All classes; of those that exclude each other without the background, or first of two."""
    if given.is_overlapping:
        return given.names
    if len(given) == 2:
        return given.names[1:]
    background = {given.names[value] for value in given.background} | set(BACKGROUND)
    return tuple(name for name in given.names if name not in background) or given.names


def _same(mask: Mask) -> Mask:
    return mask


@dataclass(frozen=True)
class AgainstRest:
    """A mask of class numbers -> a mask for each of the classes at ``places``: it, or another."""

    places: tuple[int, ...]
    ignore: int

    def __call__(self, mask: Mask) -> Mask:
        planes = (mask[..., None] == np.array(self.places, mask.dtype)).astype(np.uint8)
        planes[mask == self.ignore] = OVERLAP_IGNORE
        return planes[..., 0] if len(self.places) == 1 else planes


@dataclass(frozen=True)
class PickedPlanes:
    """Some of the masks (H, W, K), in another order."""

    places: tuple[int, ...]

    def __call__(self, mask: Mask) -> Mask:
        picked = mask[..., list(self.places)]
        return picked[..., 0] if len(self.places) == 1 else picked


def only_present(mask: Mask, ignore: int = OVERLAP_IGNORE) -> npt.NDArray[Any]:
    """Masks of overlapping classes as the numbers of those that are there, the rest ``ignore``.

    Of the same shape: so a rare class is found as in a mask of class numbers.
    """
    count = 1 if mask.ndim == 2 else mask.shape[2]
    numbers = np.arange(count, dtype=np.uint8 if count < OVERLAP_IGNORE else np.uint16)
    return np.where(mask == 1, numbers[0] if mask.ndim == 2 else numbers, ignore)


def counts_of_planes(mask: Mask, classes: int) -> npt.NDArray[np.int64]:
    """Pixels that are 0, 1 and ignored of each class, int64 (3, K)."""
    planes = mask.reshape(-1, classes)
    values = (0, 1, OVERLAP_IGNORE)
    return np.stack([(planes == value).sum(0) for value in values]).astype(np.int64)
