import numpy as np
import pytest
from PIL import Image

from fullconv import visualize as pictures
from fullconv.classes import CAMVID, VOC, ClassSet
from fullconv.classes.colors import contrast

RNG = np.random.default_rng(0)


def photo(height, width):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def halves(height, width, left=3, right=7):
    mask = np.full((height, width), left, np.uint8)
    mask[:, width // 2 :] = right
    return mask


def test_colorize_against_pillow():
    mask = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    picture = Image.fromarray(mask)
    picture.putpalette(VOC.palette().tobytes())
    assert np.array_equal(pictures.colorize(mask, VOC), np.asarray(picture.convert("RGB")))


def test_colorize_of_many_classes():
    classes = ClassSet(tuple(map(str, range(300))), ignore=65535)
    mask = np.array([[0, 299, 65535]], np.uint16)
    assert pictures.colorize(mask, classes).tolist() == [
        [list(classes.colors[0]), list(classes.colors[299]), list(classes.ignore_color)]
    ]


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.6, 1.0])
def test_tint_is_the_blend(alpha):
    image, mask = photo(600, 40), np.full((600, 40), 3, np.uint8)  # more rows than one strip
    shown = pictures.overlay(image, mask, CAMVID, alpha, legend="none")
    expected = image * (1 - alpha) + np.array(CAMVID.colors[3]) * alpha
    assert np.abs(shown - expected).max() < 2


@pytest.mark.parametrize("size", [(600, 300), (3, 70000)])  # several strips, and a row too long
def test_tint_to_the_bit(size):
    classes = ClassSet(tuple(map(str, range(300))), ignore=65535)
    image, mask = photo(*size), np.full(size, 299, np.uint16)
    color = np.array(classes.colors[299], np.int64)
    shown = pictures.overlay(image, mask, classes, 0.25, legend="none")
    assert np.array_equal(shown, (image.astype(np.int64) * 192 + color * 64) // 256)


def test_border_is_drawn_where_classes_meet():
    image, mask = np.full((60, 80, 3), 90, np.uint8), halves(60, 80)
    shown = pictures.overlay(image, mask, CAMVID, legend="none")
    white = (shown == 255).all(-1)
    assert white[:, 39:41].any(1).all()
    assert white.sum() == 60


def test_ignored_is_hatched_and_else_the_photo():
    image, mask = photo(120, 160), np.full((120, 160), 255, np.uint8)
    shown = pictures.overlay(image, mask, VOC, legend="none")
    same = (shown == image).all(-1)
    cream = (shown == VOC.ignore_color).all(-1)
    assert (same | cream).all()
    assert 0.2 < cream.mean() < 0.5


@pytest.mark.parametrize("alpha", [0.3, 0.6, 1.0])
def test_the_background_leaves_the_photo_as_it_is(alpha):
    image, mask = photo(90, 120), halves(90, 120, 0, 7)
    shown = pictures.overlay(image, mask, VOC, alpha, legend="none", borders=False)
    assert np.array_equal(shown[:, :60], image[:, :60])
    blend = image[:, 60:] * (1 - alpha) + np.array(VOC.colors[7]) * alpha
    assert np.abs(shown[:, 60:] - blend).max() < 2
    lined = pictures.overlay(image, mask, VOC, alpha, legend="none")
    assert (lined[:, 59:61] == 255).all(-1).any(1).all()  # its border is drawn


def test_a_background_of_another_value_and_none_at_all():
    image, mask = photo(60, 80), halves(60, 80, 0, 1)
    second = ClassSet(("cat", "rest"), background=(1,))
    shown = pictures.overlay(image, mask, second, legend="none", borders=False)
    assert np.array_equal(shown[:, 40:], image[:, 40:])
    assert not np.array_equal(shown[:, :40], image[:, :40])
    none = ClassSet(("background", "cat"), background=())
    shown = pictures.overlay(image, mask, none, legend="none", borders=False)
    blend = image[:, :40] * 0.4 + np.array(none.colors[0]) * 0.6
    assert np.abs(shown[:, :40] - blend).max() < 2


def test_a_layer_is_clear_where_the_background_is_but_for_its_border():
    mask = halves(60, 80, 0, 7)
    laid = pictures.layer(mask, VOC)
    assert (laid[:, :38, 3] == 0).all() and (laid[:, 41:, 3] == 255).all()
    assert (laid[:, 39:41] == 255).all(-1).any(1).all()


def test_a_sheet_shows_the_background_in_its_colour():
    mask = halves(300, 300, 0, 7)
    shown = pictures.sheet([(np.full((300, 300, 3), 200, np.uint8), mask, mask)], VOC, cell=64)
    assert (0, 0, 0) in {tuple(color) for color in shown[30:90, 90:210].reshape(-1, 3).tolist()}


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (37, 53), (200, 200), (90, 3000)])
def test_any_size(size):
    mask = RNG.integers(0, 11, size, dtype=np.uint8)
    image = photo(*size)
    plain = pictures.overlay(image, mask, CAMVID, legend="none")
    assert plain.shape == image.shape
    full = pictures.overlay(image, mask, CAMVID)
    assert full.shape[0] > size[0]
    assert full.shape[1] >= size[1]
    assert np.array_equal(full[: size[0], : size[1]], plain)


@pytest.mark.parametrize("ignore_color", [(224, 224, 192), (0, 0, 0), (127, 128, 129)])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_a_layer_over_the_photo_is_the_overlay(alpha, ignore_color):
    classes = ClassSet(CAMVID.names, CAMVID.colors, ignore_color=ignore_color)
    image, mask = photo(60, 90), np.random.default_rng(0).integers(0, 12, (6, 9), np.uint8)
    mask = np.where(mask == 11, 255, mask).repeat(10, 0).repeat(10, 1).astype(np.uint8)
    laid = pictures.layer(mask, classes)
    opacity = alpha * (laid[..., 3:] / 255)
    by_hand = image * (1 - opacity) + laid[..., :3] * opacity
    shown = pictures.overlay(image, mask, classes, alpha, legend="none")
    solid = (laid[..., :3] == 255).all(-1) | (laid[..., :3] == ignore_color).all(-1)
    assert np.abs(shown - by_hand)[~solid].max() < 2
    assert (shown[solid & (laid[..., 3] > 0)] == laid[..., :3][solid & (laid[..., 3] > 0)]).all()
    clear = laid[..., 3] == 0
    assert (mask[clear] == 255).all() and 0 < clear.sum() < (mask == 255).sum()


def test_inputs_are_left_alone():
    image, mask = photo(40, 40), halves(40, 40)
    before = image.copy(), mask.copy()
    pictures.overlay(image, mask, CAMVID)
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])


def test_legend_names_the_present_classes_only():
    def length(mask):
        return pictures.overlay(photo(100, 100), mask, CAMVID).shape[0] - 100

    assert pictures.present(halves(10, 10)) == [3, 7]
    assert length(RNG.integers(0, 11, (100, 100), dtype=np.uint8)) > length(halves(100, 100))


def test_legend_shows_the_colours():
    drawn = pictures.legend([1, 4], CAMVID, 300, 14).reshape(-1, 3).tolist()
    assert list(CAMVID.colors[1]) in drawn
    assert list(CAMVID.colors[4]) in drawn
    assert list(CAMVID.colors[5]) not in drawn


@pytest.mark.parametrize("width", [60, 300, 2000])
@pytest.mark.parametrize("size", [12, 40, 300])
def test_legend_is_never_cut(width, size):
    """What is drawn leaves the margin of the picture white."""
    shown = pictures.legend(range(11), CAMVID, width, size)
    assert shown.shape[1] >= width
    for edge in (shown[0], shown[-1], shown[:, 0], shown[:, -1]):
        assert (edge == 255).all()


def test_legend_of_other_alphabets_differs():
    classes = ClassSet(("дорога", "небо"))
    first, second = (pictures.legend([i], classes, 200, 20) for i in (0, 1))
    ink = [(part[:, 42:] < 100).any(-1).sum() for part in (first, second)]
    assert ink[0] > 50
    assert ink[0] != ink[1]


def test_text_grows_with_the_picture():
    sizes = [pictures.text_size(side, side) for side in (1, 200, 1000, 4000, 20000)]
    assert sizes[0] == sizes[1] == 12
    assert sizes == sorted(sizes)
    assert sizes[-1] > 300


@pytest.mark.parametrize("size", [(150, 200), (2000, 200), (1200, 20000)])
def test_a_name_fits_below_a_narrow_picture(size):
    widest = pictures.legend([9], CAMVID, 1, pictures.text_size(*size))  # pedestrian
    assert widest.shape[1] <= max(size[1], 130)


def test_text_can_be_read_on_its_paper():
    assert contrast(pictures.INK, pictures.PAPER) > 7


def test_without_borders_only_the_tint_is_left():
    image, mask = photo(60, 80), halves(60, 80)
    lined, plain = (
        pictures.overlay(image, mask, CAMVID, legend="none", borders=each) for each in (True, False)
    )
    apart = pictures.overlay(image[:, :40], mask[:, :40], CAMVID, legend="none")
    assert np.array_equal(plain[:, :40], apart)
    assert (lined != plain).any(-1).sum() <= 60


def test_sheet():
    rows = [
        (photo(60, 90), halves(60, 90), halves(60, 90, 1, 2)),
        (photo(200, 50), None, halves(200, 50)),
    ]
    shown = pictures.sheet(rows, CAMVID, ["one", "two"], cell=90)
    assert shown.dtype == np.uint8
    assert shown.shape[1] >= 3 * 90
    colors = {tuple(color) for color in shown.reshape(-1, 3).tolist()}
    assert {CAMVID.colors[i] for i in (1, 2, 3, 7)} <= colors
    narrow = pictures.sheet([(photo(60, 90), None, halves(60, 90))], CAMVID, cell=90)
    assert narrow.shape[1] < shown.shape[1]


def test_sheet_invents_no_class():
    mask = RNG.integers(0, 2, (300, 300), dtype=np.uint8) * 10  # 0 and 10, averaged: between
    shown = pictures.sheet([(np.zeros((300, 300, 3), np.uint8), mask, mask)], CAMVID, cell=64)
    area = shown[30:90, 90:210].reshape(-1, 3)
    known = {CAMVID.colors[0], CAMVID.colors[10], (255, 255, 255)}
    assert {tuple(color) for color in area.tolist()} <= known


def test_faults():
    with pytest.raises(ValueError, match="mask"):
        pictures.overlay(photo(10, 10), halves(10, 12), CAMVID)
    with pytest.raises(ValueError, match="row"):
        pictures.sheet([], CAMVID)


@pytest.mark.parametrize("size", [(60, 80), (375, 500), (20, 30), (3, 5), (1200, 90)])
def test_a_legend_at_the_right_keeps_the_photo_at_its_own_size(size):
    image = photo(*size)
    rng = np.random.default_rng(1)
    masks = [np.full(size, 3, np.uint8), rng.integers(0, 11, size, dtype=np.uint8)]
    shown = [pictures.overlay(image, mask, CAMVID, legend="right") for mask in masks]
    assert shown[0].shape == shown[1].shape  # of other classes too: frames can be stacked
    for mask, picture in zip(masks, shown, strict=True):
        alone = pictures.overlay(image, mask, CAMVID, legend="none")
        assert picture.shape[0] == size[0] and picture.shape[1] > size[1]
        assert np.array_equal(picture[:, : size[1]], alone)


def test_a_legend_at_the_right_names_every_class():
    shown = pictures.overlay(photo(300, 300), halves(300, 300), CAMVID, legend="right")
    drawn = {tuple(color) for color in shown[:, 300:].reshape(-1, 3).tolist()}
    assert set(CAMVID.colors) <= drawn
