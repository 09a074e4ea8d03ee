"""The classes of a data set: names, colours, class files and published lists."""

from fullconv.classes.class_set import (
    CAMVID,
    CREAM,
    MOST_CLASSES,
    VOC,
    ClassSet,
    Color,
    Output,
    default_colors,
)

__all__ = [
    "CAMVID",
    "CREAM",
    "MOST_CLASSES",
    "VOC",
    "ClassSet",
    "Color",
    "Output",
    "default_colors",
]
