"""The classes of data sets that the paper and its readers train on."""

from fullconv.classes.class_set import ClassSet
from fullconv.classes.colors import voc_colors

_VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
)
VOC = ClassSet(names=tuple(_VOC.split(" ")), colors=voc_colors(21))
"""PASCAL VOC: 20 kinds of object and the background."""

_CAMVID = "sky building pole road pavement tree sign fence car pedestrian bicyclist"
CAMVID = ClassSet(
    names=tuple(_CAMVID.split(" ")),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)
"""CamVid in SegNet's 11 classes."""
