"""Other colours for classes than their own, and classes whose pixels are no object."""

from dataclasses import replace
from typing import Literal

from fullconv.classes.class_set import ClassSet
from fullconv.classes.colors import default_colors

Palette = Literal["classes", "colour-blind"]
PALETTES: tuple[Palette, ...] = ("classes", "colour-blind")


def recolored(classes: ClassSet, palette: Palette) -> ClassSet:
    """The classes with the colours of a palette; 'classes' leaves them their own."""
    if palette == "classes":
        return classes
    colors = default_colors(len(classes), background=0 in classes.background)
    parts = tuple(
        (output.name, replace(output.classes, colors=colors[output.channels]))
        for output in classes.outputs
        if classes.parts
    )
    return replace(classes, colors=colors, parts=parts)
