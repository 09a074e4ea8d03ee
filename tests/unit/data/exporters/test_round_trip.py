"""Class map -> a tool's files -> `import_data` -> the same class map."""

import json
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data.exporters import EXPORTERS, Item, write_labels
from fullconv.data.importers import Request, import_data
from fullconv.data.importers.registry import recognise
from fullconv.errors import UserError

CLASSES = ClassSet(("background", "road", "car", "pole", "tree"))
READ_BACK = [tool for tool, exporter in EXPORTERS.items() if exporter.importer]


def imported(folder, out, classes, **options):
    """The imported class maps by name, in the values of ``classes``."""
    import_data(folder, out, Request(**options))
    names = read_classes(out / "classes.toml").names
    table = np.full(256, 255)
    table[: len(names)] = [classes.names.index(n) if n in classes.names else 254 for n in names]
    masks = out / "masks"
    return {
        file.relative_to(masks).as_posix().split("/", 1)[1].removesuffix(".png"): table[
            np.asarray(Image.open(file))
        ]
        for file in masks.rglob("*.png")
    }


@pytest.mark.parametrize("tool", READ_BACK)
def test_without_tolerance_every_pixel_comes_back(tool, blocks, item, tmp_path):
    items = [item(f"day{n % 2}/p{n}", blocks(30, 41, 5, seed=n), n) for n in range(4)]
    holes = blocks(30, 41, 3, seed=9)
    holes[np.random.default_rng(1).random(holes.shape) < 0.1] = 255
    items.append(item("with holes", holes))
    assert write_labels(tool, items, tmp_path / "out", CLASSES, tolerance=0, smallest=0) == 5
    assert recognise(tmp_path / "out").name == EXPORTERS[tool].importer
    masks = imported(tmp_path / "out", tmp_path / "new", CLASSES)
    assert sorted(masks) == sorted(one.name for one in items)
    for one in items:
        np.testing.assert_array_equal(masks[one.name], one.class_map)


@pytest.mark.parametrize("tool", READ_BACK)
def test_at_a_tolerance_of_one_pixel_each_class_keeps_its_iu(tool, street, item, ious, tmp_path):
    items = [item(f"p{n}", street(n)) for n in range(2)]
    write_labels(tool, items, tmp_path / "out", CLASSES, smallest=0)
    masks = imported(tmp_path / "out", tmp_path / "new", CLASSES)
    for one in items:
        assert min(ious(one.class_map, masks[one.name]).values()) > 0.99


@pytest.mark.parametrize("names", [('a "b" <c> & d', "grün, hell", "x: y", "日本"),
                                   ("1: a", "2: b", "x: y", "z: 1")])  # fmt: skip
@pytest.mark.parametrize("tool", READ_BACK)
def test_names_with_signs_and_no_background_come_back(tool, names, blocks, item, tmp_path):
    classes = ClassSet(names)
    write_labels(tool, [item("ä ü#1%20", blocks(20, 20, 4))], tmp_path / "out", classes,
                 tolerance=0, smallest=0)  # fmt: skip
    masks = imported(tmp_path / "out", tmp_path / "new", classes, background="__ignore__")
    np.testing.assert_array_equal(masks["ä ü#1%20"], blocks(20, 20, 4))


@pytest.mark.parametrize("tool", READ_BACK)
def test_the_background_is_written_where_it_is_wanted(tool, blocks, item, tmp_path):
    everything = np.zeros((20, 20), np.uint8)
    for wanted in (False, True):
        out = tmp_path / f"out{wanted}"
        items = [item("all", everything), item("some", blocks(20, 20, 3))]
        write_labels(tool, items, out, CLASSES, tolerance=0, smallest=0, with_background=wanted)
        masks = imported(out, tmp_path / f"new{wanted}", CLASSES)
        np.testing.assert_array_equal(masks["some"], blocks(20, 20, 3))
        assert ("background" in _labels(tool, out)) == wanted


def _labels(tool, out):
    if tool == "cvat":
        return {s.get("label") for s in xml.parse(out / "annotations.xml").iter("polygon")}
    if tool == "coco":
        content = json.loads((out / "annotations/instances_default.json").read_text("utf-8"))
        names = {category["id"]: category["name"] for category in content["categories"]}
        return {names[a["category_id"]] for a in content["annotations"]}
    if tool == "labelme":
        files = [json.loads(file.read_text("utf-8")) for file in out.glob("*.json")]
        return {shape["label"] for content in files for shape in content["shapes"]}
    tasks = json.loads((out / "tasks.json").read_text("utf-8"))
    results = [r for task in tasks for r in task["annotations"][0]["result"]]
    return {label for result in results for label in result["value"]["polygonlabels"]}


def test_a_photo_that_exif_turns_is_labelled_upright(blocks, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "t.jpg", exif=exif)
    upright = blocks(30, 20, 3)
    for tool in READ_BACK:
        write_labels(tool, [Item("t", tmp_path / "t.jpg", upright)], tmp_path / tool, CLASSES,
                     tolerance=0, smallest=0)  # fmt: skip
        masks = imported(tmp_path / tool, tmp_path / f"{tool}-new", CLASSES)
        np.testing.assert_array_equal(masks["t"], upright)


def test_photos_are_copied_byte_for_byte(blocks, tmp_path):
    photo = tmp_path / "IMG 1.JPG"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photo)
    for tool in EXPORTERS:
        write_labels(tool, [Item("IMG 1", photo, blocks(8, 8, 2))], tmp_path / tool, CLASSES)
        copies = list((tmp_path / tool).rglob("*.JPG"))
        assert [file.read_bytes() for file in copies] == [photo.read_bytes()]


def test_nothing_is_left_when_an_item_is_wrong(blocks, item, tmp_path):
    wrong = item("wrong", np.full((4, 4), 9))
    for tool in EXPORTERS:
        with pytest.raises(UserError, match=r"wrong.* value 9,") as caught:
            write_labels(tool, [item("right", blocks(8, 8, 2)), wrong], tmp_path / "out", CLASSES)
        assert caught.value.code == "FC-LABELS-004"
        assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_named(blocks, item, tmp_path):
    same = [item("a", blocks(8, 8, 2)), item("a", blocks(8, 8, 2))]
    for items in (same, [item("../a", blocks(8, 8, 2))], [item("/a", blocks(8, 8, 2))]):
        with pytest.raises(UserError, match="a") as caught:
            write_labels("cvat", items, tmp_path / "out", CLASSES)
        assert caught.value.code == "FC-LABELS-003"
    with pytest.raises(UserError, match=r"vott.*labelme") as caught:
        write_labels("vott", [], tmp_path / "out", CLASSES)
    assert caught.value.code == "FC-LABELS-002"
    floats = Item("f", np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)))
    with pytest.raises(UserError, match=r"f: .*float64") as caught:
        write_labels("coco", [floats], tmp_path / "out", CLASSES)
    assert caught.value.code == "FC-LABELS-004"
