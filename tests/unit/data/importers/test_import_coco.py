"""COCO: polygons, both kinds of run lengths, crowds, overlaps, and what is refused."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco

from exports import notes
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError

NAMES = [{"id": 7, "name": "car"}, {"id": 3, "name": "road"}]


def box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(category, segmentation, image=1, **more):
    return {
        "id": 1,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
    } | more


@pytest.fixture
def export(tmp_path, picture):
    """``export(annotations)`` writes src/instances.json and its photo a.jpg of 60 x 40."""

    def write(annotations, file="instances.json", **changes):
        picture("src/images/a.jpg")
        image = {"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}
        content = {"images": [image], "annotations": annotations, "categories": NAMES} | changes
        path = tmp_path / "src" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return tmp_path / "src"

    return write


def test_classes_stand_in_the_order_of_their_numbers(export, imported):
    report, masks = imported(export([annotation(7, box(0, 0, 10, 10))]))
    assert report.format == "coco"
    assert report.classes.names == ("background", "road", "car")
    assert (masks["train/a"] == 2).sum() == 100


@pytest.mark.parametrize("small_first", [True, False])
def test_the_smaller_one_is_on_top_whatever_the_order(export, imported, small_first):
    small, large = annotation(7, box(5, 5, 10, 10)), annotation(3, box(0, 0, 20, 20))
    masks = imported(export([small, large] if small_first else [large, small]))[1]
    assert (masks["train/a"] == 2).sum() == 25
    assert (masks["train/a"] == 1).sum() == 375


def test_both_kinds_of_run_lengths_are_the_pixels_of_pycocotools(export, imported):
    bitmap = np.random.default_rng(0).random((40, 60)) < 0.3
    packed = coco.encode(np.asfortranarray(bitmap, np.uint8))
    string = {"size": [40, 60], "counts": packed["counts"].decode()}
    half = np.zeros((40, 60), bool)
    half[:, 30:] = True  # 1200 pixels down the columns first
    listed = {"size": [40, 60], "counts": [1200, 1200]}
    masks = imported(export([annotation(7, string), annotation(3, listed)]))[1]
    assert np.array_equal(masks["train/a"] == 2, bitmap)
    assert np.array_equal(masks["train/a"] == 1, half & ~bitmap)


def test_polygons_are_nearly_those_of_pycocotools(export, imported):
    angles = np.linspace(0, 6, 30)
    ring = np.stack([30.3 + 25 * np.cos(angles), 20.2 + 17 * np.sin(angles)], 1).ravel().tolist()
    theirs = coco.decode(coco.frPyObjects([ring], 40, 60))[..., 0].astype(bool)
    ours = imported(export([annotation(7, [ring])]))[1]["train/a"] == 2
    assert (ours & theirs).sum() > 0.97 * (ours | theirs).sum()


OWN = {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org"}


def test_crowds_and_bare_boxes_are_ignored_below_the_rest(export, imported):
    annotations = [
        annotation(7, box(0, 0, 20, 20)),
        annotation(7, {"size": [40, 60], "counts": [0, 1200, 1200]}, iscrowd=1),
        annotation(3, [], bbox=[40, 0, 10, 10]),
    ]
    report, masks = imported(export(annotations, info=OWN))
    mask = masks["train/a"]
    assert (mask == 2).sum() == 400
    assert (mask == 255).sum() == 1200 - 400 + 100
    assert (notes(report, "crowd"), notes(report, "boxed")) == (1, 1)


def test_photos_without_annotations_are_background_and_said(export, imported):
    report, masks = imported(export([]))
    assert not masks["train/a"].any()
    assert notes(report, "no shapes") == 1


def test_files_are_splits(export, imported, picture):
    source = export([annotation(7, box(0, 0, 9, 9))], "annotations/instances_train2017.json")
    picture("src/val2017/a.jpg")
    picture("src/train2017/a.jpg")
    (source / "images/a.jpg").unlink()
    export([annotation(3, box(0, 0, 9, 9))], "annotations/instances_val2017.json")
    (source / "images/a.jpg").unlink()
    masks = imported(source, val=None)[1]
    assert sorted(masks) == ["train/a", "val/a"]
    assert masks["val/a"].max() == 1


def test_two_photos_of_one_name_are_refused(export, picture, tmp_path):
    source = export([])
    picture("src/other/a.jpg")
    with pytest.raises(UserError, match="more than once"):
        import_data(source, tmp_path / "out")


def test_two_photos_for_one_place_are_refused(export, picture, tmp_path):
    picture("src/images/a.png")
    image = {"width": 60, "height": 40}
    images = [image | {"id": 1, "file_name": "a.jpg"}, image | {"id": 2, "file_name": "a.png"}]
    with pytest.raises(UserError, match="would be called 'a'"):
        import_data(export([], images=images), tmp_path / "out", Request(val=0))


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        ([[1, 2, 3, 4, 5]], "polygon of 5 numbers"),
        ([[1, 2, 3, 4, 5, float("nan")]], "not in any photo"),
        ([[1, 2, 3, 4, 5, "x"]], "no list of"),
        ([1, 2, 3], "neither polygons nor run lengths"),
        ("polygon", "neither polygons nor run lengths"),
        ({"size": [60, 40], "counts": [2400]}, "size .60, 40."),
        ({"size": [40, 60], "counts": [10**12]}, "whole numbers"),
        ({"size": [40, 60], "counts": "oooo"}, "cut off"),
        (None, "neither an outline"),
    ],
)
def test_impossible_outlines(export, tmp_path, outline, said):
    with pytest.raises(UserError, match=said) as caught:
        import_data(export([annotation(7, outline)]), tmp_path / "out")
    assert "instances.json (a.jpg)" in str(caught.value)
    assert not (tmp_path / "out").exists()


PHOTO = {"id": 1, "file_name": "a.jpg"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": [PHOTO | {"file_name": "../../etc/passwd"}]}, "not in"),
        ({"images": [PHOTO | {"width": 600, "height": 400}]}, "600 x 400 pixels.* is 60 x 40"),
        ({"images": [PHOTO | {"width": 1e12, "height": 1e12}]}, "not a coordinate"),
        ({"images": [PHOTO, PHOTO]}, "two images have the id 1"),
        ({"images": [{"id": 1}]}, "without id or file_name"),
        ({"annotations": [annotation(7, box(0, 0, 9, 9), image=5)]}, "image 5"),
        ({"annotations": [annotation(9, box(0, 0, 9, 9))]}, "category 9"),
        ({"annotations": [annotation(7, [], bbox=[0, 0, 9, 9])]}, "boxes only"),
        ({"categories": [{"id": 7}]}, "no name"),
        ({"categories": None}, "no list 'categories'"),
    ],
)
def test_impossible_files(export, tmp_path, changes, said):
    source = export(**({"annotations": []} | changes))
    with pytest.raises(UserError, match=said):
        import_data(source / "instances.json", tmp_path / "out", Request(images=source), "coco")


def test_names_that_lead_out_of_the_folder_lose_their_way(export, imported, tmp_path):
    images = [PHOTO | {"file_name": "../../somewhere/a.jpg"}]
    masks = imported(export([], images=images))[1]
    assert list(masks) == ["train/a"]
    assert {path.name for path in tmp_path.iterdir()} == {"src", "out"}


def test_captions_and_key_points_beside_the_instances_are_not_read(export, imported):
    """The folder annotations/ as COCO's own archive has it."""
    source = export([annotation(7, box(0, 0, 10, 10))], "annotations/instances_val2017.json")
    export([annotation(7, box(0, 0, 5, 5))], "annotations/person_keypoints_val2017.json")
    captions = {"images": [], "annotations": [{"image_id": 1, "id": 2, "caption": "a car"}]}
    (source / "annotations/captions_val2017.json").write_text(json.dumps(captions))
    report, masks = imported(source, val=None)
    assert (masks["val/a"] > 0).sum() == 100
    assert notes(report, "other labels") == 2


def test_a_photo_in_two_splits_is_refused(export, tmp_path, imported):
    source = export([annotation(7, box(0, 0, 10, 10))], "train.json")
    export([annotation(7, box(0, 0, 10, 10))], "val.json")
    with pytest.raises(UserError, match=r"val.json .*train.json .*labels too"):
        import_data(source, tmp_path / "out")
    assert list(imported(source, val=None, skip=True)[1]) == ["train/a"]


def test_photos_that_no_file_lists_are_said(export, imported, picture):
    source = export([annotation(7, box(0, 0, 10, 10))])
    picture("src/images/b.jpg")
    report, masks = imported(source)
    assert list(masks) == ["train/a"]
    assert notes(report, "unlabelled") == 1


def test_key_points_cost_only_themselves_with_skip(export, tmp_path, imported):
    person = annotation(7, [], keypoints=[5, 5, 2], num_keypoints=1)
    source = export([annotation(7, box(0, 0, 10, 10)), person])
    with pytest.raises(UserError, match=r"neither an outline.*--skip leaves out only it"):
        import_data(source, tmp_path / "out")
    report, masks = imported(source, skip=True)
    assert (masks["train/a"] == 2).sum() == 100
    assert notes(report, "no area") == 1
    assert "keypoints (car)" in report.to_text()
    assert notes(report, "faulty") == 0


def test_the_box_of_key_points_is_ignored(export, imported):
    person = annotation(7, [], keypoints=[25, 5, 2], bbox=[20, 0, 10, 10])
    report, masks = imported(export([annotation(7, box(0, 0, 10, 10)), person]), skip=True)
    assert (masks["train/a"] == 255).sum() == 100
    assert notes(report, "boxed") == 1


def test_a_folder_of_the_labels_that_is_longer_than_any_name(export, imported, tmp_path):
    images = [PHOTO | {"file_name": f"{'n' * 300}/a.jpg"}]
    source = export([annotation(7, box(0, 0, 10, 10))], images=images)
    with pytest.raises(UserError, match=r"instances\.json.*nnn\.\.\.', 300 bytes; shorten"):
        import_data(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


HALF = {"size": [40, 60], "counts": [0, 1200, 1200]}  # the left half
CVAT = {"attributes": {"occluded": False}}


def test_brush_masks_that_a_tool_marks_as_crowds_are_regions(export, imported):
    report, masks = imported(export([annotation(7, HALF, iscrowd=1)]))
    assert (masks["train/a"] == 2).sum() == 1200
    assert (notes(report, "brush"), notes(report, "crowd")) == (1, 0)


@pytest.mark.parametrize("more", [CVAT, {}])
def test_a_few_brush_masks_among_polygons_are_regions(export, imported, more):
    cars = [annotation(7, box(40 + i, 0, 42 + i, 2), **more) for i in range(5)]
    report, masks = imported(export([*cars, annotation(7, HALF, iscrowd=1, **more)]))
    assert (masks["train/a"][:, :30] == 2).all()
    assert (notes(report, "brush"), notes(report, "crowd")) == (1, 0)


@pytest.mark.parametrize("name", ["000000000139.jpg", "COCO_val2014_000000000139.jpg"])
def test_crowds_on_photos_of_coco_stay_crowds_without_its_info(export, imported, picture, name):
    picture(f"src/images/{name}", 40, 60)
    images = [{"id": 1, "file_name": name, "width": 60, "height": 40}]
    crowds = [annotation(7, HALF, iscrowd=1), annotation(7, box(40, 0, 50, 10))]
    (masks,) = imported(export(crowds, images=images))[1].values()
    assert (masks[:, :30] == 255).all()


def test_a_category_that_is_only_painted_is_a_region_beside_polygons_of_others(export, imported):
    cars = [annotation(7, box(40, 0, 50, 10)), annotation(7, box(40, 20, 50, 30))]
    masks = imported(export([*cars, annotation(3, HALF, iscrowd=1)]))[1]
    assert (masks["train/a"][:, :30] == 1).all()


def test_crowds_of_the_published_files_stay_crowds(export, imported):
    crowds = [annotation(7, HALF, iscrowd=1), annotation(3, box(40, 0, 50, 10))]
    masks = imported(export(crowds, info=OWN))[1]
    assert (masks["train/a"][:, :30] == 255).all()


def test_most_run_lengths_as_plain_regions_leave_a_crowd_a_crowd(export, imported):
    right = {"size": [40, 60], "counts": [1200, 1200]}
    plain = [annotation(3, right), annotation(7, right)]
    masks = imported(export([*plain, annotation(7, HALF, iscrowd=1)]))[1]
    assert (masks["train/a"][:, :30] == 255).all()


@pytest.mark.parametrize(("listed", "said"), [("1", 1), (1, "1"), (1.0, 1), ("a", "a")])
def test_ids_are_the_same_as_text_and_as_numbers(export, imported, listed, said):
    images = [{"id": listed, "file_name": "a.jpg", "width": 60, "height": 40}]
    categories = [{"id": str(c["id"]), "name": c["name"]} for c in NAMES]
    regions = [annotation(7, box(0, 0, 10, 10), image=said)]
    masks = imported(export(regions, images=images, categories=categories))[1]
    assert (masks["train/a"] == 2).sum() == 100


def test_skip_leaves_out_a_photo_whose_annotations_may_be_lost(export, imported, picture):
    picture("src/images/b.jpg", 40, 60)
    images = [{"id": i, "file_name": f"{name}.jpg", "width": 60, "height": 40}
              for i, name in ((1, "a"), (2, "b"))]  # fmt: skip
    regions = [annotation(7, box(0, 0, 9, 9), image=1), annotation(7, box(0, 0, 9, 9), image=99)]
    report, masks = imported(export(regions, images=images), skip=True)
    assert list(masks) == ["train/a"]
    assert (notes(report, "left out"), notes(report, "faulty")) == (1, 1)


def test_a_polygon_of_two_points_is_empty_and_said(export, imported):
    empty = [annotation(3, [[40, 30, 41, 30]]), annotation(3, [[]])]
    partly = annotation(7, [[50, 20, 51, 21], *box(20, 0, 30, 10)])
    regions = [annotation(7, box(0, 0, 10, 10)), *empty, partly]
    report, masks = imported(export(regions))
    assert (masks["train/a"] == 2).sum() == 200
    assert notes(report, "empty") == 2


def test_files_may_number_their_categories_differently(export, imported, picture):
    source = export([annotation(7, box(0, 0, 10, 10))], "train.json")
    picture("src/images/b.jpg", 40, 60)
    other = [{"id": 1, "name": "car"}, {"id": 7, "name": "road"}]
    image = {"id": 1, "file_name": "b.jpg", "width": 60, "height": 40}
    export([annotation(1, box(0, 0, 5, 5))], "val.json", categories=other, images=[image])
    report, masks = imported(source, val=None)
    assert report.classes.names == ("background", "road", "car")
    assert [(masks[name] == 2).sum() for name in ("train/a", "val/b")] == [100, 25]


def test_a_root_category_that_owns_nothing_is_no_class(export, imported):
    categories = [{"id": 0, "name": "vehicles", "supercategory": "none"},
                  {"id": 7, "name": "car", "supercategory": "vehicles"}]  # fmt: skip
    source = export([annotation(7, box(0, 0, 10, 10))], categories=categories)
    assert imported(source)[0].classes.names == ("background", "car")


def test_other_spellings_of_a_name_and_of_an_outline(export, imported, picture):
    picture("src/images/my photo.jpg", 40, 60)
    images = [{"id": 1, "file_name": "images/my%20photo.jpg", "width": -1, "height": -1}]
    flat = annotation("7", box(0, 0, 10, 10)[0])
    masks = imported(export([flat], images=images))[1]
    assert [(mask == 2).sum() for mask in masks.values()] == [100]


def test_run_lengths_of_an_image_without_size(export, imported):
    images = [{"id": 1, "file_name": "a.jpg", "width": None, "height": None}]
    masks = imported(export([annotation(7, HALF)], images=images))[1]
    assert (masks["train/a"] == 2).sum() == 1200


@pytest.mark.parametrize(
    "name",
    [
        "https://bucket.example/x/a.jpg?signature=1#top", "s3://bucket/x/a.jpg",
        r"C:\Users\me\a.jpg", r"\\server\share\a.jpg", "file:///home/me/a.jpg", "http://[::/a.jpg",
    ],
)  # fmt: skip
def test_addresses_and_paths_of_other_machines_name_the_photo_by_its_file(export, imported, name):
    images = [{"id": 1, "file_name": name, "width": 60, "height": 40}]
    masks = imported(export([annotation(7, box(0, 0, 10, 10))], images=images))[1]
    assert list(masks) == ["train/a"]


@pytest.mark.parametrize("name", ["", ".", "/", "..", "https://bucket/"])
def test_an_image_without_a_name_is_a_finding(export, tmp_path, name):
    images = [{"id": 1, "file_name": name, "width": 60, "height": 40}]
    source = export([annotation(7, box(0, 0, 10, 10))], images=images)
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out", Request())
    assert caught.value.code in ("FC-IMPORT-005", "FC-IMPORT-065", "FC-IMPORT-030")


@pytest.mark.parametrize(("mark", "pixels"), [
    (0, 100), ("0", 100), (False, 100), ("false", 100), (None, 100), ("", 100), (0.0, 100),
    (1, 0), ("1", 0), (True, 0), (1.0, 0), ("true", 0),
])  # fmt: skip
def test_a_crowd_is_marked_by_one_also_as_text(export, imported, mark, pixels):
    """Tables that became JSON have text: '0' is no crowd."""
    both = [annotation(7, box(0, 0, 10, 10), iscrowd=mark), annotation(3, box(20, 20, 30, 30))]
    masks = imported(export(both, info=OWN))[1]
    assert (masks["train/a"] == 2).sum() == pixels
    assert (masks["train/a"] == 255).sum() == 100 - pixels
