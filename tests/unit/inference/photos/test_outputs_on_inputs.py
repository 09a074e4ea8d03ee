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


@pytest.mark.parametrize("out", ["images", "images/val", "images/new", "JPEGImages", "img_dir/val"])
def test_no_results_come_among_the_photos_of_a_data_set(tmp_path, out):
    labels = {"images": "masks", "JPEGImages": "SegmentationClass", "img_dir": "ann_dir"}
    (tmp_path / labels[out.split("/")[0]]).mkdir()
    photo = picture(tmp_path / "elsewhere" / "a.png")
    with pytest.raises(UserError, match="would be read as photos; choose another --out") as caught:
        find_inputs([str(photo)], tmp_path / out)
    assert caught.value.code == "FC-PREDICT-003"
    assert not (tmp_path / out).exists()


def test_results_may_lie_among_photos_that_have_no_masks_beside_them(tmp_path):
    photo = picture(tmp_path / "images" / "a.jpg")
    assert [each.file for each in find_inputs([str(photo)], photo.parent)] == [photo]
