"""The classes of a data set: names, colours, class files and published lists."""

from fullconv.classes.class_checks import MOST_CLASSES, THRESHOLD
from fullconv.classes.class_set import (
    CREAM,
    OVERLAP_IGNORE,
    ClassSet,
    Output,
    Task,
    named_background,
)
from fullconv.classes.colors import Color, default_colors
from fullconv.classes.matching import (
    ClassOrderWarning,
    check_several,
    match_classes,
    numbered_names,
    order_line,
)
from fullconv.classes.well_known import CAMVID, VOC

__all__ = [
    "CAMVID",
    "CREAM",
    "MOST_CLASSES",
    "OVERLAP_IGNORE",
    "THRESHOLD",
    "VOC",
    "ClassOrderWarning",
    "ClassSet",
    "Color",
    "Output",
    "Task",
    "check_several",
    "default_colors",
    "match_classes",
    "named_background",
    "numbered_names",
    "order_line",
]
