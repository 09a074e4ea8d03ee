"""Roboflow's semantic masks."""

import numpy as np
import pytest

from exports import notes

TABLE = "Pixel Value, Class\n0, background\n1, Cow statue\n2, car, red\n"


@pytest.fixture
def export(save, picture, grey):
    def write(values=None, table=TABLE, split="train", name="a_jpg.rf.0a1b"):
        picture(f"src/{split}/{name}.jpg")
        grey(f"src/{split}/{name}_mask.png", np.zeros((40, 60)) if values is None else values)
        return save(f"{split}/_classes.csv", table)

    return write


def test_values_and_splits(export, imported):
    values = np.random.default_rng(0).integers(0, 3, (40, 60))
    export(values)
    report, masks = imported(export(values, split="valid"), val=None)
    assert report.format == "roboflow"
    assert report.classes.names == ("background", "Cow statue", "car, red")
    assert sorted(masks) == ["train/a_jpg.rf.0a1b", "val/a_jpg.rf.0a1b"]
    assert np.array_equal(masks["train/a_jpg.rf.0a1b"], values)
    assert notes(report, "unlabelled") == 0


def test_splits_may_number_their_classes_differently(export, imported):
    one, two = np.full((40, 60), 1), np.full((40, 60), 2)
    export(one)
    other = "Pixel Value, Class\n0, background\n1, car, red\n2, Cow statue\n"
    report, masks = imported(export(two, other, "test", "b"), val=None)
    assert report.classes.names == ("background", "Cow statue", "car, red")
    assert {mask.max() for mask in masks.values()} == {1}


def test_the_background_can_be_ignored(export, imported):
    values = np.zeros((40, 60))
    values[:10] = 1
    masks = imported(export(values), background="__ignore__")[1]
    assert [int((mask == 255).sum()) for mask in masks.values()] == [1800]


def test_a_value_of_no_class_names_mask_and_value(export, refused, tmp_path):
    values = np.zeros((40, 60))
    values[0, 0] = 7
    said = refused(export(values), None, "value 7")
    assert "_mask.png" in said


@pytest.mark.parametrize("table", ["Pixel Value, Class\n", "Pixel Value, Class\nx, car\n",
                                   "Pixel Value, Class\n1, a\n1, b\n",
                                   "Pixel Value, Class\n1\n"])  # fmt: skip
def test_impossible_tables(export, refused, table):
    assert "_classes.csv" in refused(export(table=table), "FC-IMPORT-066")


def test_a_mask_without_photo_is_refused_and_skip_leaves_it_out(
    export, refused, imported, tmp_path
):
    values = np.full((40, 60), 1)
    export(values, name="b")
    source = export(values)
    (tmp_path / "src/train/b.jpg").unlink()
    assert "b_mask.png" in refused(source, None, "b")
    report, masks = imported(source, skip=True)
    assert len(masks) == 1
    assert notes(report, "faulty") == 1
