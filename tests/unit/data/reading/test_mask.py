import numpy as np
import pytest
from PIL import Image

from fullconv.classes import CAMVID, VOC, ClassSet
from fullconv.data import read_mask
from fullconv.errors import UserError

VALUES = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (10, 14))


def refused(file, classes, *says: str) -> None:
    with pytest.raises(UserError) as caught:
        read_mask(file, classes)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    for word in says:
        assert word in message


def test_grey_values_are_classes(save, three):
    mask = read_mask(save(VALUES, "g.png"), three)
    assert mask.dtype == np.uint8
    assert (mask == VALUES).all()


def test_palette_is_read_as_indices_whatever_its_colours(save, three):
    image = Image.fromarray(VALUES).convert("P")
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
    assert (read_mask(save(image, "p.png"), three) == VALUES).all()
    assert (read_mask(save(image, "q.png", transparency=1), three) == VALUES).all()


def test_masks_painted_in_vocs_colours_are_read_where_classes_name_no_colours(save, three):
    painted = VOC.palette()[VALUES]
    unnamed = ClassSet(three.names)
    assert (read_mask(save(painted, "voc.png"), unnamed) == VALUES).all()
    assert (read_mask(save(unnamed.palette()[VALUES], "own.png"), unnamed) == VALUES).all()
    named = ClassSet(three.names, ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    refused(save(painted, "other.png"), named, "belongs to no class")


def test_one_bit_mask(save, three):
    assert (read_mask(save(VALUES == 1, "b.png"), three) == (VALUES == 1)).all()


def test_16_and_32_bit_files(save, three):
    for name, kind in (("a.png", np.uint16), ("a.tif", np.uint16), ("b.tif", np.int32)):
        mask = read_mask(save(VALUES.astype(kind), name), three)
        assert mask.dtype == np.uint8
        assert (mask == VALUES).all()
    many = ClassSet(tuple(f"c{i}" for i in range(1000)), ignore=65535)
    wide = np.array([[0, 999], [300, 65535]], np.uint16)
    mask = read_mask(save(wide, "w.png"), many)
    assert mask.dtype == np.uint16
    assert (mask == wide).all()


def test_colours_are_mapped_through_the_classes(save):
    values = np.random.default_rng(0).choice(np.array([*range(11), 255]), (20, 30))
    colours = CAMVID.palette()[values]
    assert (read_mask(save(colours, "c.png"), CAMVID) == values).all()
    opaque = np.concatenate([colours, np.full((20, 30, 1), 255, np.uint8)], 2)
    assert (read_mask(save(opaque, "d.png"), CAMVID) == values).all()


def test_unknown_colour_is_named(save):
    colours = CAMVID.palette()[np.zeros((5, 6), int)].copy()
    colours[2, 3] = 1, 2, 3
    refused(save(colours, "u.png"), CAMVID, "(1, 2, 3)", "1 pixels", "class file")


def test_exchanged_channels_are_recognised(save):
    colours = CAMVID.palette()[np.full((5, 6), 10)][..., ::-1].copy()
    refused(save(colours, "b.png"), CAMVID, "BGR")


def test_numbers_saved_as_rgb_are_refused(save, three):
    values = np.minimum(VALUES, 2)
    refused(save(np.stack([values] * 3, 2), "r.png"), three, "class numbers saved as RGB")


def test_averaged_colours_are_recognised(save):
    values = np.random.default_rng(0).integers(0, 11, (20, 30))
    image = Image.fromarray(CAMVID.palette()[values]).resize((45, 31), Image.Resampling.BILINEAR)
    refused(save(image, "a.png"), CAMVID, "averaging")


def test_transparency_is_refused(save, three):
    pixels = np.zeros((6, 7, 4), np.uint8)
    refused(save(pixels, "t.png"), three, "42 transparent pixels", "ignore colour")
    refused(save(Image.new("LA", (4, 3), (1, 0)), "l.png"), three, "12 transparent")
    opaque = read_mask(save(Image.new("LA", (4, 3), (1, 255)), "m.png"), three)
    assert (opaque == 1).all()


def test_jpeg_is_refused(save, three):
    refused(save(VALUES, "j.jpg"), three, "JPEG", "PNG")
    # also under another name: the content decides
    save(VALUES, "k.jpg").rename(save(VALUES, "k.png"))
    refused(save(VALUES, "k.png").parent / "j.jpg", three, "JPEG")


def test_other_modes_are_refused(save, three):
    refused(save(VALUES.astype(np.float32), "f.tif"), three, "mode F")
    refused(save(Image.new("CMYK", (4, 4)), "c.tif"), three, "mode CMYK")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([[0, 1], [7, 7]], ("value 7 (2 pixels)", "0 to 2", "class file")),
        ([[1, 2], [3, 1]], ("value 3", "start at 1", "subtract 1")),
        ([[0, 3], [3, 1]], ("value 3", "start at 1", "3 is the void value", "--ignore 0")),
        ([list(range(60, 90, 2))], ("averaging", "nearest")),
    ],
)
def test_unknown_value_is_named_with_its_cause(save, three, values, says):
    refused(save(np.array(values, np.uint8), "v.png"), three, *says)


def test_0_255_and_255_where_that_is_not_the_ignored_value(save):
    classes = ClassSet(("a", "b"), ignore=9)
    refused(save(np.array([[0, 255]], np.uint8), "z.png"), classes, "0/255")
    refused(save(np.array([[0, 1, 255]], np.uint8), "y.png"), classes, "ignore = 255")


def test_negative_values(save, three):
    refused(save(np.array([[0, -1]], np.int32), "n.tif"), three, "value -1")


def test_truncated(save, three):
    noise = np.random.default_rng(0).integers(0, 3, (90, 90), np.uint8)
    file = save(noise, "t.png")
    file.write_bytes(file.read_bytes()[:600])
    refused(file, three, "truncated")


def test_real_masks(shared_data):
    for file in sorted((shared_data("voc_sample") / "SegmentationClass").iterdir()):
        mask = read_mask(file, VOC)
        assert mask.ndim == 2
        assert (mask == 255).any()
        assert (mask == np.array(Image.open(file))).all()
