"""Bands and range belong to the data set: named in its class file, measured, kept, agreed on."""

import json

import numpy as np
import pytest

from fullconv.data import check, open_source, with_measured_range
from fullconv.data.open_dataset import own_options
from fullconv.errors import UserError
from fullconv.modalities import AS_STORED, ReadOptions
from fullconv.models import TORCH, Preprocessing

LABELS = (np.arange(48).reshape(6, 8) % 2).astype(np.uint8)
TOML = '[[class]]\nname = "a"\n[[class]]\nname = "b"\n'


@pytest.fixture
def folder(tmp_path, save):
    """``folder(photos, head)`` is a data set of 16-bit grey PNGs with a class file."""

    def make(photos, head=""):
        for split, values in photos.items():
            for number, each in enumerate(values):
                save(each.astype(np.uint16), f"set/images/{split}/{number}.png")
                save(LABELS, f"set/masks/{split}/{number}.png")
        (tmp_path / "set" / "classes.toml").write_text(head + TOML)
        return tmp_path / "set"

    return make


def ramp(top: int):
    return np.linspace(0, top, 48).reshape(6, 8).round()


@pytest.mark.parametrize(
    ("tops", "white"),
    [((200, 60000), 65535), ((200, 4080), 4095), ((9, 200), 255), ((1023,), 1023)],
)
def test_the_range_is_measured_over_all_photos(folder, tops, white):
    data = folder({"train": [ramp(top) for top in tops[:-1]] or [ramp(5)], "val": [ramp(tops[-1])]})
    sources = {split: open_source(data, split) for split in ("train", "val")}
    sources, options, line = with_measured_range(sources)
    assert options.range == (0, white)
    assert f"range 0,{white}" in line
    for split, source in sources.items():
        for index in range(len(source)):
            stored = ramp(tops[index] if split == "train" and len(tops) > 1 else tops[-1])
            if len(tops) == 1 and split == "train":
                stored = ramp(5)
            exact = stored * 255 / white
            assert np.abs(source[index].image[..., 0] - exact).max() <= 0.5 + 1e-3
    assert not [each for each in check(sources) if each.severity == "error"]


def test_a_named_range_is_not_measured_and_8_bits_have_none(folder, make_folder):
    data = folder({"train": [ramp(100)]}, "range = [0, 1023]\n")
    _, options, line = with_measured_range({"train": open_source(data, "train")})
    assert (options.range, line) == ((0, 1023), "")
    _, options, line = with_measured_range(
        {"train": open_source(make_folder("eight", train=1), "train")}
    )
    assert (options.range, line) == (None, "")


def test_a_range_of_which_little_is_used_is_said(folder):
    bright = ramp(60)
    bright[0, 0] = 65535
    many = [ramp(60)] * 5
    _, _, line = with_measured_range(
        {"train": open_source(folder({"train": [bright, *many]}), "train")}
    )
    assert "99% of the values are at most" in line


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("range = [5, 5]\n", "FC-RASTER-002"),
        ('range = "0,5"\n', "FC-RASTER-002"),
        ("range = [nan, 5]\n", "FC-RASTER-002"),
        ("range = [0, true]\n", "FC-RASTER-002"),
        ("bands = [0]\n", "FC-RASTER-001"),
        ("bands = []\n", "FC-RASTER-001"),
        ("bands = [1.5]\n", "FC-RASTER-001"),
        ("bands = 3\n", "FC-RASTER-001"),
    ],
)
def test_what_is_no_band_or_range_in_a_class_file_is_named(folder, head, code):
    with pytest.raises(UserError, match=r"classes\.toml") as caught:
        own_options(folder({"train": [ramp(9)]}, head))
    assert caught.value.code == code


def test_asked_for_wins_and_what_the_data_and_the_net_say_must_agree(folder):
    data = folder({"train": [ramp(9)]}, "range = [0, 1023]\nbands = [1]\n")
    own = own_options(data)
    assert own == ReadOptions((1,), (0.0, 1023.0))
    said = open_source(data, "train", options=ReadOptions(range=(0, 9)))
    assert said.options == ReadOptions((1,), (0, 9))
    trained = ReadOptions(range=(0, 4095))
    with pytest.raises(UserError, match="--range") as caught:
        open_source(data, "train", trained=trained)
    assert caught.value.code == "FC-RASTER-016"
    asked = ReadOptions(range=(0, 4095))
    assert open_source(data, "train", options=asked, trained=trained).options.range == (0, 4095)
    assert open_source(data, "train", trained=own).options == own


def test_preprocessing_keeps_how_photos_are_read():
    kept = TORCH.read_by(ReadOptions((4, 3, 2), (0, 4000)))
    again = Preprocessing.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert again == kept
    assert again.read_options == ReadOptions((4, 3, 2), (0.0, 4000.0))
    older = {k: v for k, v in TORCH.to_dict().items() if k not in ("bands", "range")}
    assert Preprocessing.from_dict(older).read_options == AS_STORED
    for wrong in ({"bands": "x"}, {"bands": [0]}, {"range": [1]}, {"range": 5}, {"range": [5, 1]}):
        with pytest.raises(UserError):
            Preprocessing.from_dict({**TORCH.to_dict(), **wrong})


def test_further_bands_become_channels_of_a_sample(tmp_path, save, write):
    bands = np.random.default_rng(0).integers(0, 256, (5, 6, 8), np.uint8)
    write(bands, "set/images/train/a.tif")
    save(LABELS, "set/masks/train/a.png")
    (tmp_path / "set" / "classes.toml").write_text("bands = [5, 1, 2, 3]\n" + TOML)
    source = open_source(tmp_path / "set", "train")
    assert np.array_equal(source[0].image, bands[[4, 0, 1, 2]].transpose(1, 2, 0))
    assert not [each for each in check({"train": source}) if each.severity == "error"]
    two = open_source(tmp_path / "set", "train", options=ReadOptions((2, 4)))
    assert np.array_equal(two[0].image, bands[[1, 3]].transpose(1, 2, 0))


def test_pixels_that_are_none_are_ignored_in_the_mask(tmp_path, save, write):
    photo = np.full((6, 8, 3), 9, np.uint8)
    photo[:2] = 0
    write(photo, "set/images/train/a.tif", nodata=0)
    save(LABELS, "set/masks/train/a.png")
    (tmp_path / "set" / "classes.toml").write_text(TOML)
    mask = open_source(tmp_path / "set", "train")[0].mask
    assert (mask[:2] == 255).all()
    assert np.array_equal(mask[2:], LABELS[2:])


def test_a_class_file_in_utf_16_says_range_too(folder):
    data = folder({"train": [ramp(9)]}, "range = [0, 1023]\n")
    text = (data / "classes.toml").read_text()
    (data / "classes.toml").write_bytes(text.encode("utf-16"))
    assert own_options(data).range == (0, 1023)
    assert open_source(data, "train").options.range == (0, 1023)


def test_another_class_file_leaves_open_what_the_data_says(folder, tmp_path):
    data = folder({"train": [ramp(9)]}, "range = [0, 1023]\n")
    other = tmp_path / "other.toml"
    other.write_text("bands = [1]\n" + TOML)
    assert own_options(data, other) == ReadOptions((1,), (0, 1023))
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    assert own_options(data, labels).range == (0, 1023)
