"""Photos that EXIF turns, whose labels were drawn before or after; finding photos by name."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from exports import notes, square
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_copy import upright
from fullconv.errors import DataError, UserError


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_those_of_pillow(orientation):
    values = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(values)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright(values, orientation), np.array(ImageOps.exif_transpose(image)))


@pytest.fixture
def sideways(labelme, tmp_path):
    """A photo stored as 60 x 40 that is 40 x 60 upright, labelled as stored or upright."""

    def write(stored, orientation=6):
        changes = {} if stored else {"imageHeight": 60, "imageWidth": 40}
        source = labelme("a", [square("car", 0, 0, 30, 10)], **changes)
        image = Image.open(source / "a.jpg").copy()
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(source / "a.jpg", exif=exif)
        return source

    return write


def test_labels_of_the_upright_photo(sideways, imported):
    report, masks = imported(sideways(stored=False))
    assert masks["train/a"].shape == (60, 40)
    assert masks["train/a"][:10, :30].all()
    assert masks["train/a"].sum() == 300
    assert notes(report, "turned") == 1


def test_labels_of_the_stored_photo_are_refused_and_then_turned(sideways, imported):
    source = sideways(stored=True)
    with pytest.raises(UserError, match=r"60 x 40 pixels.* is 40 x 60.*--exif stored"):
        imported(source)
    _, masks = imported(source, exif="stored")
    assert masks["train/a"].shape == (60, 40)
    assert masks["train/a"][:30, -10:].all()  # the upper left corner is the upper right one
    assert masks["train/a"].sum() == 300


def test_the_wrong_option_is_refused_too(sideways, imported):
    with pytest.raises(UserError, match=r"--exif upright"):
        imported(sideways(stored=False), exif="stored")


def test_a_photo_upside_down_has_the_same_size_and_is_said(sideways, imported):
    report, masks = imported(sideways(stored=True, orientation=3))
    assert notes(report, "turned") == 1
    assert masks["train/a"][:10, :30].all()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a.jpg", "a.jpg"),
        ("x/a.jpg", "x/a.jpg"),
        ("x\\a.jpg", "x/a.jpg"),
        ("../a.jpg", "a.jpg"),
        ("x/../../a.jpg", "a.jpg"),
        ("/etc/a.jpg", "a.jpg"),
        ("C:\\x\\a.jpg", "a.jpg"),
    ],
)
def test_names_lead_nowhere_else(name, clean):
    assert plain(name).as_posix() == clean


def test_the_nearest_photo_of_a_name_is_found(tmp_path, picture):
    one, two = picture("in/one/a.jpg"), picture("in/two/a.jpg")
    picture("secret.jpg")
    shelf = Shelf(tmp_path / "in")
    assert shelf.find("a.jpg", tmp_path / "in/two", "x.json") == two
    assert shelf.find("one/a.jpg", tmp_path / "in", "x.json") == one
    assert shelf.find("../one/a", tmp_path / "in/two", "x.json") == one
    assert shelf.find("a.jpg", tmp_path, "x.json", split="two") == two
    with pytest.raises(DataError, match="more than once"):
        shelf.find("a.jpg", tmp_path / "in", "x.json")
    with pytest.raises(DataError, match="not in"):
        shelf.find("../secret.jpg", tmp_path / "in", "x.json")


def test_a_folder_named_in_two_ways_holds_each_photo_once(tmp_path, picture, monkeypatch):
    picture("in/photos/a.jpg")
    monkeypatch.chdir(tmp_path)
    shelf = Shelf(Path("in"), tmp_path / "in/../in/photos")
    assert shelf.pictures == [Path("in/photos/a.jpg")]
    assert shelf.find("x/a.jpg", Path("in"), "x.json") == Path("in/photos/a.jpg")


def test_an_orientation_that_does_not_exist_turns_nothing(sideways, imported):
    report, masks = imported(sideways(stored=True, orientation=0))
    assert masks["train/a"].shape == (40, 60)
    assert notes(report, "turned") == 0


def test_folders_that_are_links_are_followed_and_loops_are_not(labelme, imported, tmp_path):
    labelme("night/1", [square("car", 0, 0, 9, 9)])
    source = labelme("day/1", [square("car", 0, 0, 9, 9)])
    (source / "night").rename(tmp_path / "elsewhere")
    (source / "night").symlink_to(tmp_path / "elsewhere")
    (source / "again").symlink_to(source / "day")  # what is there already is not there twice
    (source / "day/loop").symlink_to(source)
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "elsewhere")
    (source / "up").symlink_to(tmp_path)
    (source / "nowhere").symlink_to(tmp_path / "gone")
    assert sorted(imported(source)[1]) == ["train/day/1", "train/night/1"]


def test_a_source_that_is_a_link(labelme, imported, tmp_path):
    source = labelme("1", [square("car", 0, 0, 9, 9)])
    (tmp_path / "link").symlink_to(source)
    assert list(imported(tmp_path / "link")[1]) == ["train/1"]


@pytest.mark.parametrize("stated", ["1.HEIC", "1.jpg"])
def test_a_photo_of_a_phone_is_named_with_what_converts_it(labelme, imported, stated):
    source = labelme("1", [square("car", 0, 0, 9, 9)], imagePath=stated)
    jpeg = (source / "1.jpg").read_bytes()
    (source / "1.jpg").unlink()
    (source / "1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(UserError, match=r"1\.json.*1\.HEIC is HEIC.*magick 1\.HEIC 1\.jpg"):
        imported(source)
    (source / "1.jpg").write_bytes(jpeg)  # what the message says
    assert list(imported(source)[1]) == ["train/1"]


def test_the_longest_names_that_a_file_can_have(labelme, imported):
    name = "n" * 250  # .json makes it 255 bytes
    assert list(imported(labelme(name, [square("car", 0, 0, 9, 9)]))[1]) == [f"train/{name}"]


def test_names_that_differ_in_their_unicode_form_only_are_one(picture, tmp_path):
    photo = picture(f"src/{unicodedata.normalize('NFD', 'Übung é')}.png")
    shelf = Shelf(tmp_path / "src")
    for name in ("Übung é.png", unicodedata.normalize("NFD", "Übung é.png"), "Übung é"):
        assert shelf.find(name, tmp_path / "src", "a.json") == photo
        assert shelf.find(f"other/{name}", tmp_path / "src", "a.json") == photo


@pytest.mark.parametrize(
    ("name", "points"),
    [("a\u00a0b.png", ("U+0020", "U+00A0")), ("A b.png", ("U+0061", "U+0041")),
     ("a b.png\u200b", ("its end", "U+200B"))],
)  # fmt: skip
def test_names_that_only_look_the_same_are_told_apart(name, points, picture, tmp_path):
    picture("src/a b.png")
    with pytest.raises(UserError) as caught:
        Shelf(tmp_path / "src").find(name, tmp_path / "src", "a.json")
    assert caught.value.code == "FC-IMPORT-020"
    assert all(point in str(caught.value) for point in ("'a b.png'", *points))
