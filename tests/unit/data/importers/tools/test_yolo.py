"""YOLO segmentation labels: shares of the size, splits, names of the classes."""

import numpy as np
import pytest

from exports import inside, notes

NAMES = "names:\n  0: road\n  1: car\n"
ROW = "1 0.1 0.1 0.9 0.2 0.5 0.95\n"
CORNERS = [(6, 4), (54, 8), (30, 38)]


@pytest.fixture
def export(save, picture):
    def write(rows=ROW, name="a", yaml=NAMES, split="train"):
        picture(f"src/images/{split}/{name}.jpg")
        if yaml is not None:
            save("data.yaml", yaml)
        return save(f"labels/{split}/{name}.txt", rows)

    return write


def test_a_polygon_in_shares_of_the_size(export, imported):
    report, masks = imported(export())
    assert (report.format, report.classes.names) == ("yolo", ("background", "road", "car"))
    assert np.array_equal(masks["train/a"] == 2, inside(CORNERS))


@pytest.mark.parametrize(
    "yaml",
    ["names: ['road', 'car']\nnc: 2\n", "names:\n- road\n- car\n", 'names: {0: "road", 1: car}\n',
     "# a comment\npath: ../x\ntrain: images/train\nnames: [road,\n  car]\n"],
)  # fmt: skip
def test_every_form_of_the_names(export, imported, yaml):
    assert imported(export(yaml=yaml))[0].classes.names == ("background", "road", "car")


def test_names_that_yaml_takes_for_something_else(export, imported):
    assert imported(export(yaml="names: [no, 1]\n"))[0].classes.names == ("background", "no", "1")


def test_names_in_classes_txt_and_by_an_option(export, imported, save, again, tmp_path):
    source = save("classes.txt", "road\ncar\n\n")
    export(yaml=None)
    assert imported(source)[0].classes.names == ("background", "road", "car")
    again()
    (source / "classes.txt").unlink()
    other = tmp_path / "other.txt"
    other.write_text("street\ntram\n")
    assert imported(source, labels=other)[0].classes.names == ("background", "street", "tram")


@pytest.mark.parametrize(
    "train",
    ["../train/images", "/content/set-1/train/images", "train\\images", "[train/images, gone]"],
)
def test_splits_of_roboflow_and_colab(save, picture, imported, train):
    for split in ("train", "valid"):
        picture(f"src/{split}/images/{split}1.jpg")
        save(f"{split}/labels/{split}1.txt", ROW)
    yaml = f"train: {train}\nval: ../valid/images\ntest: ../test/images\n{NAMES}"
    masks = imported(save("data.yaml", yaml), val=None)[1]
    assert sorted(masks) == ["train/train1", "val/valid1"]


@pytest.mark.parametrize("place", ["x" * 5000, "a\\0b", "..", "/"])
def test_places_that_cannot_be_are_not_looked_for(export, imported, place):
    yaml = f'train: "{place}"\n{NAMES}'
    assert list(imported(export(yaml=yaml))[1]) == ["train/a"]


def test_splits_of_lists(save, picture, imported):
    for name in "ab":
        picture(f"src/images/{name}.jpg")
        save(f"labels/{name}.txt", ROW)
    save("train.txt", "data/images/a.jpg\n")
    save("val.txt", "data/images/b.jpg\n")
    source = save("data.yaml", f"train: train.txt\nval: val.txt\n{NAMES}")
    assert sorted(imported(source, val=None)[1]) == ["train/a", "val/b"]


def test_labels_beside_the_photos(save, picture, imported):
    picture("src/obj_train_data/a.jpg")
    save("obj_train_data/a.txt", ROW)
    masks = imported(save("obj.names", "road\ncar\n"))[1]
    assert list(masks) == ["train/obj_train_data/a"]


def test_the_smaller_one_is_on_top_and_an_empty_file_is_background(export, imported):
    large, small = "0 0 0 1 0 1 1 0 1\n", "1 0 0 .5 0 .5 .5 0 .5\n"
    export("", "b")
    report, masks = imported(export(small + large))
    assert (masks["train/a"] == 2).sum() == 600
    assert (masks["train/a"] == 1).sum() == 1800
    assert not masks["train/b"].any()
    assert notes(report, "no shapes") == 1


def test_boxes_are_ignored_below_the_rest(export, imported):
    report, masks = imported(export(ROW + "0 0.5 0.5 1 1\n"))
    assert np.array_equal(masks["train/a"] == 2, inside(CORNERS))
    assert (masks["train/a"] == 255).sum() == 2400 - inside(CORNERS).sum()
    assert notes(report, "boxed") == 1


def test_what_reaches_out_is_cut_off_and_said(export, imported):
    report, masks = imported(export("1 -0.1 0 1.1 0 1.1 0.5 -0.1 0.5\n"))
    assert (masks["train/a"] == 2).sum() == 1200
    assert notes(report, "clipped") == 1


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("2 0 0 1 0 1 1\n", "FC-IMPORT-061"),
        ("-1 0 0 1 0 1 1\n", "FC-IMPORT-061"),
        ("0.5 0 0 1 0 1 1\n", "FC-IMPORT-061"),
        ("nan 0 0 1 0 1 1\n", "FC-IMPORT-061"),
        ("0 0 0 1 0 1\n", "FC-IMPORT-067"),
        ("0 0 0 300 0 300 200\n", "FC-IMPORT-067"),
        ("0 0 0 nan 0 1 1\n", "FC-IMPORT-067"),
        ("0 0 0 1 0 1 one\n", "FC-IMPORT-067"),
        ("0 .5 .5 1 1\n", "FC-IMPORT-069"),
    ],
)
def test_impossible_rows(export, refused, rows, code):
    refused(export(rows), code, format="yolo")


@pytest.mark.parametrize("yaml", [None, "names: [", "names: 7\n", "names: {0: a, 2: b}\n",
                                  "names: [a, ]\nnames: ['', b]\n", "nc: 2 names\n"])  # fmt: skip
def test_no_usable_names(export, refused, yaml):
    damaged = yaml is not None and yaml.endswith("[")
    refused(export(yaml=yaml), "FC-FILE-012" if damaged else "FC-IMPORT-066")


def test_a_photo_that_is_not_there(export, refused, tmp_path):
    source = export()
    (tmp_path / "src/images/train/a.jpg").unlink()
    assert "a.txt" in refused(source, None, "its photo 'a' is not in")
