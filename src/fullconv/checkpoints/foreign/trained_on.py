"""What the reference's nets were trained on: their classes, and the means of their photos.

The means are those of the data layers in shelhamer/fcn.berkeleyvision.org (voc_layers.py,
nyud_layers.py, ...).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fullconv.classes import VOC, ClassSet
from fullconv.classes.lists import class_list
from fullconv.modalities import COLOR
from fullconv.models import CAFFE, Preprocessing


@dataclass(frozen=True)
class TrainedOn:
    """A data set as an FCN has learnt it.

    ``preprocessing`` is that of the reference's Caffe nets, for the inputs that it names and more;
    ``output`` the one of several outputs that has these classes; ``hint`` a word of the file's own
    about its data that must be there.
    """

    title: str
    classes: ClassSet
    preprocessing: Preprocessing = CAFFE
    output: str = ""
    hint: str = ""


def _mean(*bgr: float) -> Preprocessing:
    return replace(CAFFE, mean=bgr)


# HHA is read as it lies in the file: the reference does not swap its channels.
_HHA = replace(CAFFE, order="RGB", mean=(132.431, 94.076, 118.477), inputs=("hha",))
_SIFT = _mean(114.578, 115.294, 108.353)

KNOWN = (
    TrainedOn("PASCAL VOC", VOC),
    TrainedOn("PASCAL-Context", class_list("pascal-context-59"), _mean(104.007, 116.669, 122.679)),
    TrainedOn("SIFT Flow, semantic classes", class_list("sift-flow"), _SIFT, output="semantic"),
    TrainedOn(
        "SIFT Flow, geometric classes", class_list("sift-flow-geometric"), _SIFT, output="geometric"
    ),
    TrainedOn("NYUDv2, HHA", class_list("nyud-40"), _HHA, hint="'hha'"),
    TrainedOn("NYUDv2, colour", class_list("nyud-40"), _mean(116.190, 97.203, 92.318)),
)


def known_data(count: int, output: str, words: str, inputs: Sequence[str]) -> TrainedOn | None:
    """The data set of ``count`` classes; ``words`` are the file's own about its data.

    ``inputs`` are the kinds that the net sees: those that the known preprocessing has not are
    prepared as usual (`Preprocessing.of_inputs`).
    """
    for known in KNOWN:
        hinted = known.hint in words and (not known.hint or len(inputs) == 1)
        if len(known.classes) == count and known.output == output and hinted:
            if inputs == (COLOR,):  # as a file is taken that does not say what it sees
                return known
            return replace(known, preprocessing=known.preprocessing.of_inputs(inputs))
    return None
