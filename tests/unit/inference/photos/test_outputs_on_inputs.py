"""Results never replace what somebody has labelled."""

from pathlib import Path

import pytest
from PIL import Image

from fullconv.errors import UserError
from fullconv.inference import find_inputs


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6)).save(path)
    return path


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images/val", "masks/val"), ("images", "masks"), ("JPEGImages", "SegmentationClass")],
)
def test_the_masks_of_a_data_set_are_not_replaced(tmp_path, images, masks):
    photo, mask = picture(tmp_path / images / "a.png"), picture(tmp_path / masks / "a.png")
    for named in (photo, photo.parent):
        with pytest.raises(UserError, match="overwrite this mask of a data set") as caught:
            find_inputs([str(named)], mask.parent)
        assert caught.value.code == "FC-PREDICT-003"


def test_photos_without_a_mask_may_be_labelled_there_and_again(tmp_path):
    photo = picture(tmp_path / "images" / "b.png")
    (tmp_path / "masks").mkdir()
    assert [each.file for each in find_inputs([str(photo)], tmp_path / "masks")] == [photo]
    picture(tmp_path / "masks" / "b.png")  # as predict writes them: mask and overlay
    picture(tmp_path / "masks" / "b_overlay.jpg")
    assert [each.file for each in find_inputs([str(photo)], tmp_path / "masks")] == [photo]
