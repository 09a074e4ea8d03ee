"""Photos together through the net: what they are one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv import Predictor


@pytest.fixture(scope="module", params=[None, "auto", 480])
def predictor(request, run):
    return Predictor(run, device="cpu", tile=request.param)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 5), st.integers(0, 99))
def test_any_number_of_any_size(predictor, height, width, count, seed):
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    found = predictor.engine.class_maps(images)
    assert len(found) == count
    for image, classes in zip(images, found, strict=True):
        np.testing.assert_array_equal(classes, predictor.engine.class_map(image))


def test_photos_that_are_cut_are_too(run, picture):
    predictor = Predictor(run, device="cpu", tile=480)
    images = [picture(500, 30, seed) for seed in (1, 2)]
    found = predictor.predict_batch(images)
    for image, prediction in zip(images, found, strict=True):
        np.testing.assert_array_equal(prediction.mask, predictor(image).mask)
        np.testing.assert_array_equal(prediction.image, image)


def test_one_pass_is_made_of_them(run, picture, monkeypatch):
    predictor = Predictor(run, device="cpu", tile="auto")
    predictor(picture())  # proves itself first
    engine, sizes = predictor.engine.engine, []
    prepare = engine.preprocessing

    def noted(pixels):
        sizes.append(len(pixels))
        return prepare(pixels)

    monkeypatch.setattr(engine, "preprocessing", noted)
    predictor.predict_batch([picture(seed=seed) for seed in range(3)])
    assert sizes == [3]
