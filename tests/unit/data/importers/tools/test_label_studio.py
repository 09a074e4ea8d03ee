"""Label Studio: percentages, rotation, brush strokes, several annotations, JSON-MIN."""

import numpy as np
import pytest

from exports import ellipse, inside, notes, png, text64
from fullconv.data.importers.drawing.bitmaps import brush_of
from fullconv.errors import UserError


def result(value, kind="polygonlabels", label="car", **more):
    return {
        "id": "r1", "type": kind, "from_name": "label", "to_name": "image", "image_rotation": 0,
        "original_width": 60, "original_height": 40, "value": value | {kind: [label]},
    } | more  # fmt: skip


def annotation(*results, **more):
    numbered = [each | {"id": f"r{place}"} for place, each in enumerate(results)]
    return {"id": 1, "completed_by": 1, "was_cancelled": False, "result": numbered} | more


def task(*annotations, image="/data/upload/1/0a1b2c3d-a.jpg", **more):
    return {"id": 7, "annotations": list(annotations), "data": {"image": image}} | more


@pytest.fixture
def tasks(save, picture):
    def write(*content):
        picture("src/a.jpg")
        return save("project.json", list(content))

    return write


def bits(value, number):
    return f"{value:0{number}b}"


def pack(pixels, sizes=(3, 4, 8, 16), repeat_from=2):
    """thi.ng's rle-pack of an RGBA picture, written from its decoder: a list of bytes."""
    values = np.repeat(pixels.ravel(), 4).tolist()
    out = bits(len(values), 32) + bits(7, 5) + "".join(bits(size - 1, 4) for size in sizes)
    place = 0
    while place < len(values):
        end = place
        while end < len(values) and values[end] == values[place] and end - place < 2 ** sizes[-1]:
            end += 1
        length = end - place
        which = next(n for n, size in enumerate(sizes) if length <= 2**size)
        repeated = length >= repeat_from
        out += "01"[repeated] + bits(which, 2) + bits(length - 1, sizes[which])
        out += bits(values[place], 8) * (1 if repeated else length)
        place = end
    out += "0" * (-len(out) % 8)
    return [int(out[place : place + 8], 2) for place in range(0, len(out), 8)]


def test_a_polygon_in_hundredths(tasks, imported):
    points = [[10, 10], [50.5, 12], [90, 85], [20, 60]]
    report, masks = imported(tasks(task(annotation(result({"points": points, "closed": True})))))
    assert report.format == "label-studio"
    corners = np.array(points) * [0.6, 0.4]
    assert report.classes.names == ("background", "car")
    assert np.array_equal(next(iter(masks.values())) == 1, inside(corners))


@pytest.mark.parametrize("degrees", [0, 30, 345.4])
def test_a_rectangle_is_turned_about_its_upper_left_corner(tasks, imported, degrees):
    """The corners are those that label_studio_converter's YOLO OBB export computes."""
    value = {"x": 40, "y": 30, "width": 30, "height": 20, "rotation": degrees}
    masks = imported(tasks(task(annotation(result(value, "rectanglelabels")))))[1]
    x, y, w, h = 24, 12, 18, 8
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    right, below = np.array([w * cos, w * sin]), np.array([-h * sin, h * cos])
    corners = np.add([right * 0, right, right + below, below], (x, y))
    mask = next(iter(masks.values())) == 1
    assert np.count_nonzero(mask != inside(corners)) <= (0 if degrees else w + h)
    assert abs(mask.sum() - w * h) < 8


def test_an_ellipse_about_its_centre(tasks, imported):
    value = {"x": 50, "y": 50, "radiusX": 30, "radiusY": 10, "rotation": 40}
    masks = imported(tasks(task(annotation(result(value, "ellipselabels")))))[1]
    assert np.array_equal(next(iter(masks.values())) == 1, ellipse(30, 20, 18, 4, 40))


@pytest.mark.parametrize("sizes", [(3, 4, 8, 16), (1, 2, 5, 11)])
@pytest.mark.parametrize("repeat_from", [2, 40])
def test_a_brush_stroke(tasks, imported, sizes, repeat_from):
    alpha = np.zeros((40, 60), np.uint8)
    alpha[3:30, 5:50] = 255
    alpha[::7, ::3] = 90
    coded = pack(alpha, sizes, repeat_from)
    source = tasks(task(annotation(result({"format": "rle", "rle": coded}, "brushlabels"))))
    assert np.array_equal(next(iter(imported(source)[1].values())) == 1, alpha > 0)


WHOLE = pack(np.eye(40, 60, dtype=np.uint8))


@pytest.mark.parametrize(
    "damaged", [WHOLE[:30], [*WHOLE[:20], 300], "abc", WHOLE[:4], [255] * 40, None, 10**12]
)
def test_damaged_brush_strokes(damaged):
    with pytest.raises(UserError) as caught:
        brush_of(damaged, (40, 60))
    assert caught.value.code == "FC-IMPORT-013"


def test_a_bitmask_is_the_alpha_of_its_png(tasks, imported):
    alpha = np.zeros((40, 60, 4), np.uint8)
    alpha[10:20, 30:35, 3] = 255
    value = {"imageDataURL": f"data:image/png;base64,{text64(png(alpha))}"}
    masks = imported(tasks(task(annotation(result(value, "bitmasklabels")))))[1]
    assert np.array_equal(next(iter(masks.values())) == 1, alpha[..., 3] > 0)


def test_a_region_and_its_label_in_two_results(tasks, imported):
    points = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]]}
    shape = result(points, "polygon") | {"value": points, "id": "x"}
    named = result(points, "labels", "road") | {"id": "x"}
    choice = {"id": "c", "type": "choices", "value": {"choices": ["night"]}}
    both = {"result": [shape, named, choice], "completed_by": 1, "was_cancelled": False}
    report, masks = imported(tasks(task(both)))
    assert report.classes.names == ("background", "road")
    assert (next(iter(masks.values())) == 1).sum() == 30 * 20
    assert notes(report, "not for masks") == 1


def test_of_several_annotations_the_truth_or_the_newest_is_taken(tasks, imported, again):
    def square(label, **more):
        points = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]]}
        return annotation(result(points, label=label), **more)

    old, new = square("old", updated_at="2024-01-01"), square("new", updated_at="2024-05-01")
    cancelled = square("cancelled", updated_at="2025-01-01", was_cancelled=True)
    report, _ = imported(tasks(task(new, old, cancelled)))
    assert report.classes.names == ("background", "new")
    assert notes(report, "several") == 1
    again()
    report, _ = imported(tasks(task(new, old | {"ground_truth": True})))
    assert report.classes.names == ("background", "old")


def test_a_task_that_nobody_labelled_is_no_background(tasks, imported, picture):
    picture("src/b.jpg")
    points = {"points": [[0, 0], [50, 0], [50, 50]]}
    source = tasks(task(annotation(result(points))), task(image="s3://bucket/b.jpg", id=8))
    report, masks = imported(source)
    assert list(masks) == ["train/a"]
    assert notes(report, "unlabelled") == 1


def test_the_minimal_export(save, picture, imported):
    picture("src/night/a b.jpg")
    region = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "polygonlabels": ["car"],
              "original_width": 60, "original_height": 40}  # fmt: skip
    image = "/data/local-files/?d=night/a%20b.jpg"
    entry = {"image": image, "id": 3, "label": [region], "annotator": 1, "annotation_id": 2}
    masks = imported(save("min.json", [entry]))[1]
    assert list(masks) == ["train/night/a b"]
    assert masks["train/night/a b"].sum() == 600


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"image_rotation": 90}, "FC-IMPORT-072"),
        ({"item_index": 1}, "FC-IMPORT-072"),
        ({"original_width": None}, "FC-IMPORT-012"),
        ({"value": {"points": [[0, 0], [9, 0], [9, 9]]}}, "FC-IMPORT-061"),
        ({"value": {"points": [[0, 0], [9, 0], [9, 9]], "labels": ["a", "b"]}}, "FC-IMPORT-070"),
        ({"value": {"rle": [1, 2], "brushlabels": ["a"]}}, "FC-IMPORT-013"),
        ({"value": {"vertices": [], "vectorlabels": ["a"]}}, "FC-IMPORT-011"),
    ],
)
def test_impossible_results_name_the_task(tasks, refused, change, code):
    points = {"points": [[0, 0], [50, 0], [50, 50]]}
    said = refused(tasks(task(annotation(result(points) | change))), code)
    assert "task 7" in said


def test_a_classification_makes_no_masks(tasks, refused):
    choice = {"type": "choices", "value": {"choices": ["night"]}}
    refused(tasks(task(annotation(choice))), "FC-IMPORT-069")


def test_a_polygon_of_two_points_is_noted_and_the_photo_stays(tasks, imported):
    full = result({"points": [[0, 0], [50, 0], [50, 50]]})
    source = tasks(task(annotation(full, result({"points": [[1, 1], [9, 9]]}),
                                   result({"points": []}))))  # fmt: skip
    report, masks = imported(source)
    assert len(masks) == 1
    assert notes(report, "empty") == 2
