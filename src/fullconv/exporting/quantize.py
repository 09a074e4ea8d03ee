"""A graph in int8, by NNCF's post-training quantisation.

Each convolution after the first and before the score (`kept`) multiplies 8-bit numbers: weights
with a scale for each channel, activations with one for each map, from the ranges that the photos
show (Jacob et al., CVPR 2018, arXiv 1712.05877); what that shifts the means by goes into the biases
(Nagel et al., ICCV 2019, arXiv 1906.04721, section 4.2).
"""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from fullconv.data import Sample
from fullconv.exporting.calibration import Photos
from fullconv.exporting.fp32_layers import kept_in_onnx, kept_in_openvino
from fullconv.exporting.onnx_graph import OnnxDraft, model_of, with_description
from fullconv.exporting.openvino_graph import OpenVinoDraft, folded
from fullconv.exporting.signal_stack import kept_signal_stack
from fullconv.exporting.unsaved_graph import Array, Draft
from fullconv.inference.engines.graph_engine import feed
from fullconv.inference.export_metadata import INPUT, Description


def quantised(
    draft: Draft, photos: Photos, description: Description, each: Callable[[], object]
) -> Draft:
    """The int8 form of an ONNX or OpenVINO ``draft``, of which ``description`` is the description.

    ``each`` is called for each photo.
    """

    def shown(sample: Sample) -> dict[str, Array]:
        each()
        return {INPUT: feed(sample.image[None], description)}

    if isinstance(draft, OnnxDraft):
        model = model_of(draft.content)
        made = _by_nncf(model, kept_in_onnx(model), photos, shown)
        return OnnxDraft(with_description(made, description))
    assert isinstance(draft, OpenVinoDraft)
    model = folded(draft.read())
    return OpenVinoDraft(_by_nncf(model, kept_in_openvino(model), photos, shown), description)


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
