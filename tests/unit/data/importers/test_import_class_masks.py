"""Imports with a mask for each class, against pycocotools and against what was written."""

import json

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import open_source
from fullconv.data.exporters import Item, write_labels
from fullconv.data.importers import Request, import_data
from fullconv.data.importers.photos.photo_copy import upright
from fullconv.errors import UserError

CLASSES = ClassSet(("car", "rain", "road"), ((200, 0, 0), (0, 200, 0), (0, 0, 200)))
MULTILABEL = Request(task="multilabel", val=0)


@pytest.fixture
def overlapping_maps():
    """Three masks (H, W, 3) of 0 and 1 that lie over one another."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 2, (10, 12, 3)).astype(np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)


def masks_of(folder, name, classes=CLASSES.names):
    files = [folder / "masks/train" / each / f"{name}.png" for each in classes]
    return np.stack([np.asarray(Image.open(file)) for file in files], -1)


@pytest.mark.parametrize("tool", ["labelme", "cvat", "coco", "label-studio"])
def test_masks_that_lie_over_one_another_come_back(tool, overlapping_maps, tmp_path):
    photo = np.random.default_rng(1).integers(0, 256, (40, 48, 3), np.uint8)
    items = [Item("a", photo, overlapping_maps), Item("b", photo, np.zeros_like(overlapping_maps))]
    write_labels(tool, items, tmp_path / "out", CLASSES.overlapping(), tolerance=0)
    import_data(tmp_path / "out", tmp_path / "new", MULTILABEL)
    np.testing.assert_array_equal(masks_of(tmp_path / "new", "a"), overlapping_maps)
    source = open_source(tmp_path / "new", "train")
    assert source.classes.task == "multilabel" and source.classes.names == CLASSES.names
    np.testing.assert_array_equal(source[0].mask, overlapping_maps)
    assert not source[1].mask.any()


def test_each_class_of_coco_is_the_union_of_its_annotations(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    random = np.random.default_rng(2)
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "a.jpg")
    annotations = []
    for number in range(12):
        left, top, width, height = random.integers(0, 40, 4) + np.array([0, 0, 5, 5])
        ring = [left, top, left + width, top, left + width, top + height, left, top + height]
        annotations.append({
            "id": number + 1, "image_id": 1, "category_id": number % 3 + 1, "iscrowd": 0,
            "segmentation": [[float(min(n, 60)) for n in ring]],
        })  # fmt: skip
    categories = [{"id": n, "name": name} for n, name in enumerate(CLASSES.names, 1)]
    images = [{"id": 1, "file_name": "a.jpg", "height": 60, "width": 80}]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    import_data(tmp_path / "instances.json", tmp_path / "new", MULTILABEL)
    theirs, masks = coco.COCO(tmp_path / "instances.json"), masks_of(tmp_path / "new", "a")
    for place in range(3):
        own = [a for a in theirs.anns.values() if a["category_id"] == place + 1]
        union = np.any([theirs.annToMask(each) for each in own], 0)
        assert (masks[..., place] == union).mean() > 0.995  # pixels whose centres lie on a border
    assert (masks.sum(-1) > 1).any()


def test_ignored_labels_are_unknown_in_every_class_but_where_one_is_drawn(tmp_path):
    classes = ClassSet(("background", "car", "glare"))
    plane = np.zeros((8, 8), np.uint8)
    plane[:4], plane[:, :4] = 2, 1
    write_labels("coco", [Item("a", np.zeros((8, 8, 3), np.uint8), plane)], tmp_path / "out",
                 classes, tolerance=0)  # fmt: skip
    request = Request(task="multilabel", val=0, ignore=("glare",))
    import_data(tmp_path / "out", tmp_path / "new", request)
    mask = masks_of(tmp_path / "new", "a", ("car",))[..., 0]
    assert (mask[:, :4] == 1).all() and (mask[:4, 4:] == 255).all() and not mask[4:, 4:].any()


def test_a_class_that_can_be_no_folder_is_named(overlapping_maps, tmp_path):
    classes = ClassSet(("a/b", "c", "d")).overlapping()
    item = Item("a", np.zeros((40, 48, 3), np.uint8), overlapping_maps)
    write_labels("coco", [item], tmp_path / "out", classes)
    with pytest.raises(UserError, match="'a/b'") as error:
        import_data(tmp_path / "out", tmp_path / "new", MULTILABEL)
    assert error.value.code == "FC-IMPORT-009" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_behind_one_another_turn_as_each_does(orientation, overlapping_maps):
    each = [upright(overlapping_maps[..., k], orientation) for k in range(3)]
    np.testing.assert_array_equal(upright(overlapping_maps, orientation), np.stack(each, -1))
