import numpy as np
import pytest
from PIL import Image

from fullconv.data import check, listing, open_source

RNG = np.random.default_rng(0)


def findings_of(data, *splits):
    return check({split: open_source(data, split) for split in splits or ("train",)})


def only(errors, file: str):
    found = [error for error in errors if error.file.endswith(file)]
    assert len(found) == 1, errors
    return found[0]


def test_a_clean_set_has_no_fault_and_progress_counts_to_the_end(make_folder):
    seen = []
    data = make_folder(train=3)
    assert check({"train": open_source(data, "train")}, lambda d, n: seen.append((d, n))) == []
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("pixels", "cause"),
    [
        (np.where(RNG.random((24, 32)) < 0.5, 1, 3), "start at 1"),
        (np.where(RNG.random((24, 32)) < 0.5, 0, 7), "class missing"),
        (RNG.integers(0, 250, (24, 32)), "resized"),
        (RNG.integers(0, 250, (24, 32, 3)), "resized"),
        (np.full((24, 32, 3), 2), "saved as RGB"),
    ],
)
def test_values_outside_the_classes(make_folder, save, pixels, cause):
    data = make_folder(train=2)
    save(pixels.astype(np.uint8), "set/masks/train/001.png")
    error = only(findings_of(data), "masks/train/001.png")
    assert error.severity == "error"
    assert cause in error.cause
    assert error.fix


def test_0_255_masks(make_folder, save):
    data = make_folder(train=2)
    for i in range(2):
        mask = np.where(RNG.random((24, 32)) < 0.5, 0, 255).astype(np.uint8)
        save(mask, f"set/masks/train/{i:03d}.png")
    error = only(findings_of(data), "split train")
    assert error.severity == "error"
    assert "0/255" in error.cause


def test_jpeg_masks(make_folder, save):
    data = make_folder(train=2)
    (data / "masks/train/000.png").unlink()
    save(np.zeros((24, 32), np.uint8), "set/masks/train/000.jpg")
    assert "JPEG" in only(findings_of(data), "000.jpg").what


def test_an_averaged_mask_whose_values_all_exist(make_folder, save):
    data = make_folder(train=2)
    blocks = RNG.choice(np.array([0, 2], np.uint8), (6, 8))
    mask = Image.fromarray(blocks.repeat(4, 0).repeat(4, 1))
    smaller = mask.resize((26, 19), Image.Resampling.BILINEAR)
    save(smaller.resize((32, 24), Image.Resampling.BILINEAR), "set/masks/train/000.png")
    assert set(np.unique(np.array(Image.open(data / "masks/train/000.png")))) == {0, 1, 2}
    error = only(findings_of(data), "000.png")
    assert error.severity == "warning"
    assert "averaging" in error.cause


def test_sizes_partners_and_broken_files(make_folder, save):
    data = make_folder(train=6)
    save(np.zeros((10, 10), np.uint8), "set/masks/train/000.png")
    (data / "masks/train/001.png").unlink()
    (data / "images/train/002.png").unlink()
    for file in ("images/train/003.png", "masks/train/004.png"):
        (data / file).write_bytes((data / file).read_bytes()[:70])
    (data / "images/train/005.png").write_bytes(b"")
    errors = findings_of(data)
    assert "10 x 10" in only(errors, "masks/train/000.png").what
    assert "no mask" in only(errors, "images/train/001.png").what
    assert "no photo" in only(errors, "masks/train/002.png").what
    assert only(errors, "images/train/003.png").severity == "error"
    assert only(errors, "masks/train/004.png").severity == "error"
    assert only(errors, "images/train/005.png").severity == "error"


def test_a_listed_photo_that_is_not_there(make_folder):
    data = make_folder(train=1)
    (data / "val.txt").write_text("train/000\ntrain/009\n")
    assert "no such file" in str(listing(findings_of(data, "val")))


def test_empty_class_and_all_ignored(make_folder, save):
    data = make_folder(train=2)
    for i, value in ((0, 1), (1, 255)):
        save(np.full((24, 32), value, np.uint8), f"set/masks/train/{i:03d}.png")
    errors = findings_of(data)
    assert "ground, dog" in only(errors, "split train").what
    assert "ignored" in only(errors, "001.png").what
    assert {error.severity for error in errors} == {"warning"}


def test_the_same_photo_in_two_splits(make_folder):
    data = make_folder(train=2, val=2)
    copy = (data / "images/train/001.png").read_bytes()
    (data / "images/val/000.png").write_bytes(copy)
    error = only(findings_of(data, "train", "val"), "images/val/000.png")
    assert "train/001.png" in error.what


def test_no_mask_at_all_is_one_fault(make_folder):
    data = make_folder(train=5)
    for file in (data / "masks/train").iterdir():
        file.rename(file.with_stem(file.stem + "_b"))
    errors = [error for error in findings_of(data) if error.severity == "error"]
    assert len(errors) == 1
    assert "no photo has a mask" in errors[0].what


def test_exif_rotation_is_the_cause(make_folder, save):
    data = make_folder(train=1)
    (data / "images/train/000.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    save(np.zeros((24, 32, 3), np.uint8), "set/images/train/000.jpg", exif=exif)
    assert "EXIF" in only(findings_of(data), "masks/train/000.png").cause


def test_listing_gathers_files_of_one_kind(make_folder, save):
    data = make_folder(train=9)
    for i in range(9):
        save(np.full((24, 32), 90, np.uint8), f"set/masks/train/{i:03d}.png")
    lines = listing(findings_of(data))
    assert len(lines) == 1
    assert "and 6 more" in lines[0]
    assert lines[0].startswith("error: ")


def test_real_camvid_has_no_error(shared_data):
    data = shared_data("camvid")
    assert findings_of(data, "train", "val") == []


def test_a_source_that_fails_in_any_way_is_a_fault():
    class Odd:
        classes = open_source("shapes", "train").classes
        split = "train"
        names = ("x",)

        def __len__(self):
            return 1

        def files(self, index):
            return None, None

        def mask(self, index):
            return None

        def __getitem__(self, index):
            raise ZeroDivisionError("odd")

    assert "ZeroDivisionError" in check({"train": Odd()})[0].what


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_in_which_all_is_ignored_is_an_error(make_folder, save, split):
    data = make_folder(train=2, val=2)
    for file in (data / "masks" / split).iterdir():
        save(np.full((24, 32), 255, np.uint8), str(file))
    findings = check({name: open_source(data, name) for name in ("train", "val")})
    errors = [finding for finding in findings if finding.severity == "error"]
    assert [(error.file, error.code) for error in errors] == [(f"split {split}", "FC-DATA-111")]


def test_control_characters_of_names_are_escaped_in_every_part_of_a_finding(make_folder):
    data = make_folder(train=2)
    (data / "images" / "train" / "Icon\r").touch()
    (note,) = [f for f in check({"train": open_source(data, "train")}) if f.severity == "note"]
    assert "Icon\\r" in str(note)
    assert str(note).isprintable()
