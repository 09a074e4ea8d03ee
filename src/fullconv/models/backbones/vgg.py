"""VGG16 made convolutional (Simonyan and Zisserman 2015; reference repository, voc-fcn*)."""

from dataclasses import replace

from fullconv.geometry import Window
from fullconv.models.backbones.definition import Definition
from fullconv.models.preprocessing import CAFFE
from fullconv.models.steps import Conv, Dropout, Pool, Step


def _convolutions() -> tuple[Step, ...]:
    """conv1_1 to pool5."""
    steps: list[Step] = []
    for block, (count, channels) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for index in range(1, count + 1):
            steps.append(Conv.of(Window(f"conv{block}_{index}", 3, pad=1, channels=channels)))
        steps.append(Pool.of(Window(f"pool{block}", 2, 2, ceil=True)))
    return tuple(steps)


def _classifier() -> tuple[Step, ...]:
    """The steps after pool5; fc8 is replaced by the score layer."""
    return (
        *(Conv.of(Window("fc6", 7, channels=4096)), Dropout("drop6")),
        *(Conv.of(Window("fc7", 1, channels=4096)), Dropout("drop7")),
    )


VGG16 = Definition(
    name="vgg16",
    steps=(*_convolutions(), *_classifier()),
    taps={32: "drop7", 16: "pool4", 8: "pool3", 4: "pool2", 2: "pool1"},
    preprocessing=CAFFE,
    source="Simonyan and Zisserman, ICLR 2015 (arXiv 1409.1556), configuration D",
)

VGG16_CONVS = replace(
    VGG16,
    name="vgg16_convs",
    steps=_convolutions(),
    taps={**VGG16.taps, 32: "pool5"},
    source="Simonyan and Zisserman, ICLR 2015 (arXiv 1409.1556), configuration D, up to pool5",
)
"""VGG16 without fc6 and fc7, 14.7 of its 134 M parameters: ports that score pool5 have no more."""
