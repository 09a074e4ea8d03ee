"""What the reference's nets were trained on: their classes, and the means of their photos.

Sources, in shelhamer/fcn.berkeleyvision.org: data/*/classes*.txt for the names, the data layers
(voc_layers.py, nyud_layers.py, ...) for the means.
"""

from dataclasses import dataclass, replace

from fullconv.classes import VOC, ClassSet
from fullconv.nets import CAFFE, Preprocessing

_CONTEXT = (
    "background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, "
    "dog, horse, motorbike, person, pottedplant, sheep, sofa, train, tvmonitor, bag, bed, bench, "
    "book, building, cabinet, ceiling, clothes, computer, cup, door, fence, floor, flower, food, "
    "grass, ground, keyboard, light, mountain, mouse, curtain, platform, sign, plate, road, rock, "
    "shelves, sidewalk, sky, snow, bedcloth, track, tree, truck, wall, water, window, wood"
)
_SIFT_FLOW = (
    "awning, balcony, bird, boat, bridge, building, bus, car, cow, crosswalk, desert, door, fence, "
    "field, grass, moon, mountain, person, plant, pole, river, road, rock, sand, sea, sidewalk, "
    "sign, sky, staircase, streetlight, sun, tree, window"
)
_NYUD = (
    "wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, "
    "blinds, desk, shelves, curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, "
    "refridgerator, television, paper, towel, shower curtain, box, whiteboard, person, night "
    "stand, toilet, sink, lamp, bathtub, bag, otherstructure, otherfurniture, otherprop"
)
CONTEXT = ClassSet(tuple(_CONTEXT.split(", ")))
SIFT_FLOW = ClassSet(tuple(_SIFT_FLOW.split(", ")))
GEOMETRIC = ClassSet(("sky", "horizontal", "vertical"))
NYUD = ClassSet(tuple(_NYUD.split(", ")))


@dataclass(frozen=True)
class TrainedOn:
    """A data set as an FCN has learnt it.

    ``preprocessing`` is that of the reference's Caffe nets; ``output`` the one of several outputs
    that has these classes; ``hint`` a word of the file's own about its data that must be there.
    """

    title: str
    classes: ClassSet
    preprocessing: Preprocessing = CAFFE
    output: str = ""
    hint: str = ""


def _mean(*bgr: float) -> Preprocessing:
    return replace(CAFFE, mean=bgr)


# HHA is read as it lies in the file: the reference does not swap its channels.
_HHA = replace(CAFFE, order="RGB", mean=(132.431, 94.076, 118.477))
_SIFT = _mean(114.578, 115.294, 108.353)

KNOWN = (
    TrainedOn("PASCAL VOC", VOC),
    TrainedOn("PASCAL-Context", CONTEXT, _mean(104.007, 116.669, 122.679)),
    TrainedOn("SIFT Flow, semantic classes", SIFT_FLOW, _SIFT, output="sem"),
    TrainedOn("SIFT Flow, geometric classes", GEOMETRIC, _SIFT, output="geo"),
    TrainedOn("NYUDv2, HHA", NYUD, _HHA, hint="'hha'"),
    TrainedOn("NYUDv2, colour", NYUD, _mean(116.190, 97.203, 92.318)),
)


def known_data(count: int, output: str, words: str) -> TrainedOn | None:
    """The data set of ``count`` classes; ``words`` are the file's own about its data."""
    for known in KNOWN:
        if len(known.classes) == count and known.output == output and known.hint in words:
            return known
    return None
