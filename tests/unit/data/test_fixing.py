"""A corrected copy: every damage with one reading is undone, and nothing else is touched."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from fullconv.data import check, open_source
from fullconv.data.fixing.fixed_copy import write_fixed
from fullconv.data.fixing.size_rules import factor_of
from fullconv.errors import UserError

COLORS = ((0, 0, 0), (128, 0, 0), (0, 128, 0))
SIZE = (24, 36)


def truth(seed, classes=3, size=SIZE):
    """Blocks of 4 pixels, every class present."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, classes, (size[0] // 4, size[1] // 4)).astype(np.uint8)
    blocks.flat[:classes] = range(classes)
    return blocks.repeat(4, 0).repeat(4, 1)


@pytest.fixture
def data(tmp_path):
    """``data(damage)`` writes four photos with damaged masks; ``damage(mask)`` gives an array."""

    def make(damage, classes=3, ignore=255, orientation=None, seeds=range(4)):
        folder = tmp_path / "d"
        for kind in ("images", "masks"):
            (folder / kind / "train").mkdir(parents=True)
        for seed in seeds:
            mask = truth(seed, classes)
            photo = np.random.default_rng(seed).integers(0, 255, (*mask.shape, 3), np.uint8)
            picture, options = Image.fromarray(photo), {}
            if orientation:
                picture = picture.transpose(UNTURN[orientation])
                exif = picture.getexif()
                exif[0x0112] = orientation
                options = {"exif": exif}
            picture.save(folder / f"images/train/p{seed}.jpg", **options)
            Image.fromarray(damage(mask)).save(folder / f"masks/train/p{seed}.png")
        lines = [f"ignore = {ignore}"]
        for number in range(classes):
            lines += ["[[class]]", f'name = "c{number}"', f"color = {list(COLORS[number])}"]
        (folder / "classes.toml").write_text("\n".join(lines))
        return folder

    return make


# How a photo is stored whose EXIF orientation turns it upright.
UNTURN = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def fixed(folder, tmp_path, unlabelled=()):
    out = tmp_path / "out"
    out.mkdir()
    before = hashes(folder)
    report = write_fixed({"train": open_source(folder, "train")}, out, unlabelled=unlabelled)
    assert hashes(folder) == before  # never in place
    return report, open_source(out, "train")


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path, hashlib.sha256(path.read_bytes()).digest()) for path in files]


def assert_right(source, classes=3):
    assert [f for f in check({"train": source}) if f.severity == "error"] == []
    for place, name in enumerate(source.names):
        assert np.array_equal(source.mask(place), truth(int(name[1:]), classes))


def white(mask):
    return (mask * 255).astype(np.uint8)


def as_rgb(mask):
    return np.dstack([mask] * 3)


def in_colors(mask):
    return np.array(COLORS, np.uint8)[mask]


def one_pixel_of(value):
    def damage(mask):
        changed = mask.copy()
        changed[0, 0] = value
        return changed

    return damage


@pytest.mark.parametrize("ignore", [255, 254, 2])
@pytest.mark.parametrize("damage", [white, lambda mask: as_rgb(white(mask))])
def test_0_255_masks_of_two_classes_become_0_and_1(data, tmp_path, damage, ignore):
    report, source = fixed(data(damage, classes=2, ignore=ignore), tmp_path)
    assert len(report.fixed) == 4
    assert "255 is now 1" in report.fixed[0].says[0]
    assert_right(source, classes=2)


def test_black_and_white_masks_of_16_bits_become_0_and_1(data, tmp_path):
    report, source = fixed(data(lambda mask: mask.astype(np.uint16) * 65535, classes=2), tmp_path)
    assert "65535 is now 1" in report.fixed[0].says[0]
    assert_right(source, classes=2)


@pytest.mark.parametrize("damage", [white, lambda mask: mask, lambda mask: as_rgb(white(mask))])
def test_a_single_class_gets_a_background_before_it(data, tmp_path, damage):
    """Masks of two classes, of which the class file names one."""
    folder = data(damage, classes=2)
    (folder / "classes.toml").write_text('[[class]]\nname = "crack"\n')
    report, source = fixed(folder, tmp_path)
    assert report.of_classes == (
        "class file: 'background' is added as class 0, 'crack' is class 1",
    )
    assert source.classes.names == ("background", "crack")
    assert_right(source, classes=2)


def test_0_255_masks_of_three_classes_are_no_certain_class(data, tmp_path):
    folder = data(lambda mask: white(np.minimum(mask, 1)), ignore=254)
    with pytest.raises(UserError, match="value 255, and the 3 classes") as error:
        fixed(folder, tmp_path)
    assert error.value.code == "FC-FIX-003"


def test_class_numbers_from_1_count_from_0(data, tmp_path):
    report, source = fixed(data(lambda mask: mask + 1), tmp_path)
    assert "count from 0" in report.fixed[0].says[0]
    assert_right(source)


def test_class_numbers_from_1_keep_what_is_ignored(data, tmp_path):
    def damage(mask):
        return one_pixel_of(255)(mask + 1)

    _, source = fixed(data(damage), tmp_path)
    for place, name in enumerate(source.names):
        assert np.array_equal(source.mask(place), one_pixel_of(255)(truth(int(name[1:]))))


def test_masks_that_lack_the_last_class_are_renumbered_with_the_others(data, tmp_path):
    """One rule for all masks: a mask of 1 and 2 alone has no wrong value by itself."""
    folder = data(lambda mask: mask + 1)
    few = np.where(truth(1) == 2, 0, truth(1))
    Image.fromarray(few + 1).save(folder / "masks/train/p1.png")
    _, source = fixed(folder, tmp_path)
    assert np.array_equal(source.mask(1), few)


def with_unlabelled(value, shift=0):
    """A damage: numbers from ``shift``, and the first two rows of ``value``."""

    def damage(mask):
        changed = mask + shift
        changed[:2] = value
        return changed

    return damage


def assert_unlabelled(source, names=4):
    """The masks are the truth with the first two rows ignored."""
    assert len(source) == names
    assert [f for f in check({"train": source}) if f.severity == "error"] == []
    for place, name in enumerate(source.names):
        wanted = with_unlabelled(255)(truth(int(name[1:])))
        assert np.array_equal(source.mask(place), wanted)


def test_a_0_beside_numbers_from_1_has_several_readings_and_nothing_is_written(data, tmp_path):
    """Nor are the photos without the highest value: their numbers would be wrong too."""
    folder = data(with_unlabelled(0, shift=1))
    Image.fromarray(truth(2)).save(folder / "masks/train/p2.png")
    with pytest.raises(UserError, match="--ignore 0, if classes count from 1, or --ignore 3"):
        fixed(folder, tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_masks_in_which_0_is_said_to_be_unlabelled_count_from_1(data, tmp_path):
    report, source = fixed(data(with_unlabelled(0, shift=1)), tmp_path, [0])
    assert report.fixed[0].says == (
        "0 for unlabelled pixels is now 255, the ignored value",
        "class numbers from 1 to 3 now count from 0",
    )
    assert_unlabelled(source)


@pytest.mark.parametrize("value", [3, 7, 250])
def test_another_value_can_be_said_to_be_unlabelled(data, tmp_path, value):
    report, source = fixed(data(with_unlabelled(value)), tmp_path, [value])
    assert report.fixed[0].says == (f"{value} for unlabelled pixels is now 255, the ignored value",)
    assert_unlabelled(source)


def test_a_third_value_of_0_255_masks_can_be_said_to_be_unlabelled(data, tmp_path):
    def damage(mask):
        return with_unlabelled(128)(white(mask))

    _, source = fixed(data(damage, classes=2), tmp_path, [128])
    for place, name in enumerate(source.names):
        wanted = with_unlabelled(255)(truth(int(name[1:]), 2))
        assert np.array_equal(source.mask(place), wanted)


def test_classes_count_from_1_below_an_unlabelled_0_without_the_highest_too(data, tmp_path):
    """Class 0 is no background here, so 0 being unlabelled leaves 1 for it."""
    folder = data(lambda mask: with_unlabelled(0, shift=1)(np.minimum(mask, 1)))
    _, source = fixed(folder, tmp_path, [0])
    for place, name in enumerate(source.names):
        wanted = with_unlabelled(255)(np.minimum(truth(int(name[1:])), 1))
        assert np.array_equal(source.mask(place), wanted)


def test_a_background_may_be_the_0_that_is_said_to_be_unlabelled(data, tmp_path):
    folder = data(lambda mask: mask)
    text = (folder / "classes.toml").read_text()
    (folder / "classes.toml").write_text(text.replace('"c0"', '"background"'))
    with pytest.raises(UserError, match="no mask has the value 3") as error:
        fixed(folder, tmp_path, [0])
    assert error.value.code == "FC-FIX-003"


def test_masks_of_colors_have_no_number_to_ignore(data, tmp_path):
    with pytest.raises(UserError, match="--ignore 0: no mask has this value; they have colors"):
        fixed(data(in_colors), tmp_path, [0])


def test_a_single_class_as_1_and_as_255_is_uncertain(data, tmp_path):
    folder = data(white, classes=2)
    Image.fromarray(truth(2, 2)).save(folder / "masks/train/p2.png")
    (folder / "classes.toml").write_text('[[class]]\nname = "crack"\n')
    with pytest.raises(UserError, match="some masks have the value 1 and some 255") as error:
        fixed(folder, tmp_path)
    assert error.value.code == "FC-FIX-003"


def test_a_single_class_keeps_its_color(data, tmp_path):
    folder = data(in_colors, classes=2)
    (folder / "classes.toml").write_text('[[class]]\nname = "crack"\ncolor = [128, 0, 0]\n')
    _, source = fixed(folder, tmp_path)
    assert source.classes.colors == (COLORS[0], COLORS[1])
    assert_right(source, classes=2)


def test_a_value_that_no_mask_has_is_not_said_to_be_unlabelled(data, tmp_path):
    with pytest.raises(UserError, match="--ignore 9: no mask has this value; they have 0, 1, 2"):
        fixed(data(lambda mask: mask), tmp_path, [9])


def test_another_numbering_in_most_masks_is_uncertain_in_all(data, tmp_path):
    folder = data(lambda mask: np.array([1, 7, 11], np.uint8)[mask])
    Image.fromarray(np.ones(SIZE, np.uint8)).save(folder / "masks/train/p2.png")
    with pytest.raises(UserError, match="masks have the value 7") as error:
        fixed(folder, tmp_path)
    assert error.value.code == "FC-FIX-003"


def test_a_slip_in_one_mask_and_an_averaged_one_leave_out_those_two(data, tmp_path):
    folder = data(lambda mask: mask + 1, seeds=range(8))
    slip, averaged = one_pixel_of(77)(truth(1) + 1), truth(2) + 1
    averaged[0, :20] = range(30, 50)
    for name, mask in (("p1", slip), ("p2", averaged)):
        Image.fromarray(mask).save(folder / f"masks/train/{name}.png")
    report, source = fixed(folder, tmp_path)
    assert {finding.code for finding in report.left_out} == {"FC-DATA-014"}
    assert len(report.left_out) == 2
    assert_right(source)


def test_255_for_unlabelled_pixels_becomes_the_ignored_value(data, tmp_path):
    report, source = fixed(data(one_pixel_of(255), ignore=200), tmp_path)
    assert "255 for unlabelled" in report.fixed[0].says[0]
    for place, name in enumerate(source.names):
        assert np.array_equal(source.mask(place), one_pixel_of(200)(truth(int(name[1:]))))


def test_class_numbers_saved_as_rgb_become_one_channel(data, tmp_path):
    report, source = fixed(data(as_rgb), tmp_path)
    assert "one channel" in report.fixed[0].says[0]
    assert_right(source)


def test_colors_with_red_and_blue_exchanged_are_exchanged_back(data, tmp_path):
    report, source = fixed(data(lambda mask: in_colors(mask)[..., ::-1]), tmp_path)
    assert "red and blue" in report.fixed[0].says[0]
    assert_right(source)


@pytest.mark.parametrize("factor", [2, 4])
def test_masks_smaller_by_a_whole_factor_are_repeated(data, tmp_path, factor):
    report, source = fixed(data(lambda mask: mask[::factor, ::factor]), tmp_path)
    assert f"resized by {factor}" in report.fixed[0].says[0]
    assert_right(source)


@pytest.mark.parametrize("factor", [2, 3])
def test_masks_larger_by_a_whole_factor_take_the_most_frequent_value(data, tmp_path, factor):
    report, source = fixed(data(lambda m: m.repeat(factor, 0).repeat(factor, 1)), tmp_path)
    assert f"resized by 1/{factor}" in report.fixed[0].says[0]
    assert_right(source)


@pytest.mark.parametrize("size", [(36, 54), (48, 36), (24, 35), (12, 36), (36, 24)])
def test_other_sizes_have_no_certain_correction(data, tmp_path, size):
    folder = data(lambda mask: mask)
    Image.fromarray(truth(0)).resize(size[::-1], Image.Resampling.NEAREST).save(
        folder / "masks/train/p0.png"
    )
    report, source = fixed(folder, tmp_path)
    assert [finding.code for finding in report.left_out] == ["FC-DATA-109"]
    assert list(source.names) == ["p1", "p2", "p3"]
    assert_right(source)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("factor", [1, 2])
def test_masks_drawn_on_the_photo_as_stored_are_turned(data, tmp_path, orientation, factor):
    def damage(mask):
        stored = Image.fromarray(mask[::factor, ::factor]).transpose(UNTURN[orientation])
        return np.asarray(stored)

    report, source = fixed(data(damage, orientation=orientation), tmp_path)
    assert f"({orientation})" in report.fixed[0].says[0]
    assert_right(source)


def test_two_damages_at_once_are_both_undone(data, tmp_path):
    report, source = fixed(data(lambda mask: as_rgb(mask[::2, ::2] + 1)), tmp_path)
    assert len(report.fixed[0].says) == 3
    assert_right(source)


def test_what_is_right_is_copied_byte_by_byte(data, tmp_path):
    folder = data(lambda mask: mask)
    report, _ = fixed(folder, tmp_path)
    assert report.fixed == []
    for kind in ("images", "masks"):
        for file in (folder / kind / "train").iterdir():
            assert (tmp_path / "out" / kind / "train" / file.name).read_bytes() == file.read_bytes()


def test_photos_without_a_correction_are_named_and_left_out(data, tmp_path):
    folder = data(lambda mask: mask)
    (folder / "images/train/p0.jpg").write_bytes(b"no photo")
    (folder / "masks/train/p1.png").unlink()
    photo = Image.fromarray(in_colors(truth(2)))
    photo.save(folder / "masks/train/p2.jpg")
    (folder / "masks/train/p2.png").unlink()
    report, source = fixed(folder, tmp_path)
    assert sorted(finding.code for finding in report.left_out) == [
        "FC-DATA-002",
        "FC-DATA-009",
        "FC-DATA-107",
    ]
    assert list(source.names) == ["p3"]


def test_names_that_lead_out_of_the_folder_stay_inside(data, tmp_path):
    folder = data(lambda mask: mask + 1)
    lines = [f"../images/train/p{n}.jpg,../masks/train/p{n}.png" for n in range(4)]
    lines.append(f"{folder}/images/train/p0.jpg,{folder}/masks/train/p0.png")
    (folder / "lists").mkdir()
    (folder / "lists" / "all.csv").write_text("\n".join(lines))
    (folder / "lists" / "classes.toml").write_text((folder / "classes.toml").read_text())
    out = tmp_path / "out"
    report = write_fixed({"train": open_source(folder / "lists", "all")}, out)
    assert report.copied.total() == 5
    assert {p.name for p in tmp_path.iterdir()} == {"d", "out"}
    assert len(list((out / "images").rglob("*.jpg"))) == 5


@pytest.mark.parametrize(
    ("mask", "photo", "factor"),
    [
        ((10, 20), (20, 40), "2"),
        ((20, 40), (10, 20), "1/2"),
        ((10, 20), (10, 20), None),
        ((10, 20), (20, 60), None),
        ((10, 20), (20, 41), None),
        ((0, 20), (20, 40), None),
    ],
)
def test_a_factor_is_whole_and_the_same_for_both_sides(mask, photo, factor):
    assert factor_of(mask, photo) == factor
