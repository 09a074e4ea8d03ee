"""FCN-8s VGG16 in full width learns two real photos by heart, at full size, in both paddings."""

from collections.abc import Callable
from pathlib import Path

import pytest

import fullconv


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "paper"])
def test_two_photos_are_learnt(
    padding: str, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    photos = shared_data("voc_sample")
    run = fullconv.train(
        photos, tmp_path / padding, recipe="overfit", overrides={"net.padding": padding}
    )
    assert fullconv.evaluate(run, photos, "all").pixel_accuracy > 0.99
