"""CVAT for images 1.1: shapes, z_order, run lengths, splits, and what is refused."""

import numpy as np
import pytest

from exports import notes
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>road</name><color>#804080</color></label>
<label><name>car</name><color>#00008e</color></label>
</labels></task></meta>"""
POLYGON = '<polygon label="{}" points="0,0;{},0;{},10;0,10" z_order="{}"/>'


@pytest.fixture
def export(tmp_path, picture):
    """``export(shapes)`` writes src/annotations.xml and its photo a.png of 60 x 40."""

    def write(shapes, image='name="a.png" width="60" height="40"'):
        picture("src/images/a.png")
        text = f'{HEAD}<image id="0" {image}>{shapes}</image></annotations>'
        (tmp_path / "src/annotations.xml").write_text(text)
        return tmp_path / "src"

    return write


def test_labels_colours_and_z_order(export, imported):
    lower, upper = POLYGON.format("road", 20, 20, 0), POLYGON.format("car", 10, 10, 1)
    report, masks = imported(export(upper + lower))
    assert report.format == "cvat"
    assert report.classes.names == ("background", "road", "car")
    assert report.classes.colors == ((0, 0, 0), (128, 64, 128), (0, 0, 142))
    assert (masks["train/a"] == 2).sum() == 100
    assert (masks["train/a"] == 1).sum() == 100


def test_every_kind_of_shape(export, imported):
    shapes = (
        '<box label="box" xtl="2" ytl="2" xbr="12" ybr="8"/>'
        '<box label="turned" xtl="15" ytl="5" xbr="25" ybr="9" rotation="90"/>'
        '<mask label="mask" rle="1, 2, 3" left="40" top="5" width="3" height="2"/>'
        '<polyline label="line" points="0,22;60,22"/>'
        '<ellipse label="disc" cx="50" cy="15" rx="6" ry="3"/>'
        '<points label="dots" points="10,33;30,33"/><tag label="night"/>'
    )
    report, masks = imported(export(shapes), line_width=2, point_radius=3)
    mask, names = masks["train/a"], report.classes.names
    where = {name: np.argwhere(mask == names.index(name)) for name in names}
    assert len(where["box"]) == 60
    assert (where["turned"].min(0).tolist(), where["turned"].max(0).tolist()) == ([2, 18], [11, 21])
    assert where["mask"].tolist() == [[5, 41], [5, 42]]
    assert len(where["line"]) == 120
    assert abs(len(where["disc"]) - np.pi * 18) < 5
    assert abs(len(where["dots"]) - 2 * np.pi * 9) < 8
    assert notes(report, "not for masks") == 1


def test_subsets_are_splits(export, imported):
    source = export("", 'name="a.png" width="60" height="40" subset="Validation"')
    assert list(imported(source, val=None)[1]) == ["val/a"]


def test_groups_and_photos_that_are_not_listed_are_said(export, imported, picture):
    grouped = [POLYGON.format("car", 5, 5, 0).replace("/>", f' group_id="{n}"/>') for n in "112"]
    source = export("".join(grouped))
    picture("src/images/b.png")
    report, masks = imported(source)
    assert list(masks) == ["train/a"]
    assert notes(report, "groups") == 2
    assert notes(report, "unlabelled") == 1


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ('<skeleton label="car"/>', "covers no certain pixels"),
        ('<polygon points="1,2;3,4;5,6"/>', "no label"),
        ('<polygon label="car" points="1,2;nan,4;5,6"/>', "not in any photo"),
        ('<polygon label="car" points="1;2"/>', "no list of"),
        ('<polygon label="car"/>', "no list of"),
        ('<box label="car" xtl="2" ytl="2" xbr="12"/>', "ybr"),
        ('<mask label="car" rle="6" left="58" top="5" width="3" height="2"/>', "beyond its photo"),
        ('<mask label="car" rle="7" left="0" top="5" width="3" height="2"/>', "whole numbers"),
        ('<mask label="car" rle="x" left="0" top="5" width="3" height="2"/>', "whole numbers"),
        ('<polygon label="car" points="1,2;3,4;5,6" z_order="up"/>', "z_order"),
    ],
)
def test_impossible_shapes(export, tmp_path, shapes, said):
    with pytest.raises(UserError, match=said) as caught:
        import_data(export(shapes), tmp_path / "out", Request(val=0))
    assert "annotations.xml (a.png)" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "not valid XML"),
        (HEAD + '<track id="0"/></annotations>', "for video"),
        ("<annotations></annotations>", "no labelled photo"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "document type"),
        (HEAD + '<image name="../../x.png"/></annotations>', "not in"),
    ],
)
def test_impossible_files(export, tmp_path, text, said):
    source = export("")
    (source / "annotations.xml").write_text(text)
    with pytest.raises(UserError, match=said):
        import_data(source, tmp_path / "out", Request(val=0), "cvat")


def test_skeletons_and_cuboids_cost_only_themselves_with_skip(export, tmp_path, imported):
    skeleton = '<skeleton label="person"><points label="1" points="5,5"/></skeleton>'
    cuboid = '<cuboid label="car" xtl1="2" ytl1="2"/>'
    source = export(POLYGON.format("road", 20, 20, 0) + skeleton + cuboid)
    with pytest.raises(UserError, match=r"covers no certain pixels.*--skip leaves out only it"):
        import_data(source, tmp_path / "out")
    report, masks = imported(source, skip=True)
    assert (masks["train/a"] == 1).sum() == 200
    assert notes(report, "no area") == 2
    assert "skeleton (person), cuboid (car)" in report.to_text()
    assert notes(report, "faulty") == 0
