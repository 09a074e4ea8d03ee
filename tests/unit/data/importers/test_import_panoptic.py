"""COCO panoptic: numbers of segments in the colours of a PNG."""

import json

import numpy as np
import pytest
from PIL import Image

from exports import notes
from fullconv.data.importers import import_data
from fullconv.errors import UserError

CATEGORIES = [{"id": 1, "name": "car"}, {"id": 9, "name": "road"}]


def segment(number, category):
    return {"id": number, "category_id": category, "area": 1, "bbox": [0, 0, 1, 1], "iscrowd": 0}


@pytest.fixture
def export(tmp_path, picture):
    """``export(numbers, segments)``: a photo, its PNG of these numbers, and the file of both."""

    def write(numbers, segments, photo="a.jpg", folder="panoptic_val2017", mode="RGB"):
        picture(f"src/val2017/{photo}")
        numbers = np.asarray(numbers)
        colors = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], -1)
        place = tmp_path / "src" / folder / "a.png"
        place.parent.mkdir(parents=True)
        Image.fromarray(colors.astype(np.uint8)).convert(mode).save(place)
        content = {
            "images": [{"id": 7, "file_name": photo, "width": 60, "height": 40}],
            "annotations": [{"image_id": "7", "file_name": "a.png", "segments_info": segments}],
            "categories": CATEGORIES,
        }
        (tmp_path / "src/panoptic_val2017.json").write_text(json.dumps(content))
        return tmp_path / "src"

    return write


@pytest.mark.parametrize(
    ("photo", "folder"), [("a.jpg", "panoptic_val2017"), ("a.png", "panoptic"), ("a.jpg", "x/y")]
)
def test_each_segment_is_its_category_and_zero_is_ignored(export, imported, photo, folder):
    values = np.random.default_rng(0).choice([0, 5, 70_000, 2**24 - 1], (40, 60))
    segments = [segment(5, 9), segment(70_000, 1), segment(2**24 - 1, 9)]
    report, masks = imported(export(values, segments, photo, folder), val=None)
    assert report.format == "coco-panoptic"
    assert report.classes.names == ("car", "road")
    expected = np.select([values == 0, values == 70_000], [255, 0], 1)
    assert np.array_equal(masks["val/a"], expected)
    assert notes(report, "unlabelled") == 0


def test_a_segment_without_a_pixel_is_said(export, imported):
    report, _ = imported(export(np.full((40, 60), 5), [segment(5, 9), segment(6, 1)]))
    assert notes(report, "empty") == 1


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"segments": [segment(6, 1)]}, "FC-IMPORT-015", "number 5 "),
        ({"segments": [segment(5, 2)]}, "FC-IMPORT-005", "category 2"),
        ({"segments": [segment("x", 1)]}, "FC-IMPORT-010", "id x"),
        ({"segments": None}, "FC-IMPORT-010", "segments_info"),
        ({"mode": "L"}, "FC-IMPORT-015", "colour mode L"),
        ({"numbers": np.full((40, 61), 5)}, None, "a.png"),
    ],
)
def test_what_cannot_be_read(export, tmp_path, changes, code, said):
    source = export(**({"numbers": np.full((40, 60), 5), "segments": [segment(5, 1)]} | changes))
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out")
    assert code in (None, caught.value.code)
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_png_is_named(export, tmp_path):
    source = export(np.full((40, 60), 5), [segment(5, 1)])
    (source / "panoptic_val2017/a.png").unlink()
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out")
    assert caught.value.code == "FC-IMPORT-020"
    assert "'a.png'" in str(caught.value)
