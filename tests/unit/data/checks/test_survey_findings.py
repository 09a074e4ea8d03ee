"""Data damaged on purpose: exactly the files that were damaged are named."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from fullconv.data import open_source, write_folder
from fullconv.data.checks.alignment import align
from fullconv.data.checks.survey import survey
from fullconv.data.checks.survey_findings import findings_in

TRAIN, VAL = 14, 5


@pytest.fixture(scope="module", params=["camvid", "shapes"])
def clean(request, shared_data, tmp_path_factory):
    """A folder of photos and masks, from the street or generated."""
    folder = tmp_path_factory.mktemp("clean") / "data"
    if request.param == "shapes":
        sources = [open_source("shapes:240x320:n=80", split) for split in ("train", "val")]
        write_folder([sources[0]], folder, TRAIN)
        write_folder([sources[1]], folder.with_name("val"), VAL)
        for kind in ("images", "masks"):
            shutil.move(folder.with_name("val") / kind / "val", folder / kind / "val")
        return folder
    data = shared_data("camvid")
    for split, count in (("train", TRAIN), ("val", VAL)):
        for kind in ("images", "masks"):
            files = sorted((data / kind / split).iterdir())
            (folder / kind / split).mkdir(parents=True)
            for file in files[:: len(files) // count][:count]:
                shutil.copy(file, folder / kind / split / file.name)
    shutil.copy(data / "classes.toml", folder)
    return folder


@pytest.fixture
def data(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "data")


def found(data):
    """What is said of each file: name -> text; what is about no file is left out."""
    looked = survey({split: open_source(data, split) for split in ("train", "val")})
    errors = [error for error in findings_in(looked) if "/" in error.file]
    assert len({error.file for error in errors}) == len(errors)
    return {error.file.removeprefix(f"{data}/"): error for error in errors}


def masks(data, split="train"):
    return sorted((data / "masks" / split).iterdir())


def change(file, how):
    """Replace the values of a mask; its palette goes."""
    Image.fromarray(how(np.array(Image.open(file)))).save(file)


def test_nothing_is_said_of_clean_data(data):
    assert found(data) == {}


def clear(data):
    """Some masks whose photos show their borders well: others cannot be placed."""
    source = open_source(data, "train")
    found = []
    for index in range(len(source)):
        sample = source[index]
        seen = align(sample.image, sample.mask, source.classes.ignore)
        if seen and seen.best > 8:
            found.append(source.files(index)[1])
    assert len(found) > TRAIN * 2 / 3
    return found[1:8:3]


@pytest.mark.parametrize("offset", [(8, 0), (-8, 8)])
def test_shifted_masks_are_named_with_their_offset(data, offset):
    chosen = clear(data)
    for file in chosen:
        change(file, lambda mask: np.roll(mask, offset, (0, 1)))
    said = found(data)
    assert set(said) == {f"masks/train/{file.name}" for file in chosen}
    for error in said.values():
        assert "shifted" in error.what
        for length, way in zip(offset, (("up", "down"), ("left", "right")), strict=True):
            assert bool(length) == any(word in error.what for word in way), error.what
            assert not length or way[length > 0] in error.what, error.what
        numbers = [int(word) for word in error.what.split() if word.isdecimal()]
        assert all(6 <= number <= 10 for number in numbers), error.what


def test_swapped_masks_are_named_with_each_other(data):
    first, second = masks(data)[2], masks(data)[11]
    spare = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(spare)
    said = found(data)
    assert set(said) == {f"masks/train/{first.name}", f"masks/train/{second.name}"}
    assert second.name in said[f"masks/train/{first.name}"].what
    assert first.name in said[f"masks/train/{second.name}"].what


@pytest.mark.parametrize("later", [False, True])
def test_a_mask_that_stands_twice_is_named_where_it_does_not_belong(data, later):
    first, second = masks(data)[4], masks(data)[10]
    if later:
        first, second = second, first
    second.write_bytes(first.read_bytes())
    said = found(data)
    assert set(said) == {f"masks/train/{second.name}"}
    assert first.name in said[f"masks/train/{second.name}"].what


def edited(photo, crop=0.02, light=1.15, quality=75):
    """The photo as it comes back from a phone: a little cropped, brighter, encoded again."""
    image = Image.open(photo).convert("RGB")
    width, height = image.size
    box = (round(width * crop), 0, width, round(height * (1 - crop)))
    image = ImageEnhance.Brightness(image.crop(box)).enhance(light)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue(), box


@pytest.mark.parametrize("crop", [0.0, 0.03])
def test_a_train_photo_in_val_is_named(data, crop):
    photo = sorted((data / "images/train").iterdir())[9]
    content, box = edited(photo, crop)
    (data / "images/val/copy.jpg").write_bytes(content)
    mask = Image.open(data / "masks/train" / f"{photo.stem}.png").crop(box)
    mask.save(data / "masks/val/copy.png")
    said = found(data)
    assert set(said) == {"images/val/copy.jpg"}
    what = said["images/val/copy.jpg"].what
    assert photo.name in what
    assert "bits apart" in what


def test_averaged_masks_are_named(data):
    chosen = masks(data)[1:8:3]
    for file in chosen:
        mask = Image.open(file)
        values = Image.fromarray(np.array(mask))
        small = values.resize((mask.width * 2 // 3, mask.height * 2 // 3), Image.BILINEAR)
        small.resize(mask.size, Image.BILINEAR).save(file)
    said = found(data)
    assert set(said) == {f"masks/train/{file.name}" for file in chosen}
    assert all("averaging" in error.cause for error in said.values())


def test_a_rare_class_is_named(make_folder):
    data = make_folder(train=40)
    for number, file in enumerate(masks(data)):
        change(file, lambda mask, n=number: np.where((mask == 2) & (n > 1), 0, mask))
    looked = survey({"train": open_source(data, "train")})
    assert looked.counts("train").photos.tolist() == [40, 40, 2]
    (error,) = (error for error in findings_in(looked) if error.file == "split train")
    assert error.what == "only 2 of 40 photos show dog"


def test_a_class_that_only_val_has_is_named(data):
    source = open_source(data, "train")
    last = source.classes.names[-1]
    for file in masks(data):
        change(file, lambda mask: np.where(mask == len(source.classes) - 1, 0, mask))
    looked = survey({split: open_source(data, split) for split in ("train", "val")})
    assert looked.counts("val").photos[-1]  # else there is nothing to say
    said = [error for error in findings_in(looked) if error.file == "split train"]
    assert any(f"no pixel of {last}, which val has" == error.what for error in said)


SMALL = ["80x96:n=12:seed=8", "72x96:n=40:seed=3", "72x96:n=12:seed=5", "72x96:n=20:seed=19",
         "72x96:n=50:seed=0", "64x80:n=20:seed=1"]  # fmt: skip


@pytest.mark.parametrize("scenes", SMALL)
def test_nothing_is_shifted_in_small_scenes(scenes):
    """One strong edge beside a short border is no shift; all but the last hold such a scene."""
    looked = survey({"train": open_source(f"shapes:{scenes}", "train")})
    assert [error.what for error in findings_in(looked) if "shifted" in error.what] == []


class Moved:
    """A data set whose masks are moved by ``offset``."""

    def __init__(self, source, offset):
        self.source, self.offset = source, offset

    def __getattr__(self, name):
        return getattr(self.source, name)

    def __len__(self):
        return len(self.source)

    def __getitem__(self, place):
        sample = self.source[place]
        return replace(sample, mask=np.roll(sample.mask, self.offset, (0, 1)))


@pytest.mark.parametrize(("size", "least"), [("160x208", 0.9), ("64x80", 0.4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_shifts_are_still_found(size, least, seed):
    """Nearly all at a usual size; in small scenes many borders are too short to be sure."""
    source = Moved(open_source(f"shapes:{size}:n=12:seed={seed}", "train"), (8, 0))
    looked = survey({"train": source})
    found = [error for error in findings_in(looked) if "shifted" in error.what]
    assert len(found) >= least * 12
    assert all("down" in error.what for error in found)
