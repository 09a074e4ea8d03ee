"""Photos and masks in the arrangements that people have, trained on as they are."""

from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from fullconv.data import available_splits, check, open_source
from fullconv.data.layouts.mask_names import masks_of
from fullconv.errors import UserError
from fullconv.inference.photos.find_photos import find_inputs, photos_in
from fullconv.inference.photos.own_results import save_png

CLASSES = '[[class]]\nname = "background"\n[[class]]\nname = "crack"\n'


def mask_of(number: int) -> np.ndarray:
    mask = np.zeros((8, 12), np.uint8)
    mask[number : number + 2, :6] = 1
    return mask


def fill(folder: Path, photo: str, mask: str, numbers=range(4)) -> Path:
    """Photos and masks under names with {} for a number, and a class file."""
    for number in numbers:
        for name, content in ((photo, np.full((8, 12, 3), number)), (mask, mask_of(number))):
            path = folder / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content.astype(np.uint8)).save(path)
    (folder / "classes.toml").write_text(CLASSES)
    return folder


def assert_pairs(folder: Path, split: str, numbers=range(4)) -> None:
    source = open_source(folder, split)
    assert len(source) == len(numbers)
    found = [source.mask(place) for place in range(len(source))]
    for number, mask in zip(numbers, found, strict=True):
        assert mask is not None
        assert np.array_equal(mask, mask_of(number))
    assert [each for each in check({split: source}) if each.severity == "error"] == []


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        ("images/p{}.png", "labels/p{}.png"),
        ("img/p{}.png", "gt/p{}.png"),
        ("photos/p{}.png", "annotations/p{}.png"),
        ("Images/p{}.png", "Masks/p{}.png"),
        ("image/park/p{}.png", "mask/park/p{}.png"),
        ("images/p{}.jpg", "masks/p{}_mask.png"),
        ("images/img_{}.jpg", "masks/mask_{}.png"),
        ("images/img{}.jpg", "labels/label{}.png"),
        ("images/000{}TP_00.jpg", "labels/000{}TP_00_L.png"),
        ("images/a.{}.jpg", "gt/a.{}-gt.png"),
        ("p{}.jpg", "p{}_mask.png"),
        ("p{}.jpg", "p{}.png"),
        ("img_{}.JPG", "img_{}.png"),
        ("img_{}.jpg", "mask_{}.png"),
        ("train/p{}.jpg", "train_masks/p{}_mask.png"),
        ("train/images/p{}.jpg", "train/labels/p{}.png"),
    ],
)
def test_photos_and_masks_of_one_split(tmp_path, photo, mask):
    folder = fill(tmp_path / "d", photo, mask)
    assert available_splits(folder) == ["all"]
    assert_pairs(folder, "all")


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        ("{split}/images/p{}.png", "{split}/masks/p{}.png"),
        ("images/{split}/p{}.png", "labels/{split}/p{}.png"),
        ("img_dir/{split}/p{}.jpg", "ann_dir/{split}/p{}.png"),
        ("{split}/p{}.jpg", "{split}_masks/p{}_mask.png"),
        ("{split}_images/p{}.jpg", "{split}_labels/p{}.png"),
        ("{split}/p{}.jpg", "{split}/p{}_mask.png"),
        ("{split}/p{}.jpg", "{split}/p{}.png"),
    ],
)
@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_photos_and_masks_of_two_splits(tmp_path, photo, mask, val):
    for split, numbers in (("train", (0, 1, 2)), (val, (3, 4))):
        names = (name.replace("{split}", split) for name in (photo, mask))
        fill(tmp_path / "d", *names, numbers=numbers)
    assert available_splits(tmp_path / "d") == ["train", "val"]
    assert_pairs(tmp_path / "d", "train", (0, 1, 2))
    assert_pairs(tmp_path / "d", "val", (3, 4))


@pytest.mark.parametrize(
    ("photos", "masks"), [("images", "masks"), ("img", "gt"), ("Images", "labels")]
)
@pytest.mark.parametrize(
    ("of_photos", "of_masks"), [("Train", "train"), ("training", "train"), ("train", "TRAIN")]
)
def test_a_split_has_two_names(tmp_path, photos, masks, of_photos, of_masks):
    folder = fill(tmp_path, f"{photos}/{of_photos}/p{{}}.jpg", f"{masks}/{of_masks}/p{{}}.png")
    fill(tmp_path, f"{photos}/val/p{{}}.jpg", f"{masks}/val/p{{}}.png", (4, 5))
    assert available_splits(folder) == ["train", "val"]
    assert_pairs(folder, "train")
    assert_pairs(folder, "val", (4, 5))


@pytest.mark.parametrize(
    ("photos", "masks"),
    [
        ("images/{}", "masks/{}"),
        ("img/{}", "gt/{}"),
        ("{}_images", "{}_masks"),
    ],
)
def test_both_splits_have_two_names(tmp_path, photos, masks):
    for of_photos, of_masks, numbers in (("Train", "train", (0, 1)), ("val", "valid", (2,))):
        names = f"{photos.format(of_photos)}/p{{}}.jpg", f"{masks.format(of_masks)}/p{{}}.png"
        fill(tmp_path, *names, numbers)
    assert available_splits(tmp_path) == ["train", "val"]
    assert_pairs(tmp_path, "train", (0, 1))
    assert_pairs(tmp_path, "val", (2,))


def test_other_names_are_noted(tmp_path):
    folder = fill(tmp_path / "d", "images/p{}.jpg", "masks/p{}_mask.png")
    notes = check({"all": open_source(folder, "all")})
    assert [(each.code, each.severity) for each in notes] == [("FC-DATA-140", "note")]
    assert "4 masks are of a photo of another name, as p0_mask of p0" in notes[0].what


def test_other_names_beside_a_list(tmp_path):
    folder = fill(tmp_path / "d", "images/p{}.jpg", "masks/p{}_mask.png")
    (folder / "train.txt").write_text("p0\np2\n")
    (folder / "val.txt").write_text("p1\np3\n")
    assert_pairs(folder, "train", (0, 2))
    assert_pairs(folder, "val", (1, 3))


@pytest.mark.parametrize("photo", ["seg_{}", "label-free{}", "a{}_L", "IMG_{}", "gt{}"])
def test_photos_may_be_called_as_masks_are(tmp_path, photo):
    folder = fill(tmp_path / "d", f"{photo}.jpg", f"{photo}_mask.png")
    assert_pairs(folder, "all")
    (tmp_path / "e" / "pictures").mkdir(parents=True)
    other = fill(tmp_path / "e", f"images/{photo}.jpg", f"masks/{photo}_mask.png")
    assert_pairs(other, "all")


def test_photos_without_a_mask_beside_those_of_the_same_name(tmp_path):
    folder = fill(tmp_path / "d", "p{}.jpg", "p{}.png")
    (folder / "p3.png").unlink()
    source = open_source(folder, "all")
    assert [source.mask(place) is None for place in range(4)] == [False, False, False, True]


def test_a_photo_that_was_saved_twice_makes_its_folder_no_data_set(tmp_path):
    folder = fill(tmp_path / "d", "p{}.jpg", "p{}.png")
    for number in range(2):
        (folder / f"p{number}.jpg").unlink()
    with pytest.raises(UserError, match="not a known layout"):
        open_source(folder, "all")


def test_a_folder_of_photos_of_which_one_is_called_as_a_mask_is_no_data_set(tmp_path):
    for name in ("street", "gt_park", "mask_shop", "label-free"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    (tmp_path / "classes.toml").write_text(CLASSES)
    with pytest.raises(UserError, match="not a known layout"):
        open_source(tmp_path, "all")


def test_pictures_below_photos_and_masks_are_not_of_them(tmp_path):
    folder = fill(tmp_path / "d", "p{}.jpg", "p{}_mask.png")
    fill(folder / "results", "p{}.png", "p{}_overlay.png")
    assert_pairs(folder, "all")


def test_a_split_without_masks_and_photos_in_no_split_are_named(tmp_path):
    folder = fill(tmp_path / "d", "img_dir/train/p{}.jpg", "ann_dir/train/p{}.png")
    fill(folder, "img_dir/val/q{}.jpg", "ann_dir/val/q{}.png")
    fill(folder, "img_dir/extra{}.jpg", "ann_dir/extra{}.png")
    fill(folder, "img_dir/test/r{}.jpg", "elsewhere/r{}.png")
    assert available_splits(folder) == ["train", "val", "test"]
    found = check({split: open_source(folder, split) for split in available_splits(folder)})
    assert {("FC-DATA-122", "warning"), ("FC-DATA-107", "error")} <= {
        (each.code, each.severity) for each in found
    }


@pytest.mark.parametrize("mask", ["train_masks/p{}_mask.png", "train/p{}_mask.png"])
def test_photos_without_masks_beside_those_of_train_are_noted(tmp_path, mask):
    folder = fill(tmp_path / "d", "train/p{}.jpg", mask)
    fill(folder, "test/r{}.jpg", "elsewhere/r{}.png")
    assert available_splits(folder) == ["all"]
    source = open_source(folder, "all")
    assert len(source) == 4
    assert "test" in next(each.what for each in source.findings if each.code == "FC-DATA-122")


@pytest.mark.parametrize("lines", ["p{}", "p{}.jpg", "img/p{}.jpg", "./img/p{}.jpg"])
@pytest.mark.parametrize("mask", ["gt/p{}.png", "gt/p{}_mask.png"])
def test_lists_of_splits_are_obeyed(tmp_path, lines, mask):
    folder = fill(tmp_path / "d", "img/p{}.jpg", mask)
    (folder / "train.txt").write_text("\n".join(lines.format(n) for n in (3, 0)))
    (folder / "val.txt").write_text(lines.format(2))
    assert available_splits(folder) == ["train", "val"]
    assert_pairs(folder, "train", (3, 0))
    assert_pairs(folder, "val", (2,))
    what = [each.what for each in open_source(folder, "val").findings]
    assert any("1 photo is in no split: p1.jpg" in text for text in what)
    assert [path.name for path in photos_in(folder)] == [f"p{n}.jpg" for n in range(4)]


@pytest.mark.parametrize(
    ("name", "photo", "mask"),
    [
        ("val.csv", "img/p{}.jpg", "gt/p{}.png"),
        ("train.txt", "train/images/p{}.jpg", "train/masks/p{}.png"),
        ("train.txt", "p{}.jpg", "p{}_mask.png"),
    ],
)
def test_lists_of_splits_that_would_not_be_obeyed_are_refused(tmp_path, name, photo, mask):
    folder = fill(tmp_path / "d", photo, mask)
    (folder / name).write_text("p0\np1\n")
    with pytest.raises(UserError, match="lists of splits"):
        open_source(folder, "all")


@pytest.mark.parametrize(
    "folders", [("img", "labels"), ("Images", "Masks"), ("img_dir", "ann_dir")]
)
def test_predict_takes_only_the_photos(tmp_path, folders):
    photo, mask = (f"{name}/p{{}}" for name in folders)
    folder = fill(tmp_path / "d", f"{photo}.jpg", f"{mask}.png")
    assert [path.name for path in photos_in(folder)] == [f"p{number}.jpg" for number in range(4)]


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        ("train/p{}.png", "train_masks/p{}.png"),
        ("p{}.jpg", "p{}_mask.png"),
        ("p{}.jpg", "p{}.png"),
    ],
)
def test_predict_takes_no_masks_that_lie_elsewhere(tmp_path, photo, mask):
    folder = fill(tmp_path / "d", photo, mask)
    assert {path.stem for path in photos_in(folder)} == {f"p{number}" for number in range(4)}
    assert len(photos_in(folder)) == 4
    (folder / "classes.toml").write_text("damaged [")
    assert len(photos_in(folder)) == 8  # no data set then


def test_predict_replaces_no_mask_of_another_folder(tmp_path):
    folder = fill(tmp_path / "d", "train/p{}.png", "train_masks/p{}.png")
    with pytest.raises(UserError, match="mask of a data set"):
        find_inputs([str(folder / "train")], folder / "train_masks")


def test_a_folder_without_a_class_file_or_with_two_kinds_of_masks_is_none(tmp_path):
    folder = fill(tmp_path / "d", "img/p{}.jpg", "gt/p{}.png")
    fill(folder, "img/p{}.jpg", "labels/p{}.png")
    with pytest.raises(UserError, match="not a known layout"):
        open_source(folder, "all")
    other = fill(tmp_path / "e", "img/p{}.jpg", "gt/p{}.png")
    (other / "classes.toml").unlink()
    with pytest.raises(UserError, match="has photos and masks, and no class file beside them"):
        open_source(other, "all")


@pytest.mark.parametrize(
    ("photos", "masks", "pairs"),
    [
        (["a", "b"], ["a", "b_mask"], {}),  # one of its own name: nothing is guessed
        (["a", "b"], ["a_mask", "c_mask"], {"a": "a_mask"}),
        (["a", "img_a"], ["mask_a"], {"a": "mask_a"}),  # the whole name comes first
        (["img_1", "photo_1"], ["mask_1"], {}),  # two photos fit
        (
            ["IMG_0", "IMG_1"],
            ["IMG_0_mask", "IMG_1_mask"],
            {"IMG_0": "IMG_0_mask", "IMG_1": "IMG_1_mask"},
        ),
        (["0", "seg_0"], ["seg_0_mask"], {"seg_0": "seg_0_mask"}),
        (["im0_jpg.rf.ab0"], ["im0_jpg.rf.ab0_mask"], {"im0_jpg.rf.ab0": "im0_jpg.rf.ab0_mask"}),
        (["img0", "img1"], ["label0", "label1"], {"img0": "label0", "img1": "label1"}),
        (["0_L", "0_R"], ["0_L_mask", "0_R_mask"], {"0_L": "0_L_mask", "0_R": "0_R_mask"}),
        (["0_img"], ["0_mask"], {"0_img": "0_mask"}),
        (["7_sat", "8_sat"], ["7_mask", "8_mask"], {"7_sat": "7_mask", "8_sat": "8_mask"}),
        (["a"], ["a_mask", "a_gt"], {}),  # two masks of one photo
        (["s/a", "t/a"], ["s/a_gt", "t/a_gt"], {"s/a": "s/a_gt", "t/a": "t/a_gt"}),
        (["a"], ["a_color", "a_labelIds"], {"a": "a_labelIds"}),
        (["a_leftImg8bit"], ["a_gtFine"], {}),
        (["mask"], ["mask_mask"], {"mask": "mask_mask"}),
        (["image"], ["label"], {}),
    ],
)
def test_a_mask_belongs_to_the_one_photo_that_it_fits(photos, masks, pairs):
    assert masks_of(photos, {name: f"{name}.png" for name in masks}) == pairs


@pytest.mark.parametrize(
    ("photo", "mask", "out", "is_refused"),
    [
        ("train_images/p{}.jpg", "train_masks/p{}.png", "train_images", True),
        ("train_images/p{}.jpg", "train_masks/p{}.png", "train_images/new", True),
        ("train_images/p{}.jpg", "train_masks/p{}.png", "predictions", False),
        ("train/p{}.jpg", "train_masks/p{}_mask.png", "train", True),
        ("p{}.jpg", "p{}_mask.png", ".", True),
        ("p{}.jpg", "p{}_mask.png", "predictions", False),
    ],
)
def test_no_results_among_the_photos(tmp_path, photo, mask, out, is_refused):
    folder = fill(tmp_path / "d", photo, mask)
    Image.fromarray(mask_of(0)).save(tmp_path / "new.png")
    if is_refused:
        with pytest.raises(UserError, match="holds the photos of a data set"):
            find_inputs([tmp_path / "new.png"], folder / out)
    else:
        assert len(find_inputs([tmp_path / "new.png"], folder / out)) == 1


def test_a_mask_without_a_photo_is_named_and_the_others_are_read(tmp_path):
    for split in ("train", "val"):
        folder = fill(tmp_path, f"{split}/p{{}}.jpg", f"{split}/p{{}}.png")
    Image.fromarray(mask_of(0)).save(folder / "val/extra.png")
    assert available_splits(folder) == ["train", "val"]
    assert_pairs(folder, "train")
    source = open_source(folder, "val")
    assert [path.name for path in source.orphans] == ["extra.png"]
    assert len(source) == 4


def test_masks_in_folders_of_their_own_come_first(tmp_path):
    folder = fill(tmp_path / "d", "train/images/p{}.jpg", "train/masks/p{}.png")
    for ending in ("jpg", "png"):
        Image.fromarray(mask_of(0)).save(folder / f"train/preview.{ending}")
    assert_pairs(folder, "all")


def test_of_a_heic_a_png_is_the_photo(tmp_path):
    folder = fill(tmp_path / "d", "train/p{}.png", "train_masks/p{}.png")
    for number in range(4):
        (folder / f"train/p{number}.HEIC").write_bytes(b"\0" * 20)
    assert_pairs(folder, "all")


def test_what_a_prediction_wrote_beside_its_photos_is_no_mask(tmp_path):
    folder = fill(tmp_path / "d", "p{}.jpg", "p{}.png")
    for number in range(4):
        with (folder / f"p{number}.png").open("wb") as file:
            save_png(Image.fromarray(mask_of(number)), file)
    with pytest.raises(UserError, match="not a known layout"):
        open_source(folder, "all")


@pytest.mark.parametrize("name", ["p\u0308{}", "p\n{}"])
def test_names_of_photos_and_masks_are_compared_as_in_other_folders(tmp_path, name):
    folder = fill(tmp_path / "d", f"{name}.jpg", f"{normalize('NFC', name)}.png")
    assert_pairs(folder, "all")
    assert all("\n" not in each for each in open_source(folder, "all").names)


def test_only_files_are_photos(tmp_path):
    folder = fill(tmp_path / "d", "p{}.jpg", "p{}.png")
    (folder / "album.jpg").mkdir()
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert_pairs(folder, "all")
