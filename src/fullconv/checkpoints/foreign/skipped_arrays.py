"""Which arrays of a foreign file are not loaded and why, as upsampling that is not bilinear."""

import re

import numpy as np

from fullconv.checkpoints.foreign.foreign_arrays import Array, ForeignFile, Lineage
from fullconv.geometry import tent
from fullconv.models import NetSpec

AT_ONCE = {16: "scale_pool4", 8: "scale_pool3"}
"""The reference's layers that scale a skip; here the scales belong to the net."""


def scales_of(file: ForeignFile) -> dict[int, float]:
    """The constants that an at-once net multiplies its skips with, by stride; else nothing.

    Nan where a layer holds different ones.
    """
    scales: dict[int, float] = {}
    for stride, layer in AT_ONCE.items():
        for name, array in file.arrays.items():
            if name.startswith(layer):
                same = np.allclose(array, array.flat[0], rtol=1e-3)
                scales[stride] = float(array.flat[0]) if same else float("nan")
    return scales


def reason(array: Array, name: str, lineage: Lineage, spec: NetSpec) -> str:
    """Why a foreign array has no place in the net."""
    for beginning, why in lineage.not_needed.items():
        if name.startswith(beginning):
            return why
    layer = re.split(r"[/.]", name)[0]
    endings = {"": "", **lineage.outputs, **{stream: stream for stream in lineage.streams}}
    for output, ending in endings.items():
        bare = layer.removesuffix(ending) if layer.endswith(ending) else None
        if bare in lineage.upscores:
            return upsampling_reason(array)
        if any(bare in names for names in lineage.scores.values()):
            return _score_reason(bare, output, lineage, spec)
    return "no layer here has such an array"


def _score_reason(layer: str | None, output: str, lineage: Lineage, spec: NetSpec) -> str:
    stride = next(s for s, names in lineage.scores.items() if layer in names)
    if stride not in spec.strides:
        return f"{spec.name} does not score stride {stride}"
    return f"a score of the output {output!r}, another one than was chosen"


def upsampling_reason(array: Array) -> str:
    """Why the kernel of a deconvolution (C,C,k,k or C,1,k,k) is not used: it is computed here."""
    if array.ndim != 4 or array.shape[2] != array.shape[3]:
        return "belongs to the upsampling, which is computed here without it"
    size = array.shape[-1]
    axis = np.array([float(weight) for weight in tent(size)])
    classes = np.arange(len(array))
    expected = np.zeros(array.shape)
    expected[classes, classes % array.shape[1]] = np.outer(axis, axis)
    if np.allclose(array, expected, atol=1e-4):
        return "bilinear upsampling, which is computed here"
    return (
        f"a {size}x{size} deconvolution that is not bilinear (trained, or never filled); "
        "upsampling here is bilinear, so scores will differ"
    )
