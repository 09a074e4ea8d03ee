"""Lists as people's programs save them, and data without any split."""

import codecs

import numpy as np
import pytest

from fullconv.classes.class_files import read_classes
from fullconv.data import available_splits, check, open_source
from fullconv.data.layouts.registry import LAYOUTS
from fullconv.data.open_dataset import is_unsplit
from fullconv.data.splits.random_split import grouping_of, random_split, series_of
from fullconv.errors import UserError, printable
from fullconv.parsing import decode_text

RGB = np.zeros((8, 10, 3), np.uint8)
GREY = np.array([[0, 1]] * 8, np.uint8).repeat(5, 1)
SPLITS = ("train", "train", "train", "val")


@pytest.fixture
def pairs(save, tmp_path):
    """``pairs(text, name, encoding)``: four pairs img/pN.png, lab/pN.png, and a list."""

    def write(text, name="list.csv", encoding="utf-8", photos=("p0", "p1", "p2", "p3")):
        for photo in photos:
            save(RGB, f"img/{photo}.png")
            save(GREY, f"lab/{photo}.png")
        (tmp_path / "classes.toml").write_text('[[class]]\nname="a"\n[[class]]\nname="b"\n')
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path

    return write


def lines(pattern, end="\n"):
    return "".join(pattern.format(f"p{i}", split) + end for i, split in enumerate(SPLITS))


@pytest.mark.parametrize(
    "text",
    [
        lines("img\\{0}.png,lab\\{0}.png,{1}", "\r\n"),
        "image;mask;split\r\n" + lines("img/{0}.png;lab/{0}.png;{1}", "\r\n"),
        lines('"img/{0}.png" , "lab/{0}.png", {1}'),
        "image_path,mask_path,split\n" + lines("img/{0}.png,lab/{0}.png,{1}"),
        "id,subset,label_file,image_file\n" + lines("7,{1},lab/{0}.png,img/{0}.png"),
        "x,y,z\n" + lines("img/{0}.png,lab/{0}.png,{1}"),
        lines("img/{0}.png|lab/{0}.png|{1}"),
        lines("img/{0}.png lab/{0}.png {1}", "\r"),
        "# pairs\n\n" + lines("./img/{0}.png\tlab/{0}.png\t{1}"),
        lines("img/{0}.png,lab/{0}.png,{1}").replace("train", "Training").replace("val", "valid"),
    ],
    ids=["backslash", "semicolon", "quoted", "heading", "columns", "strange-heading", "bar",
         "carriage-return", "comment", "other-split-names"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_lists_of_pairs_are_read_in_any_dialect(pairs, text, encoding):
    data = pairs(text, encoding=encoding)
    assert available_splits(data) == ["train", "val"]
    assert [len(open_source(data, split)) for split in ("train", "val")] == [3, 1]
    sample = open_source(data, "val")[0]
    assert sample.name.replace("./", "") == "img/p3"
    assert np.array_equal(sample.mask, GREY)


def test_absolute_paths_and_names_with_commas(pairs, tmp_path):
    names = tuple(f"p{i}, left" for i in range(4))
    text = "".join(
        f'"{tmp_path}/img/{name}.png","{tmp_path}/lab/{name}.png",{split}\n'
        for name, split in zip(names, SPLITS, strict=True)
    )
    data = pairs(text, photos=names)
    assert open_source(data, "val")[0].mask is not None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\u7532.png a.png train\n".encode("gbk") * 2, "not UTF-8, it looks like GB18030"),
        (b"img/p0.png,lab/p0.png\nimg/p\0.png,lab/p1.png\n", "damaged"),
        (b"img/p0.png,lab/p0.png\n" + b"a" * 200_000 + b".png,b.png\n", "damaged"),
        (b"img/p0.png,lab/p0.png\na b c d e f\n", "PHOTO MASK"),
        (b"img/p0.png,lab/p0.png\n,train\n", "PHOTO MASK"),
    ],
)
def test_damaged_lists_are_one_line_with_the_cause(pairs, content, says):
    data = pairs("") / "list.csv"
    data.write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        open_source(data, "all")
    assert caught.value.code == "FC-DATA-105"
    assert "list.csv" in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "line", ["images/{}.png", "{}.png", "{}", "./images/{}.png", "images\\{}.png", '"{}.png"']
)
@pytest.mark.parametrize(
    "names", [("train", "val"), ("training", "validation"), ("Train", "valid")]
)
def test_lists_of_a_folder_are_read_in_any_form(make_folder, save, line, names):
    data = make_folder(train=0)
    for i in range(4):
        save(RGB, f"set/images/p{i}.png")
        save(GREY, f"set/masks/p{i}.png")
    for name, numbers in zip(names, ((0, 1, 2), (3,)), strict=True):
        text = "".join(line.format(f"p{i}") + "\r\n" for i in numbers)
        (data / f"{name}.txt").write_bytes(codecs.BOM_UTF8 + text.encode())
    assert available_splits(data) == ["train", "val"]
    assert open_source(data, "train").names == ("p0", "p1", "p2")
    assert open_source(data, "val")[0].mask is not None


def test_a_photo_that_is_listed_twice_is_said(make_folder):
    data = make_folder(train=2)
    (data / "train.txt").write_text("train/000\ntrain/001\ntrain/000\n")
    findings = check({"train": open_source(data, "train")})
    assert [f.code for f in findings if "several times" in f.what] == ["FC-DATA-123"]


def test_names_in_two_unicode_forms_belong_together(make_folder, save):
    data = make_folder(train=0)
    save(RGB, "set/images/train/cafe\u0301.png")
    save(GREY, "set/masks/train/caf\u00e9.png")
    source = open_source(data, "train")
    assert source.names == ("caf\u00e9",)
    assert source[0].mask is not None and source.orphans == ()
    save(RGB, "set/images/train/caf\u00e9.jpg")
    with pytest.raises(UserError, match="differ only in how Unicode writes") as caught:
        open_source(data, "train")
    assert caught.value.code == "FC-DATA-106"


def test_names_that_are_no_utf8_are_shown_escaped(make_folder, tmp_path):
    data = make_folder(train=1)
    for kind in ("images", "masks"):
        file = data / kind / "train/000.png"
        file.rename(data / kind / "train/Stra\udcdfe.png")
    source = open_source(data, "train")
    assert source.names == ("Stra\\xdfe",)
    assert source[0].mask is not None
    source.names[0].encode()


def test_a_converted_photo_beside_its_heic_is_used(make_folder):
    data = make_folder(train=2)
    (data / "images/train/000.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (data / "images/train/only.heic").write_bytes(b"\0\0\0\x18ftypheic")
    source = open_source(data, "train")
    assert source.names == ("000", "001", "only")
    assert source.photos[0].suffix == ".png"
    named = [finding for finding in check({"train": source}) if "only.heic" in finding.file]
    assert named and named[0].severity == "error"


def test_photos_beside_folders_that_are_no_splits_are_all_one(make_folder, save):
    data = make_folder(train=0)
    for name in ("a", "b", "extra/c"):
        save(RGB, f"set/images/{name}.png")
        save(GREY, f"set/masks/{name}.png")
    assert available_splits(data) == ["all"]
    assert open_source(data, "all").names == ("a", "b", "extra/c")
    assert is_unsplit(data)


def test_folders_by_place_are_splits_and_can_be_split_anew(make_folder):
    data = make_folder(park=2, street=3)
    assert available_splits(data) == ["park", "street"]
    assert is_unsplit(data)
    assert len(open_source(data, "all")) == 5
    assert not is_unsplit(make_folder(name="other", train=2))


def test_frames_of_one_video_stay_together():
    names = [f"clip{c}_{i:04d}" for c in "abcdef" for i in range(10)]
    for seed in range(5):
        split = random_split(names, seed)
        assert sorted(split["train"] + split["val"]) == names
        assert {series_of(n) for n in split["train"]}.isdisjoint(map(series_of, split["val"]))
        assert 6 <= len(split["val"]) <= 20
    assert random_split(names, 1) == random_split(names, 1)
    assert len({tuple(random_split(names, seed)["val"]) for seed in range(9)}) > 1


def test_one_series_is_split_in_one_place():
    names = [f"IMG_{i}" for i in range(1, 31)]
    val = random_split(names, 3)["val"]
    numbers = sorted(int(name[4:]) for name in val)
    assert len(numbers) == 6 and numbers[-1] - numbers[0] == 5


def test_names_without_numbers_are_split_one_by_one():
    split = random_split(list("abcdefghij"), 0)
    assert (len(split["train"]), len(split["val"])) == (8, 2)


@pytest.mark.parametrize(
    "content",
    [b"ignore = " + b"1" * 5000, b"a = " + b"[" * 100_000, b"\xff\xfe\0", b"[[class]]\rname = 1\r",
     b"ignore = true\n[[class]]\nname = 'a'\n", b"[[class]]\nname = 'a'\ncolor = [1, 2, 1e400]\n",
     b"cat:" + b"1" * 5000 + b",2,3::\n", b"1" * 5000 + b": cat\n", b"cat\0:1,2,3::\n"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["classes.toml", "labelmap.txt"])
def test_damaged_class_files_are_one_short_line(tmp_path, content, name):
    file = tmp_path / name
    file.write_bytes(content)
    try:
        read_classes(file)
    except UserError as error:
        assert error.code.startswith("FC-CLASS-")
        assert str(error).startswith(str(file)) and "\n" not in str(error)
        assert len(str(error)) < len(str(file)) + 500
    else:
        assert name == "labelmap.txt", "a damaged TOML file was read"


def test_a_class_file_in_utf16_is_read(tmp_path):
    (tmp_path / "labels.txt").write_text("gr\u00fcn\nrot\n", "utf-16")
    assert read_classes(tmp_path / "labels.txt").names == ("gr\u00fcn", "rot")


def test_a_single_class_is_an_error(make_folder):
    data = make_folder(train=1)
    (data / "classes.toml").write_text('[[class]]\nname = "crack"\n')
    codes = [f.code for f in check({"train": open_source(data, "train")}) if f.severity == "error"]
    assert "FC-CLASS-010" in codes


def test_each_layout_is_registered_by_one_name():
    names = [layout.name for layout in LAYOUTS]
    assert len(set(names)) == len(names) == 13


def test_text_keeps_its_letters_and_names_stay_on_one_line():
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"):
        assert decode_text("Stra\u00dfe, abc".encode(encoding)) == "Stra\u00dfe, abc"
    assert printable("a\nb\x1b[2J\udcff\u00e9") == "a\\nb\\x1b[2J\\xff\u00e9"


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["clip1_01", "clip1_02", "clip2_01", "clip2_02"], "kept together"),
        (["IMG_01", "IMG_02", "IMG_03"], "neighbours"),
        (["oak", "beech", "birch 2", "ash"], ""),
        (["a/1", "b/1", "c/7"], ""),
    ],
)
def test_it_is_said_that_frames_stay_together_where_names_are_of_frames_alone(names, word):
    said = grouping_of(names)
    assert word in said if word else said == ""


@pytest.mark.parametrize("name", ["train.csv", "Valid.LST", "test.json"])
def test_a_table_called_as_a_split_is_said_to_be_left_out(make_folder, name):
    data = make_folder(train=4)
    for kind in ("images", "masks"):
        for file in (data / kind / "train").iterdir():
            file.rename(data / kind / file.name)
        (data / kind / "train").rmdir()
    (data / name).write_text("image_id\n000\n001\n")
    (said,) = [f for f in open_source(data, "all").findings if f.code == "FC-DATA-121"]
    assert name in said.what
    assert said.severity == "warning"


def test_a_list_whose_ending_is_in_capitals_is_read(make_folder):
    data = make_folder(train=4)
    for kind in ("images", "masks"):
        for file in (data / kind / "train").iterdir():
            file.rename(data / kind / file.name)
        (data / kind / "train").rmdir()
    (data / "TRAIN.TXT").write_text("000\n001\n")
    assert list(open_source(data, "train").names) == ["000", "001"]
