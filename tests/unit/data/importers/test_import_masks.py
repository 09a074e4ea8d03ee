"""Sources with label images: VOC folders, CVAT's masks, colour tables, Cityscapes, ADE20K."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from exports import notes
from fullconv.classes import VOC
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError

VALUES = np.zeros((40, 60), np.uint8)
VALUES[10:20] = 1
VALUES[20:30] = 2
RED, GREEN = (200, 0, 0), (0, 200, 0)


def rgb(colors):
    return np.array(colors, np.uint8)[VALUES]


@pytest.fixture
def pascal(tmp_path, picture):
    """Two photos in VOC's folders, in train and val and both in trainval."""

    def write(masks, ending=".jpg", lists=True):
        for name, mask in zip("ab", masks, strict=True):
            picture(f"src/JPEGImages/{name}{ending}")
            place = tmp_path / f"src/SegmentationClass/{name}.png"
            place.parent.mkdir(exist_ok=True)
            mask.save(place)
        folder = tmp_path / "src/ImageSets/Segmentation"
        folder.mkdir(parents=True)
        if lists:
            for split, names in {"train": "a", "val": "b", "trainval": "a\nb"}.items():
                (folder / f"{split}.txt").write_text(names)
        else:
            (folder / "default.txt").write_text("a\nb")
        return tmp_path / "src"

    return write


def palette(values):
    picture = Image.fromarray(values, "P")
    picture.putpalette(VOC.palette().tobytes())
    return picture


def test_voc_palettes_are_read_as_numbers_and_the_border_is_ignored(pascal, imported):
    bordered = VALUES.copy()
    bordered[9] = 255
    report, masks = imported(pascal([palette(bordered), palette(VALUES)]), val=None)
    assert report.format == "voc"
    assert report.classes.names == VOC.names
    assert report.classes.colors == VOC.colors
    assert np.array_equal(masks["train/a"], bordered)
    assert np.array_equal(masks["val/b"], VALUES)
    assert sorted(masks) == ["train/a", "val/b"]
    assert "trainval: 2 of its 2 photos" in report.to_text()
    assert "classes without a pixel: bird, boat" in report.to_text()


def test_labelme2voc_names_its_classes(pascal, imported):
    source = pascal([palette(VALUES), palette(VALUES)])
    (source / "class_names.txt").write_text("_background_\nroad\ncar\n")
    assert imported(source, val=None)[0].classes.names == ("background", "road", "car")


def test_old_labelme2voc_has_its_masks_elsewhere(pascal, imported):
    source = pascal([palette(VALUES), palette(VALUES)])
    (source / "SegmentationClass").rename(source / "SegmentationClassPNG")
    (source / "SegmentationClass").mkdir()
    np.save(source / "SegmentationClass/a.npy", VALUES)
    (source / "class_names.txt").write_text("_background_\nroad\ncar\n")
    report, masks = imported(source)
    assert report.format == "voc"
    assert np.array_equal(masks["train/a"], VALUES)


def test_cvat_masks_with_labelmap_and_png_photos(pascal, imported):
    pictures = [Image.fromarray(rgb([(0, 0, 0), RED, GREEN]))] * 2
    source = pascal(pictures, ending=".png", lists=False)
    (source / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:0,200,0::\nroad:200,0,0::\n"
    )
    report, masks = imported(source)
    assert report.classes.names == ("background", "car", "road")
    assert np.array_equal(masks["train/a"], np.array([0, 2, 1])[VALUES])
    assert report.splits == {"train": 2}


def test_cvat_masks_without_photos(pascal, imported, tmp_path):
    source = pascal([Image.fromarray(rgb([(0, 0, 0), RED, GREEN]))] * 2, lists=False)
    (source / "labelmap.txt").write_text("background:0,0,0::\nroad:200,0,0::\ncar:0,200,0::\n")
    (source / "JPEGImages").rename(tmp_path / "photos")
    with pytest.raises(UserError, match="--images"):
        imported(source)
    report, masks = imported(source, images=tmp_path / "photos")
    assert np.array_equal(masks["train/b"], VALUES)
    assert report.format == "voc"


def test_a_value_that_is_no_class_is_refused_with_its_cause(pascal, tmp_path):
    with pytest.raises(UserError, match=r"b.png: value 38 .*is no class"):
        import_data(pascal([palette(VALUES), palette(VALUES + 38)]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_masks_of_another_size_name_both(pascal, tmp_path):
    source = pascal([palette(VALUES), palette(VALUES[:30])])
    with pytest.raises(UserError, match=r"60 x 30 but the photo .*b.jpg is 60 x 40"):
        import_data(source, tmp_path / "out")


TABLES = {
    "obj_class_to_machine_color.json": json.dumps({"road": RED, "car": GREEN}),
    "class_dict.csv": "name,r,g,b\nroad,200,0,0\ncar,0,200,0\n",
    "colors.json": json.dumps([{"name": "road", "color": RED}, {"name": "car", "color": GREEN}]),
    "meta.json": json.dumps(
        {"classes": [{"title": "road", "color": "#C80000"}, {"title": "car", "color": "#00C800"}]}
    ),
}


@pytest.fixture
def painted(tmp_path, picture):
    """Photos and RGB masks in two data sets of a project, with a table."""

    def write(table, colors=((0, 0, 0), RED, GREEN)):
        for name in ("one", "two"):
            picture(f"src/{name}/img/a.jpg")
            folder = tmp_path / f"src/{name}/masks_machine"
            folder.mkdir()
            Image.fromarray(rgb(colors)).save(folder / "a.png")
        (tmp_path / "src" / table).write_text(TABLES[table])
        return tmp_path / "src"

    return write


@pytest.mark.parametrize("table", TABLES)
def test_colour_tables(painted, imported, table):
    report, masks = imported(painted(table))
    assert report.format == "colors"
    assert report.classes.names == ("background", "road", "car")
    assert report.classes.colors == ((0, 0, 0), RED, GREEN)
    assert sorted(masks) == ["train/one/a", "train/two/a"]
    assert np.array_equal(masks["train/one/a"], VALUES)


def test_data_sets_inside_of_others_and_named_as_splits(painted, imported):
    source = painted("class_dict.csv")
    (source / "one").rename(source / "valid")
    (source / "two/datasets/valid").mkdir(parents=True)
    for folder in ("img", "masks_machine"):
        shutil.copytree(source / "two" / folder, source / "two/datasets/valid" / folder)
    (source / "two/masks_machine/a.png").rename(source / "two/masks_machine/a.JPG.png")
    masks = imported(source, val=None)[1]
    assert sorted(masks) == ["train/two/a", "val/two/datasets/valid/a", "val/valid/a"]


def test_a_colour_of_no_class_is_named(painted, tmp_path):
    source = painted("class_dict.csv", ((0, 0, 0), RED, (0, 201, 0)))
    with pytest.raises(UserError, match=r"\(0, 201, 0\).*'car'"):
        import_data(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("road,200,0,0\ncar,200,0,0\n", "same colour"),
        ("road,200,0,0\ncar,300,0,0\n", "no RGB colour"),
        ("road,200\n", "no RGB colour"),
        ("", "no class"),
    ],
)
def test_impossible_tables(painted, tmp_path, text, said):
    source = painted("class_dict.csv")
    (source / "class_dict.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        import_data(source, tmp_path / "out")


def test_masks_without_photos(painted, tmp_path):
    source = painted("colors.json")
    for name in ("one", "two"):
        shutil.rmtree(source / name / "img")
    with pytest.raises(UserError, match="no folder of photos"):
        import_data(source, tmp_path / "out", Request(), "colors")


def test_a_colour_beyond_all_numbers(painted, tmp_path):
    source = painted("colors.json")
    (source / "colors.json").write_text('{"road": [1e400, 0, 0]}')
    with pytest.raises(UserError, match="no RGB colour"):
        import_data(source, tmp_path / "out")


@pytest.fixture
def cityscapes(picture, grey, tmp_path):
    """Photos of two splits; 7 is road, 26 car, 9 parking."""
    for split, city in (("train", "bonn"), ("val", "ulm"), ("test", "berlin")):
        name = f"{split}/{city}/{city}_000000_000019"
        picture(f"src/leftImg8bit/{name}_leftImg8bit.png")
        numbers = np.array([7, 26, 9])[VALUES] if split != "test" else VALUES * 0
        grey(f"src/gtFine/{name}_gtFine_labelIds.png", numbers)
        grey(f"src/gtFine/{name}_gtFine_instanceIds.png", numbers)
    return tmp_path / "src"


def test_cityscapes(cityscapes, imported, picture):
    picture("src/leftImg8bit/train/bonn/bonn_000001_000019_leftImg8bit.png")
    report, masks = imported(cityscapes, val=None)
    assert len(report.classes) == 19
    assert report.classes.names[:2] == ("road", "sidewalk")
    assert report.classes.names[13] == "car"
    assert report.classes.colors[0] == (128, 64, 128)
    assert np.array_equal(masks["train/bonn/bonn_000000_000019"], np.array([0, 13, 255])[VALUES])
    assert report.splits == {"train": 1, "val": 1}
    assert notes(report, "ignored") == 1
    assert notes(report, "unlabelled") == 1
    assert {each.label: each.becomes for each in report.labels}["parking"] == "(ignored)"


def test_cityscapes_labels_that_are_ignored_can_be_merged(cityscapes, imported):
    masks = imported(cityscapes, val=None, merge={"parking": "road"})[1]
    assert np.array_equal(masks["val/ulm/ulm_000000_000019"], np.array([0, 13, 0])[VALUES])


def test_cityscapes_train_ids_taken_for_ids_are_refused(cityscapes, tmp_path, grey):
    grey("src/gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", VALUES + 33)
    with pytest.raises(UserError, match=r"value 34 .*label id"):
        import_data(cityscapes, tmp_path / "out")


def test_ade20k(picture, grey, tmp_path, imported):
    for folder in ("training", "validation"):
        picture(f"src/ADEChallengeData2016/images/{folder}/a.jpg")
        grey(f"src/ADEChallengeData2016/annotations/{folder}/a.png", VALUES)
    report, masks = imported(tmp_path / "src", val=None)
    assert report.format == "ade20k"
    assert len(report.classes) == 150
    assert report.classes.names[:2] == ("wall", "building")
    assert report.classes.names[149] == "flag"
    assert np.array_equal(masks["val/a"], np.array([255, 0, 1])[VALUES])


def test_ade20k_zero_can_be_a_class(picture, grey, tmp_path, imported):
    picture("src/images/training/a.jpg")
    grey("src/annotations/training/a.png", VALUES)
    report, masks = imported(tmp_path / "src", background="other")
    assert report.classes.names[0] == "other"
    assert np.array_equal(masks["train/a"], VALUES)


def test_any_layout_can_be_parted_anew(picture, grey, tmp_path, imported):
    for number in range(10):
        picture(f"src/images/{number}.jpg")
        grey(f"src/masks/{number}.png", VALUES)
    (tmp_path / "src/classes.txt").write_text("sky\nroad\ncar\n")
    report, masks = imported(tmp_path / "src", val=0.3, test=0.2, merge={"car": "road"})
    assert report.format == "masks"
    assert report.splits == {"train": 5, "val": 3, "test": 2}
    assert all(np.array_equal(mask, np.minimum(VALUES, 1)) for mask in masks.values())


def test_photos_are_copied_or_linked_as_they_are(pascal, tmp_path):
    source = pascal([palette(VALUES), palette(VALUES)])
    original = source / "JPEGImages/a.jpg"
    import_data(source, tmp_path / "copy")
    import_data(source, tmp_path / "link", Request(link=True))
    assert (tmp_path / "copy/images/train/a.jpg").read_bytes() == original.read_bytes()
    assert (tmp_path / "link/images/train/a.jpg").samefile(original)
    assert not (tmp_path / "copy/images/train/a.jpg").samefile(original)


@pytest.mark.parametrize("colored", [False, True])
def test_the_projects_own_layout_keeps_splits_and_ignored_pixels(
    colored, tmp_path, picture, imported
):
    """As numbers and as colours, also merged."""
    values = np.ones((40, 60), np.uint8)
    values[:20], values[:8, :8] = 0, 255
    palette = np.zeros((256, 3), np.uint8)
    palette[1], palette[255] = (200, 0, 0), (224, 224, 192)
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for number in range(count):
            picture(f"src/images/{split}/{split}{number}.png")
            place = tmp_path / f"src/masks/{split}/{split}{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(palette[values] if colored else values).save(place)
    (tmp_path / "src/classes.toml").write_text(
        '[[class]]\nname = "a"\ncolor = [0, 0, 0]\n[[class]]\nname = "b"\ncolor = [200, 0, 0]\n'
    )
    report, masks = imported(tmp_path / "src", val=None, merge={"b": "c"})
    assert (report.format, report.splits) == ("masks", {"train": 3, "val": 2, "test": 1})
    assert report.classes.names == ("a", "c")
    assert all(np.array_equal(mask, values) for mask in masks.values())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_colour_tables_of_spreadsheets(separator, encoding, painted, imported):
    source = painted("class_dict.csv")
    text = TABLES["class_dict.csv"].replace(",", separator).replace("\n", "\r\n")
    (source / "class_dict.csv").write_bytes(text.encode(encoding))
    assert np.array_equal(imported(source)[1]["train/one/a"], VALUES)
