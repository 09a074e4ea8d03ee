"""A graph in int8, by NNCF's post-training quantisation.

Each convolution after the first and before the score (`kept`) multiplies 8-bit numbers: weights
with a scale for each channel, activations with one for each map, from the ranges that the photos
show (Jacob et al., CVPR 2018, arXiv 1712.05877); what that shifts the means by goes into the biases
(Nagel et al., ICCV 2019, arXiv 1906.04721, section 4.2).
"""

import contextlib
import ctypes
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from fullconv.data import Sample
from fullconv.exporting.calibration import Photos
from fullconv.exporting.fp32_layers import kept_in_onnx, kept_in_openvino
from fullconv.exporting.onnx_graph import OnnxGraph, model_of, with_description
from fullconv.exporting.openvino_graph import OpenVinoGraph, folded
from fullconv.exporting.unsaved_graph import Array, UnsavedGraph
from fullconv.inference.engines.graph_engine import feed
from fullconv.inference.export_metadata import INPUT, Description


def quantised(
    unsaved: UnsavedGraph, photos: Photos, description: Description, each: Callable[[], object]
) -> UnsavedGraph:
    """The int8 form of an ONNX or OpenVINO graph ``unsaved``; ``description`` is that of the form.

    ``each`` is called for each photo.
    """

    def shown(sample: Sample) -> dict[str, Array]:
        each()
        return {INPUT: feed(sample.image[None], description)}

    if isinstance(unsaved, OnnxGraph):
        model = model_of(unsaved.content)
        made = _by_nncf(model, kept_in_onnx(model), photos, shown)
        return OnnxGraph(with_description(made, description))
    assert isinstance(unsaved, OpenVinoGraph)
    model = folded(unsaved.read())
    return OpenVinoGraph(_by_nncf(model, kept_in_openvino(model), photos, shown), description)


def _by_nncf(
    model: Any, kept: list[str], photos: Photos, shown: Callable[[Sample], dict[str, Array]]
) -> Any:
    with silent_nncf(), kept_signal_stack():
        import nncf

        return nncf.quantize(
            model,
            nncf.Dataset(photos, shown),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(photos),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
            # Weights in half their range. Processors without VNNI add two products in 16 bits,
            # which full ones overflow: scores would depend on where the file runs.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )


@contextlib.contextmanager
def silent_nncf() -> Iterator[None]:
    """Without NNCF's bars and notes, and without its reports to its makers.

    It sends those without being asked, unless this variable is there when it is first imported.
    """
    os.environ.setdefault("NNCF_CI", "1")
    with contextlib.redirect_stdout(io.StringIO()):
        import nncf

        nncf.set_log_level(logging.ERROR)
        yield


class Stack(ctypes.Structure):
    """``stack_t`` of Linux's signal.h."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextlib.contextmanager
def kept_signal_stack() -> Iterator[None]:
    """After the block, this thread's signal stack is what it was before it. On Linux only.

    Each `openvino.Core` that computes puts one of its own in place, and its end puts back the one
    before. Where several end in another order than they began, as in NNCF, what is put back is
    freed memory: the next signal that has a handler, as the end of a loader's process has,
    overwrites what lies there by then, or ends the process.
    """
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)


def signal_stack() -> Stack:
    """This thread's signal stack."""
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack
