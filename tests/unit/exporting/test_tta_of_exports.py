"""Test-time augmentation of exported files: as of the net, and refused where a size is fixed."""

import numpy as np
import pytest

from fullconv.errors import UserError
from fullconv.inference import Predictor

ROUNDING = 1e-3  # the logits of these random nets are in the hundreds, in fp32


def test_an_exported_file_gives_what_the_net_gives(exported, photo):
    run, made = exported("onnx", "fcn8s-vgg16")
    both = (run, made.paths[0])
    expected, found = (Predictor(path, tta="mirror,0.75,1")(photo(60, 90)) for path in both)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=ROUNDING)
    assert np.mean(found.mask == expected.mask) > 0.999


def test_a_file_of_one_size_is_mirrored_and_not_scaled(exported, photo):
    run, made = exported("onnx", "fcn32s-vgg16", "same", (45, 70), False)
    both = (run, made.paths[0])
    expected, found = (Predictor(path, tta="mirror")(photo(45, 70)) for path in both)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=ROUNDING)
    with pytest.raises(UserError, match=r"^at scale 0.5 of --tta: .*takes photos of 70 x 45 only"):
        _ = Predictor(both[1], tta="0.5,1")(photo(45, 70)).mask
