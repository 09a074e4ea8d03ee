"""Ultralytics' data sets: a YAML file, photos below images/, masks below masks/."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.data import available_splits, check, open_source
from fullconv.data.open_dataset import is_known
from fullconv.errors import UserError

NAMES = "names:\n  0: wall\n  1: crack\n  2: rust\n"
USUAL = "path: .\ntrain: images/train\nval: images/val\n" + NAMES


def mask_of(number: int) -> np.ndarray:
    mask = np.full((8, 12), number % 3, np.uint8)
    mask[:2] = 255
    return mask


def pair(photo: Path, mask: Path, number: int, values: np.ndarray | None = None) -> None:
    for path, content in (
        (photo, np.full((8, 12, 3), number, np.uint8)),
        (mask, mask_of(number) if values is None else values),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(path)


def fill(root: Path, text: str, masks: str = "masks", name: str = "data.yaml") -> Path:
    """Three photos to train, two to validate on, and the YAML file."""
    for split, numbers in (("train", (0, 1, 2)), ("val", (3, 4))):
        for n in numbers:
            pair(root / f"images/{split}/p{n}.png", root / f"{masks}/{split}/p{n}.png", n)
    (root / name).write_text(text)
    return root


def assert_is(data: Path, split: str, numbers) -> None:
    """The masks of a split, in their order, without an error of the check."""
    source = open_source(data, split)
    masks = [source.mask(place) for place in range(len(source))]
    assert len(masks) == len(numbers)
    for mask, number in zip(masks, numbers, strict=True):
        assert mask is not None
        assert np.array_equal(mask, mask_of(number))
    assert [found for found in check({split: source}) if found.severity == "error"] == []


@pytest.mark.parametrize(
    "text",
    [
        USUAL,
        USUAL.replace("path: .\n", ""),
        USUAL.replace("path: .", "path: /content/datasets/cracks"),
        USUAL.replace("path: .", "path: cracks"),
        USUAL.replace("images/", "./images/"),
        USUAL.replace("images/", "../images/"),
        USUAL.replace("images/", "/content/cracks/images/"),
        USUAL.replace("images/", "images\\"),
        USUAL.replace("val:", "validation:"),
        USUAL.replace(NAMES, "nc: 3\nnames: [wall, crack, rust]\n"),
        USUAL.replace(NAMES, "nc: 3\n"),
        USUAL + "masks_dir: masks\n",
        USUAL + "test: images/test\n",
    ],
)
@pytest.mark.parametrize("named", ["folder", "file"])
def test_the_forms_of_the_file(tmp_path, text, named):
    data = fill(tmp_path / "cracks", text)
    data = data / "data.yaml" if named == "file" else data
    assert is_known(data)
    assert available_splits(data) == ["train", "val"]
    assert_is(data, "train", (0, 1, 2))
    assert_is(data, "val", (3, 4))
    assert open_source(data, "train").classes.names[1] in ("crack", "class_1")


def test_masks_in_a_folder_of_another_name(tmp_path):
    data = fill(tmp_path, USUAL + "masks_dir: annotations\n", "annotations", "cracks.yml")
    assert_is(data, "val", (3, 4))


def test_the_file_lies_elsewhere(tmp_path):
    root = fill(tmp_path / "set", USUAL)
    file = tmp_path / "own" / "cracks.yaml"
    file.parent.mkdir()
    file.write_text(USUAL.replace("path: .", f"path: {root}"))
    assert_is(file, "train", (0, 1, 2))


def test_a_test_split_and_lists_and_several_folders(tmp_path):
    fill(tmp_path, USUAL.replace("images/val", "[images/val, more/images/val]") + "test: test.txt")
    pair(tmp_path / "more/images/val/p3.png", tmp_path / "more/masks/val/p3.png", 5)
    pair(tmp_path / "images/x/b.png", tmp_path / "masks/x/b.png", 6)
    pair(tmp_path / "images/x/a.png", tmp_path / "masks/x/a.png", 7)
    (tmp_path / "test.txt").write_text(f"./images/x/b.png\n{tmp_path}/images/x/a.png\n")
    assert available_splits(tmp_path) == ["train", "val", "test"]
    assert_is(tmp_path, "val", (3, 4, 5))
    assert list(open_source(tmp_path, "val").names) == [
        f"{tmp_path.name}/images/val/p3",
        f"{tmp_path.name}/images/val/p4",
        "more/images/val/p3",
    ]
    assert_is(tmp_path, "test", (6, 7))
    assert list(open_source(tmp_path, "test").names) == ["images/x/b", "images/x/a"]


def test_photos_of_train_alone_are_split(tmp_path):
    data = fill(tmp_path, USUAL.replace("val: images/val\n", ""))
    assert available_splits(data) == ["all"]
    assert_is(data, "all", (0, 1, 2))


def test_a_single_class_is_one_and_the_rest_zero(tmp_path):
    data = fill(tmp_path, USUAL.replace(NAMES, "names: [crack]"))
    for file in (tmp_path / "masks").rglob("*.png"):
        Image.fromarray((np.arange(96).reshape(8, 12) % 2).astype(np.uint8)).save(file)
    source = open_source(data, "train")
    assert source.classes.names == ("background", "crack")
    assert [each for each in check({"train": source}) if each.severity == "error"] == []


def test_numbers_of_masks_are_mapped(tmp_path):
    mapping = "label_mapping:\n  -1: ignore_label\n  0: ignore_label\n  7: 0\n  8: 1\n  9: 255\n"
    data = fill(tmp_path, USUAL + mapping)
    for file in (tmp_path / "masks/train").iterdir():
        Image.fromarray(np.array([[0, 7, 8, 9, 2, 255]], np.uint8)).save(file)
    source = open_source(data, "train")
    assert np.array_equal(source.mask(0), [[255, 0, 1, 255, 2, 255]])
    for file in (tmp_path / "masks/train").iterdir():
        Image.fromarray(np.array([[0, 7, 8, 9, 10, 255]], np.uint8)).save(file)
    with pytest.raises(UserError, match="value 10"):
        source.mask(0)


def test_a_class_file_of_ones_own_comes_first(tmp_path):
    data = fill(tmp_path, USUAL)
    (data / "classes.toml").write_text("".join(f'[[class]]\nname = "{c}"\n' for c in "abc"))
    assert open_source(data, "val").classes.names == ("a", "b", "c")
    assert open_source(data / "data.yaml", "val").classes.names == ("wall", "crack", "rust")
    given = open_source(data / "data.yaml", "val", classes=data / "classes.toml")
    assert given.classes.names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (USUAL.replace("images/val", "images/valid"), "val: images/valid is not there; looked in"),
        (USUAL.replace("images/train", "train"), "train: train is not there"),
        (USUAL.replace(NAMES, "nc: many"), "nc: many is no number of classes"),
        (USUAL.replace(NAMES, "names: [wall, '']"), "has no list of the names of classes"),
        (USUAL + "label_mapping: {7: 3}", "label_mapping has 7: 3, which is no value"),
        (USUAL + "label_mapping: [1, 2]", "label_mapping has"),
        (USUAL + "masks_dir: labels", "the folder of masks is not there"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, error):
    data = fill(tmp_path, text)
    with pytest.raises(UserError, match=error):
        for split in available_splits(data):
            source = open_source(data, split)
            assert [source.mask(place) for place in range(len(source))] == []


def test_a_file_without_masks_names_the_import(tmp_path):
    data = fill(tmp_path, USUAL, masks="labels")
    with pytest.raises(UserError, match=r"Outlines .* fullconv import"):
        open_source(data / "data.yaml", "train")
    (data / "data.yaml").write_text("a: [1")
    with pytest.raises(UserError, match=r"data\.yaml: is not valid YAML"):
        open_source(data / "data.yaml", "train")
    (data / "data.yaml").write_text("steps: 3")
    with pytest.raises(UserError, match="names no photos"):
        open_source(data / "data.yaml", "train")
    assert not is_known(data)


def test_photos_outside_of_images_have_no_masks(tmp_path):
    fill(tmp_path, USUAL.replace("images/", "photos/"))
    (tmp_path / "images").rename(tmp_path / "photos")
    with pytest.raises(UserError, match="has no folder 'images' in its path"):
        open_source(tmp_path, "train")
