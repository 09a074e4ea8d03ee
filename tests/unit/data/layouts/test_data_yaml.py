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
        USUAL.replace("path: .", "path: ~nosuchuser/cracks"),
        USUAL.replace("path: .", "path: " + "x" * 300),
        USUAL.replace("train:", "Train:").replace("names:", "Names:"),
        USUAL.replace("  0: wall\n  1: crack\n", "  1: crack\n  0: wall\n"),
        "\ufeff" + USUAL.replace("\n", "\r\n"),
        USUAL + "nc: 3.0\n",
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
        (USUAL.replace("images/val", "images/valid"), "val: images/valid is not there below"),
        (USUAL.replace("images/train", "train"), "train: train is not there"),
        (USUAL.replace(NAMES, "nc: many"), "nc: many, and it is no number of classes"),
        (USUAL + "nc: 5", "nc: 5, and 'names' has 3"),
        (USUAL.replace(NAMES, "names: [wall, '']"), "'names' is no list of names"),
        (USUAL.replace(NAMES, "names: wall"), "'names' is no list of names"),
        (USUAL.replace(NAMES, "names:"), "has no class under 'names'"),
        (USUAL.replace(NAMES, "names: {1: a, 2: b}"), "'names' are numbered from 1, not from 0"),
        (USUAL.replace("val: images/val", "val: {a: b}"), "val: is no folder, list of photos"),
        (USUAL.replace("val: images/val", "val: [[images/val]]"), "val: is no folder"),
        (USUAL.replace("val: images/val", "val: images/val/p3.png"), "p3.png is a photo"),
        (USUAL.replace("val: images/val", "val: " + "x" * 300), "is not there below"),
        (USUAL + "label_mapping: {0: -1}", "label_mapping has 0: -1"),
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
            source.mask(0)


def test_a_file_without_masks_names_the_import(tmp_path):
    data = fill(tmp_path, USUAL, masks="labels")
    with pytest.raises(UserError, match=r"Polygons .* fullconv import"):
        open_source(data / "data.yaml", "train")
    (data / "data.yaml").write_text("a: [1")
    for place in (data, data / "data.yaml"):
        with pytest.raises(UserError, match=r"data\.yaml: is not valid YAML"):
            open_source(place, "train")
    with pytest.raises(UserError, match=r"data\.yaml: is not valid YAML"):
        open_source(data / "data.yaml", "train")
    (data / "data.yaml").write_text("steps: 3")
    with pytest.raises(UserError, match="names no photos and classes"):
        open_source(data / "data.yaml", "train")
    assert not is_known(data)


def test_photos_outside_of_images_have_no_masks(tmp_path):
    fill(tmp_path, USUAL.replace("images/", "photos/"))
    (tmp_path / "images").rename(tmp_path / "photos")
    with pytest.raises(UserError, match="has no folder 'images' in its path"):
        open_source(tmp_path, "train")


@pytest.mark.parametrize("masks_dir", ["", "masks_dir: masks\n"])
@pytest.mark.parametrize("stated", ["{split}/images", "{split}", "../{split}/images"])
def test_images_and_masks_below_the_split(tmp_path, masks_dir, stated):
    for split, numbers in (("train", (0, 1)), ("val", (2,))):
        for n in numbers:
            pair(tmp_path / f"{split}/images/p{n}.png", tmp_path / f"{split}/masks/p{n}.png", n)
    lines = "".join(f"{split}: {stated.format(split=split)}\n" for split in ("train", "val"))
    (tmp_path / "data.yaml").write_text(lines + NAMES + masks_dir)
    assert_is(tmp_path, "train", (0, 1))
    assert_is(tmp_path, "val", (2,))


def test_the_last_images_of_each_path_counts(tmp_path):
    pair(tmp_path / "images/val/images/x.png", tmp_path / "images/val/masks/x.png", 1)
    pair(tmp_path / "images/train/y.png", tmp_path / "masks/val/images/x.png", 2)
    (tmp_path / "masks/train").mkdir()
    (tmp_path / "data.yaml").write_text(USUAL)
    assert_is(tmp_path, "val", (1,))


def test_all_splits_are_of_one_root(tmp_path):
    fill(tmp_path / "a", USUAL.replace("path: .", "path: ../b"))
    pair(tmp_path / "b/images/train/p.png", tmp_path / "b/masks/train/p.png", 0)
    with pytest.raises(UserError, match="val: images/val is not there below"):
        open_source(tmp_path / "a", "val")


def test_a_path_that_is_gone_is_named(tmp_path):
    (tmp_path / "data.yaml").write_text(USUAL.replace("path: .", "path: /content/cracks"))
    with pytest.raises(UserError, match="path: /content/cracks is not there"):
        open_source(tmp_path / "data.yaml", "train")


def test_of_several_files_one_is_named(tmp_path):
    data = fill(tmp_path / "set", USUAL, name="a.yaml")
    (data / "b.yaml").write_text(USUAL.replace("images/train", "images/val"))
    (data / "other.yaml").write_text("lr: 0.1")
    with pytest.raises(UserError, match=r"a\.yaml and b\.yaml describe data sets"):
        open_source(data, "train")
    assert_is(data / "b.yaml", "train", (3, 4))
    (data / "set.yaml").write_text(USUAL)
    assert_is(data, "train", (0, 1, 2))


def test_lists_of_another_machine_and_of_the_root(tmp_path):
    data = fill(tmp_path, USUAL.replace("val: images/val", "val: lists/val.txt"))
    (tmp_path / "lists").mkdir()
    lines = [
        "/content/cracks/images/val/p3.png",
        "images\\val\\p4.png",
        "C:\\a\\images\\val\\p4.png",
    ]
    for chosen, numbers in ((lines[:2], (3, 4)), (lines[2:], (4,))):
        (tmp_path / "lists/val.txt").write_text("\n".join(chosen))
        assert_is(data, "val", numbers)


def test_a_photo_in_two_folders_of_a_split_counts_once(tmp_path):
    text = "[images/train, images/train/, list.txt]"
    data = fill(tmp_path, USUAL.replace("images/train", text))
    (data / "list.txt").write_text("images/train/p0.png\n")
    assert_is(data, "train", (0, 1, 2))
    assert "FC-DATA-123" in [each.code for each in open_source(data, "train").findings]


def test_many_classes(tmp_path):
    data = fill(tmp_path, USUAL.replace(NAMES, "nc: 300"))
    assert len(open_source(data, "train").classes) == 300


def test_mapped_masks_of_three_equal_bands(tmp_path):
    data = fill(tmp_path, USUAL + "label_mapping: {7: 0, 8: 1, 9: Null}")
    for file in (tmp_path / "masks/train").iterdir():
        Image.fromarray(np.array([[7, 8, 9]], np.uint8)).convert("RGB").save(file)
    assert np.array_equal(open_source(data, "train").mask(0), [[0, 1, 255]])


def test_a_link_to_the_photos(tmp_path):
    data = fill(tmp_path, USUAL.replace("images/train", "pictures"))
    (tmp_path / "pictures").symlink_to(tmp_path / "images/train")
    assert_is(data, "train", (0, 1, 2))


def test_nested_anchors_end_at_once(tmp_path):
    levels = "".join(
        f"  - &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    bomb = "anchors:\n  - &a [x, x, x]\n" + levels
    for use in ("label_mapping: {1: *i}\n", "nc: *i\n", "names: *i\n", "names: {0: *i}\n"):
        known = "" if "names" in use else NAMES
        text = "train: images/train\nval: images/val\n" + known + bomb + use
        data = fill(tmp_path, text)
        with pytest.raises(UserError, match=r"data\.yaml"):
            open_source(data, "train")
