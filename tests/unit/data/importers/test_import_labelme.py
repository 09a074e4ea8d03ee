"""labelme: what each shape covers, what labels become, and what is refused."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from exports import inside, notes, square
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError


def test_classes_background_and_drawing_order(labelme, imported):
    source = labelme("a", [square("road", 0, 20, 60, 40), square("car", 10, 25, 30, 35)])
    report, masks = imported(source)
    assert report.classes.names == ("background", "car", "road")
    expected = np.zeros((40, 60), int)
    expected[20:40] = 2
    expected[25:35, 10:30] = 1
    assert np.array_equal(masks["train/a"], expected)
    rows = {each.label: each for each in report.labels}
    assert (rows["road"].pixels, rows["road"].shapes) == (1000, 1)
    assert rows["(no label)"].becomes == "background"
    assert sum(each.pixels for each in report.labels) == 40 * 60
    assert notes(report, "covered") == 200


def test_a_later_shape_covers_an_earlier_one_and_a_hidden_one_is_said(labelme, imported):
    source = labelme("a", [square("car", 10, 25, 30, 35), square("road", 0, 20, 60, 40)])
    report, masks = imported(source)
    assert not (masks["train/a"] == 1).any()
    assert notes(report, "hidden") == 1


def test_every_kind_of_shape(labelme, imported):
    bitmap = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(bitmap, "PNG")
    shapes = [
        {"label": "box", "shape_type": "rectangle", "points": [[20, 10], [10, 4]]},
        {"label": "disc", "shape_type": "circle", "points": [[40, 10], [40, 15]]},
        {"label": "line", "shape_type": "line", "points": [[0, 22], [60, 22]]},
        {"label": "strip", "shape_type": "linestrip", "points": [[5, 30], [5, 36], [15, 36]]},
        {"label": "dot", "shape_type": "point", "points": [[30, 34]]},
        {"label": "painted", "shape_type": "mask", "points": [[50, 30], [53, 33]],
         "mask": base64.b64encode(bitmap.getvalue()).decode()},
    ]  # fmt: skip
    report, masks = imported(labelme("a", shapes), line_width=2, point_radius=3)
    mask, names = masks["train/a"], report.classes.names
    pixels = {name: np.argwhere(mask == value) for value, name in enumerate(names)}
    assert len(pixels["box"]) == 60
    assert (pixels["box"].min(0).tolist(), pixels["box"].max(0).tolist()) == ([4, 10], [9, 19])
    assert abs(len(pixels["disc"]) - np.pi * 25) < 5
    assert len(pixels["line"]) == 120
    assert {row for row, _ in pixels["line"]} == {21, 22}
    assert abs(len(pixels["strip"]) - 2 * 16) < 5
    assert abs(len(pixels["dot"]) - np.pi * 9) < 5
    assert pixels["painted"].tolist() == [[30, 50], [31, 51], [32, 52], [33, 53]]


def test_reserved_labels(labelme, imported):
    shapes = [
        square("__ignore__", 0, 0, 60, 10),
        square("car", 0, 0, 60, 40),
        square("__ignore__", 0, 0, 20, 40),
        square("_background_", 5, 5, 15, 15),
    ]
    report, masks = imported(labelme("a", shapes))
    assert report.classes.names == ("background", "car")
    assert (masks["train/a"] == 255).sum() == 20 * 40 - 100
    assert (masks["train/a"] == 0).sum() == 100


def test_order_of_labels_txt(labelme, imported):
    source = labelme("a", [square("car", 0, 0, 9, 9), square("bus", 9, 9, 20, 20)])
    (source / "labels.txt").write_text("__ignore__\n_background_\ncar\nbus\n")
    assert imported(source)[0].classes.names == ("background", "car", "bus")


def test_merge_ignore_and_background(labelme, imported):
    shapes = [square("car", 0, 0, 9, 9), square("bus", 9, 0, 18, 9), square("mud", 18, 0, 27, 9)]
    source = labelme("a", shapes)
    report, masks = imported(source, merge={"bus": "car"}, ignore=("mud",), background="ground")
    assert report.classes.names == ("ground", "car")
    assert np.array_equal(np.unique(masks["train/a"]), [0, 1, 255])
    assert (masks["train/a"] == 1).sum() == 162
    assert {each.label: each.becomes for each in report.labels}["mud"] == "(ignored)"


def test_unlabelled_pixels_can_be_ignored(labelme, imported):
    report, masks = imported(labelme("a", [square("car", 0, 0, 9, 9)]), background="__ignore__")
    assert report.classes.names == ("car",)
    assert (masks["train/a"] == 255).sum() == 2400 - 81


def test_a_list_of_classes_decides_their_order_and_must_hold_all(labelme, imported, tmp_path):
    source = labelme("a", [square("car", 0, 0, 9, 9), square("bus", 9, 9, 20, 20)])
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("tram\nbackground\ncar\n")
    with pytest.raises(UserError, match=r"no class 'bus'.*--merge bus=CLASS"):
        imported(source, classes=wanted)
    wanted.write_text("car\nbus\n")
    with pytest.raises(UserError, match=r"'background'.*--background"):
        imported(source, classes=wanted)
    wanted.write_text("tram\nbackground\ncar\n")
    report, masks = imported(source, classes=wanted, merge={"bus": "car"})
    assert report.classes.names == ("tram", "background", "car")
    assert np.array_equal(np.unique(masks["train/a"]), [1, 2])


@pytest.mark.parametrize("option", [{"merge": {"cat": "car"}}, {"ignore": ("cat",)}])
def test_unknown_names_are_refused_with_a_guess(labelme, imported, option):
    with pytest.raises(UserError, match=r"'cat'.*did you mean 'car'"):
        imported(labelme("a", [square("car", 0, 0, 9, 9)]), **option)


def test_labels_that_differ_in_case_are_said(labelme, imported):
    shapes = [square("Car", 0, 0, 9, 9), square("car", 9, 9, 20, 20)]
    report, _ = imported(labelme("a", shapes))
    assert notes(report, "spelling") == 1
    assert len(report.classes) == 3


def test_clipped_empty_groups_flags_and_photos_without_labels(labelme, imported, picture):
    shapes = [
        square("car", 50, 30, 75, 38, group_id=1),
        square("car", 3.6, 2, 4.4, 20, flags={"occluded": True}),
    ]
    source = labelme("a", shapes)
    labelme("b", [])
    picture("src/rest.jpg")
    report, masks = imported(source)
    for kind in ("clipped", "empty", "groups", "not for masks", "unlabelled", "no shapes"):
        assert notes(report, kind) == 1, kind
    assert "by 15 pixels" in report.to_text()
    assert not masks["train/b"].any()
    assert "rest" not in "".join(masks)


def test_embedded_photo_is_used_where_there_is_no_file(labelme, imported, tmp_path):
    source = labelme("a", [square("car", 0, 0, 9, 9)])
    content = (source / "a.jpg").read_bytes()
    (source / "a.jpg").unlink()
    saved = json.loads((source / "a.json").read_text())
    saved["imageData"] = base64.b64encode(content).decode()
    (source / "a.json").write_text(json.dumps(saved))
    imported(source)
    assert (tmp_path / "out/images/train/a.jpg").read_bytes() == content


def test_embedded_photo_goes_before_one_of_the_same_name_elsewhere(labelme, imported, tmp_path):
    source = labelme("night/1", [square("car", 0, 0, 9, 9)])
    data = base64.b64encode((source / "night/1.jpg").read_bytes()).decode()
    labelme("day/1", [square("road", 0, 0, 9, 9)], imageData=data)
    (source / "day/1.jpg").unlink()
    assert sorted(imported(source)[1]) == ["train/day/1", "train/night/1"]
    assert (tmp_path / "out/images/train/day/1.jpg").is_file()


def test_a_photo_labelled_twice_is_refused(labelme, imported, tmp_path):
    """As copies could be trained on and scored; the file beside the photo is the right one."""
    source = labelme("night/1", [square("car", 0, 0, 9, 9)])
    labelme("day/1", [square("road", 0, 0, 9, 9)])
    (source / "day/1.jpg").unlink()
    said = refused(source, tmp_path, "night/1.json labels too")
    assert said.startswith(str(source / "day/1.json"))
    assert list(imported(source, "labelme", skip=True)[1]) == ["train/night/1"]


def test_files_are_found_in_any_spelling_and_hidden_ones_are_not(labelme, imported):
    source = labelme("a", [square("car", 0, 0, 9, 9)], imagePath="..\\src\\a.jpg")
    labelme("b", [square("car", 0, 0, 9, 9)])
    (source / "b.json").rename(source / "b.JSON")
    (source / "._a.json").write_bytes(b"\0\5\x16\7\xff")
    (source / ".ipynb_checkpoints").mkdir()
    (source / ".ipynb_checkpoints/a-checkpoint.json").write_bytes((source / "a.json").read_bytes())
    assert sorted(imported(source)[1]) == ["train/a", "train/b"]


def test_shapes_may_come_after_the_photo(labelme, imported):
    source = labelme("a", [square("car", 0, 0, 9, 9)])
    content = json.loads((source / "a.json").read_text())
    old = {"imageData": "A" * 5000, "imagePath": "a.jpg", "shapes": content["shapes"]}
    (source / "a.json").write_text(json.dumps(old))
    report, _ = imported(source)
    assert report.format == "labelme"


def test_masks_that_were_moved_are_rounded_as_in_labelme(labelme, imported):
    bitmap = io.BytesIO()
    Image.fromarray(np.full((2, 3), 255, np.uint8)).save(bitmap, "PNG")
    shape = {"label": "a", "shape_type": "mask", "points": [[10.7, 20.6], [12.7, 21.6]],
             "mask": base64.b64encode(bitmap.getvalue()).decode()}  # fmt: skip
    mask = imported(labelme("a", [shape]))[1]["train/a"]
    assert np.argwhere(mask).min(0).tolist() == [20, 10]
    assert (mask > 0).sum() == 6


@pytest.mark.parametrize("label", ["a\nb", "a\0b", "\ud800"])
def test_labels_that_are_no_line_of_text(labelme, tmp_path, label):
    said = refused(labelme("a", [square(label, 0, 0, 9, 9)]), tmp_path, "no text")
    assert "\n" not in said


def test_a_label_called_like_a_row_of_the_report(labelme, imported):
    report, _ = imported(labelme("a", [square("(no label)", 0, 0, 10, 10)]))
    assert [(r.becomes, r.shapes, r.pixels) for r in report.labels] == [
        ("(no label)", 1, 100),
        ("background", 0, 2300),
    ]


def test_photos_beside_the_folder_with_images(labelme, imported, tmp_path, picture):
    source = labelme("a", [square("car", 0, 0, 9, 9)], imagePath="..\\photos\\x.png")
    (source / "a.jpg").unlink()
    picture("photos/x.png")
    with pytest.raises(UserError, match="--images"):
        imported(source)
    _, masks = imported(source, images=tmp_path / "photos")
    assert list(masks) == ["train/a"]


def test_folders_are_kept_in_names(labelme, imported):
    source = labelme("one/a", [square("car", 0, 0, 9, 9)])
    labelme("two/a", [square("car", 0, 0, 9, 9)])
    assert sorted(imported(source)[1]) == ["train/one/a", "train/two/a"]


def refused(source, tmp_path, said, **request):
    with pytest.raises(UserError, match=said) as caught:
        import_data(source, tmp_path / "out", Request(**request), "labelme")
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (square("car", 0, 0, float("nan"), 9), "shape 0 .car, polygon. has a point .nan, 0."),
        (square("car", 0, 0, 1e300, 9), "not in any photo"),
        (square("", 0, 0, 9, 9), "has no label"),
        (square("car", 0, 0, 9, 9, shape_type="blob"), "unknown type 'blob'"),
        ({"label": "car", "points": "all of them"}, "no list of"),
        ({"label": "car", "points": [[1, 2, 3]]}, "no list of"),
        ({"label": "car", "points": [[1, "x"]]}, "no list of"),
        ({"label": "car", "points": [[1, None], [2, 3]]}, "not in any photo"),
        ({"label": "car", "points": [[1, 2]], "shape_type": "circle"}, "1 points where 2"),
        ({"label": "car", "points": [[1, 2], [3, 4]], "shape_type": "mask", "mask": "?"}, "mask"),
    ],
)
def test_impossible_shapes_name_file_and_shape(labelme, tmp_path, shape, said):
    message = refused(labelme("a", [shape]), tmp_path, said)
    assert "a.json" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"imagePath": "../../../../etc/passwd"}, "not in"),
        ({"imagePath": "/etc/passwd.jpg"}, "not in"),
        ({"imagePath": None}, "names no photo"),
        ({"imagePath": "gone.jpg", "imageData": "%%%"}, "imageData is damaged"),
        ({"imageHeight": 60, "imageWidth": 40}, "40 x 60 pixels.* is 60 x 40"),
        ({"imageHeight": "tall"}, "'tall'"),
    ],
)
def test_impossible_files(labelme, tmp_path, change, said):
    refused(labelme("a", [], **change), tmp_path, said)


@pytest.mark.parametrize(
    "text", ['{"shapes": [', '{"shapes": 7}', "[" * 100000, "\x00", '"shapes"', "[]"]
)
def test_broken_json(labelme, tmp_path, text):
    source = labelme("a", [])
    (source / "a.json").write_text(text)
    assert "a.json" in refused(source, tmp_path, "JSON|list|shapes")


def test_all_faults_at_once_and_skip_leaves_them_out(labelme, tmp_path, imported):
    source = labelme("good", [square("car", 0, 0, 9, 9)])
    labelme("broken", [])
    (source / "broken.json").write_text('{"shapes": [')
    labelme("cut", [square("car", 0, 0, 9, 9)])
    (source / "cut.jpg").write_bytes((source / "cut.jpg").read_bytes()[:400])
    message = refused(source, tmp_path, "--skip")
    assert "broken.json" in message
    report, masks = imported(source, skip=True)
    assert list(masks) == ["train/good"]
    assert notes(report, "faulty") == 2
    assert "broken.json" in report.to_text()


@pytest.mark.parametrize(
    ("background", "classes", "rest"),
    [
        (None, ("background", "car"), 0),
        ("__ignore__", ("car",), 255),
        ("ground", ("ground", "car"), 0),
        ("background", ("background", "car"), 0),
    ],
)
def test_a_listed_background_leaves_no_empty_class(labelme, imported, background, classes, rest):
    source = labelme("a", [square("car", 0, 0, 9, 9), square("_background_", 2, 2, 4, 4)])
    (source / "labels.txt").write_text("__ignore__\n_background_\ncar\n")
    report, masks = imported(source, background=background)
    assert report.classes.names == classes
    assert notes(report, "no pixel") == 0
    assert (masks["train/a"] == rest).sum() == 2400 - 81 + 4
    assert (masks["train/a"] == classes.index("car")).sum() == 81 - 4


def test_a_shape_labelled_background_keeps_its_class(labelme, imported):
    source = labelme("a", [square("car", 0, 0, 9, 9), square("background", 9, 9, 19, 19)])
    (source / "labels.txt").write_text("background\ncar\n")
    report, masks = imported(source, background="__ignore__")
    assert report.classes.names == ("background", "car")
    assert (masks["train/a"] == 0).sum() == 100


def test_shapes_of_x_anylabeling(labelme, imported):
    """'rotation' is four corners; so is its rectangle."""
    turned = {"label": "turned", "points": [[40, 10], [50, 20], [40, 30], [30, 20]],
              "shape_type": "rotation", "direction": 0.785}  # fmt: skip
    upright = square("box", 5, 5, 25, 20, shape_type="rectangle")
    masks = imported(labelme("a", [turned, upright]))[1]
    assert (masks["train/a"] == 1).sum() == 300
    assert (masks["train/a"] == 2).sum() == 200
    assert inside(turned["points"])[masks["train/a"] == 2].all()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_files_in_utf16_are_recognised_and_read(encoding, labelme, imported):
    source = labelme("a", [square("裂缝", 0, 0, 10, 10)])
    file = source / "a.json"
    text = json.dumps(json.loads(file.read_text()), ensure_ascii=False)
    file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    report, masks = imported(source)
    assert report.classes.names == ("background", "裂缝")
    assert (masks["train/a"] == 1).sum() == 100


def test_another_encoding_is_said_of_the_file(labelme, tmp_path):
    source = labelme("a", [square("裂缝", 0, 0, 10, 10)])
    text = (source / "a.json").read_text().replace("\\u88c2\\u7f1d", "裂缝")
    (source / "a.json").write_bytes(text.encode("gbk"))
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out", Request(), "labelme")
    assert caught.value.code == "FC-FILE-011"
    assert "a.json" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "text", "becomes"),
    [
        (["a=b"], "a=b=c", "c"),
        (["a"], "a=b=c", "b=c"),
        (["a=b=c"], "a=b=c=d", "d"),
        (["a b"], " a b = c", "c"),
    ],
)
def test_merge_takes_names_that_contain_an_equals_sign(labelme, imported, labels, text, becomes):
    source = labelme("a", [square(label, 0, 0, 10, 10) for label in labels])
    assert imported(source, merge=(text,))[0].classes.names == ("background", becomes)


@pytest.mark.parametrize(
    ("text", "code"),
    [("a=b=c", "FC-IMPORT-007"), ("a", "FC-IMPORT-006"), ("=a", "FC-IMPORT-006"),
     ("x=y", "FC-IMPORT-008")],
)  # fmt: skip
def test_a_merge_that_means_two_things_or_nothing(labelme, tmp_path, text, code):
    source = labelme("a", [square("a", 0, 0, 9, 9), square("a=b", 9, 9, 19, 19)])
    with pytest.raises(UserError) as caught:
        import_data(source, tmp_path / "out", Request(merge=(text,)))
    assert caught.value.code == code
    assert text.strip("=")[0] in str(caught.value)


def test_a_label_cannot_become_two_classes(labelme, tmp_path):
    source = labelme("a", [square("a", 0, 0, 9, 9)])
    with pytest.raises(UserError, match="'a' cannot become both 'x' and 'y'") as caught:
        import_data(source, tmp_path / "out", Request(merge=("a=x", "a = y")))
    assert caught.value.code == "FC-IMPORT-007"
    assert not (tmp_path / "out").exists()


def test_a_forced_format_that_the_files_do_not_have_is_said(labelme, tmp_path):
    source = labelme("a", [square("a", 0, 0, 9, 9)])
    with pytest.raises(UserError, match="not recognised as voc") as caught:
        import_data(source, tmp_path / "out", format="voc")
    assert caught.value.code == "FC-IMPORT-004"


EVERY_PIXEL = [square("road", 0, 0, 60, 40), square("car", 10, 25, 30, 35)]


def test_where_every_pixel_has_a_label_the_report_says_how_to_do_without_background(
    labelme, imported
):
    report, _ = imported(labelme("a", EVERY_PIXEL))
    fix = "(to do without background: --background __ignore__)"
    assert f"classes without a pixel: background {fix}" in report.to_text()


def test_without_background_no_class_lacks_a_pixel(labelme, imported):
    report, _ = imported(labelme("a", EVERY_PIXEL), background="__ignore__")
    assert report.classes.names == ("car", "road")
    assert "without a pixel" not in report.to_text()
