"""``fullconv import`` as typed: from outlines of real photos to masks, and its errors."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from rasterio import features

from exports import files, square
from fullconv.classes.class_files import read_classes
from fullconv.data import open_source


def outlines(mask, names):
    """A mask as labelme's shapes along the borders of its pixels, larger ones first.

    Holes are not said, as labelme has none: what lies in them is smaller, so it is drawn later.
    """
    found = []
    for outline, value in features.shapes(mask, connectivity=4):
        ring = np.array(outline["coordinates"][0][:-1])
        x, y = (ring - ring[0]).T
        area = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
        label = "__ignore__" if value == 255 else names[int(value)]
        found.append((area, {"label": label, "points": ring.tolist(), "shape_type": "polygon"}))
    return [shape for _, shape in sorted(found, key=lambda each: -each[0])]


@pytest.fixture(scope="module")
def camvid(shared_data, tmp_path_factory):
    """Photos of CamVid with labelme files made of their masks, and where the masks are."""
    data, folder = shared_data("camvid"), tmp_path_factory.mktemp("labelme")
    names = read_classes(data / "classes.toml").names
    truth = {}
    for split in ("train", "val"):
        for photo in sorted((data / "images" / split).iterdir())[:: 30 if split == "train" else 25]:
            mask = np.array(Image.open(data / "masks" / split / f"{photo.stem}.png"))
            truth[photo.stem] = mask
            (folder / photo.name).write_bytes(photo.read_bytes())
            content = {
                "shapes": outlines(mask, names),
                "imagePath": photo.name,
                "imageHeight": mask.shape[0],
                "imageWidth": mask.shape[1],
            }
            (folder / f"{photo.stem}.json").write_text(json.dumps(content))
    return folder, truth, names


def masks(out):
    """Every mask of a folder data set by name, as class names."""
    found = {}
    for split in ("train", "val"):
        source = open_source(out, split)
        table = np.array([*source.classes.names, *[""] * 255], object)
        found |= {name: table[source.mask(i)] for i, name in enumerate(source.names)}
    return found


def test_camvid_as_labelme_files_comes_back_to_the_pixel(camvid, inside, tmp_path):
    """Outlines along pixel borders keep every centre on its side, so nothing may change."""
    folder, truth, names = camvid
    out = tmp_path / "photos"
    said, error = inside("import", folder, out, "--background", "__ignore__", "--group", "^[^_]+")
    assert error == ""
    assert "kept together" in said
    assert f"next: fullconv check {out}, then: fullconv train {out}" in said
    table = np.array([*names, *[""] * 255], object)
    found = masks(out)
    assert found.keys() == truth.keys()
    for name, mask in found.items():
        assert np.array_equal(mask, table[truth[name]]), name
    videos = {s: {n.split("_")[0] for n in open_source(out, s).names} for s in ("train", "val")}
    assert not videos["train"] & videos["val"]
    assert inside("check", out)[0].startswith(("errors: 0", "warning: split"))


def test_fewer_corners_lose_only_the_borders(camvid, inside, tmp_path):
    """Each third corner alone, as a person clicks: borders move by a pixel, areas stay."""
    folder, truth, names = camvid
    source = tmp_path / "coarse"
    source.mkdir()
    for file in sorted(folder.glob("*.json"))[:3]:
        content = json.loads(file.read_text())
        for shape in content["shapes"]:
            if len(shape["points"]) > 12:
                shape["points"] = shape["points"][::3]
        (source / file.name).write_text(json.dumps(content))
    out = tmp_path / "photos"
    inside("import", source, out, "--images", folder, "--val", "0.3",
           "--background", "__ignore__")  # fmt: skip
    table = np.array([*names, *[""] * 255], object)
    for name, mask in masks(out).items():
        same = (mask == table[truth[name]]).mean()
        assert 0.9 < same < 1, (name, same)


@pytest.fixture
def labelled(tmp_path):
    """Ten small photos labelled with labelme."""
    folder = tmp_path / "labelme"
    folder.mkdir()
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
        content = {
            "shapes": [square("car", 0, 0, 20, 10 + number)],
            "imagePath": f"{number}.jpg",
            "imageHeight": 30,
            "imageWidth": 40,
        }
        (folder / f"{number}.json").write_text(json.dumps(content))
    return folder


def test_what_lies_in_the_folder(labelled, inside, tmp_path):
    out = tmp_path / "photos"
    inside("import", labelled, out, "--test", "0.1", "--val", "0.2", "--seed", "3")
    names = [name for name in files(out) if "/" not in name]
    assert names == ["classes.toml", "import-report.json", "import-report.txt"]
    assert len(files(out)) == 3 + 20
    report = json.loads((out / "import-report.json").read_text())
    assert report["splits"] == {"train": 7, "val": 2, "test": 1}
    car = next(row for row in report["labels"] if row["label"] == "car")
    assert car["pixels"] == sum(20 * (10 + number) for number in range(10))
    assert inside("check", out)[0] == "errors: 0, warnings: 0, in 7 train, 2 val, 1 test photos\n"
    mode = os.umask(0)
    os.umask(mode)
    assert out.stat().st_mode & 0o777 == 0o777 & ~mode


def test_a_training_starts_from_it(labelled, inside, tmp_path):
    out = tmp_path / "photos"
    inside("import", labelled, out)
    said, _ = inside("train", out, "--net", "fcn32s-resnet18", "--steps", "1", "--device", "cpu",
                     "--set", "net.width=0.0625", "--out", tmp_path / "run",
                     "--workers", "0")  # fmt: skip
    assert "mean IU" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no known format. Looked for: labelme"),
        (("--from", "nothing"), "known: labelme, coco"),
        (("--from", "coco"), "not a COCO file"),
        (("--val", "2"), "--val 2"),
        (("--images", "gone"), "gone: there is no such folder"),
        (("--merge", "car"), "OLD=NEW"),
    ],
)
def test_faults_are_one_line_and_nothing_is_left(inside, tmp_path, arguments, said):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/things.json").write_text("{}")
    out, error = inside("import", tmp_path / "source", tmp_path / "out", *arguments, code=2)
    assert said in error
    assert error.count("\n") == 1
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_several_faults_are_a_line_each(labelled, inside, tmp_path):
    (labelled / "3.json").write_text("{")
    (labelled / "4.jpg").unlink()
    (labelled / "5.jpg").write_bytes(b"")
    _, error = inside("import", labelled, tmp_path / "out", "--from", "labelme", code=2)
    for name in ("3.json", "4.json"):
        assert name in error
    assert "--skip leaves 2 files out" in error
    said, _ = inside("import", labelled, tmp_path / "out", "--from", "labelme", "--skip")
    assert "cannot be used, left out: 3, in " in said


def test_a_folder_that_is_not_empty_is_left_alone(labelled, inside, tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert "is not empty" in inside("import", labelled, out, code=2)[1]
    assert files(out) == ["mine.txt"]


def test_two_ways_of_labelling_must_be_told_apart(labelled, inside, tmp_path):
    (labelled / "annotations.xml").write_text("<annotations></annotations>")
    error = inside("import", labelled, tmp_path / "out", code=2)[1]
    assert "(labelme, cvat); say which" in error
    inside("import", labelled, tmp_path / "out", "--from", "labelme")


def test_a_second_import_does_not_read_the_first(labelled, inside):
    inside("import", labelled, labelled / "out")
    said, _ = inside("import", labelled, labelled / "again")
    assert "8 train, 2 val" in said
    assert "photos without labels" not in said


def test_where_nothing_can_be_written(labelled, inside, tmp_path):
    (tmp_path / "file").write_text("")
    error = inside("import", labelled, tmp_path / "file/out", code=2)[1]
    assert "out: cannot be written: " in error
