"""A mask for each class of a photo whose classes may overlap, in place of one for all."""

import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fullconv.classes import OVERLAP_IGNORE, ClassSet
from fullconv.data.importers.annotations import (
    IGNORE,
    LEFT_OUT,
    UNLABELLED,
    Labelling,
    Painted,
    Size,
)
from fullconv.data.importers.mapping.class_mapping import Plan
from fullconv.errors import UserError

_THERE, _UNKNOWN = 1, 2  # numbers of a label that is drawn alone, and of those that are ignored
_OF_ONE_MAP = ("hidden", "covered")
"""Notes on shapes under other shapes, which are all seen where each class has its own mask."""


def overlapping(planned: Plan) -> Plan:
    """The plan with classes that may overlap: all but that of the pixels without label.

    Raises UserError for a class whose masks could not lie in a folder of its name.
    """
    names = [name for name in planned.classes.names if name != planned.unlabelled]
    if not names:
        raise UserError(
            "no class is left: every label is ignored or the background", "FC-IMPORT-009"
        )
    for name in names:
        if re.search(r'[/\\:*?"<>|\0]', name) or name.strip(" .") != name:
            raise UserError(
                f"the class {name!r} cannot be a folder's name, which its masks lie in: "
                f"--merge '{name}=OTHER'",
                "FC-IMPORT-009",
            )
    colors = tuple(planned.classes.colors[planned.classes.index(name)] for name in names)
    return replace(planned, classes=ClassSet(tuple(names), colors).overlapping())


@dataclass(frozen=True, eq=False)
class ClassMasks:
    """``masks`` are uint8 (H, W, K) of 0, 1 and 255; ``pixels`` those of each label's number."""

    masks: npt.NDArray[np.uint8]
    pixels: tuple[int, ...]
    painted: Painted


def paint_classes(labelling: Labelling, size: Size, planned: Plan) -> ClassMasks:
    """The labels of a photo, each drawn without the others."""
    together = labelling.paint(size, planned.numbers())
    unlabelled = together.numbers == UNLABELLED
    masks = np.zeros((*size, len(planned.classes)), np.uint8)
    if planned.unlabelled == IGNORE:
        masks[unlabelled] = OVERLAP_IGNORE
    pixels = [int(unlabelled.sum())]
    for label, name in planned.becomes.items():
        alone = labelling.paint(size, _alone(label, planned)).numbers
        pixels.append(int((alone == (_UNKNOWN if name == IGNORE else _THERE)).sum()))
        if name in planned.classes.names:
            mask = masks[..., planned.classes.index(name)]
            mask[alone == _UNKNOWN] = OVERLAP_IGNORE
            mask[alone == _THERE] = 1
    notes = tuple(note for note in together.notes if note.kind not in _OF_ONE_MAP)
    return ClassMasks(masks, tuple(pixels), replace(together, notes=notes))


def _alone(label: str, planned: Plan) -> dict[str, int]:
    """Numbers that draw one label and what is ignored, and leave the other labels out."""
    ignored = {name: _UNKNOWN for name, becomes in planned.becomes.items() if becomes == IGNORE}
    numbers = dict.fromkeys(planned.becomes, LEFT_OUT) | ignored
    return numbers if label in ignored else numbers | {label: _THERE}
