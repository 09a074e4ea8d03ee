"""Further inputs and several label maps: from the files to one sample, and their errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import ClassSet
from fullconv.data import (
    Augmentation,
    Sample,
    augment,
    available_splits,
    check,
    loader,
    open_source,
)
from fullconv.data.layouts.datasets.sift_flow import FOLDER
from fullconv.errors import UserError
from sift_flow_files import GEOMETRIC, SEMANTIC, write_labels

KINDS = ("color", "depth", "nir")
EDGES = '[[class]]\nname = "flat"\n[[class]]\nname = "steep"\n'


@pytest.fixture
def rgbd(make_folder, save):
    """A folder data set of 24x32 with depth, near infrared and a second label map ``slope``."""
    root = make_folder("set", train=3, val=2)
    (root / "slope.toml").write_text(EDGES)
    rng = np.random.default_rng(1)
    for photo in sorted((root / "images").rglob("*.png")):
        split, name = photo.parent.name, photo.name
        save(rng.integers(900, 5000, (24, 32)).astype(np.uint16), f"set/depth/{split}/{name}")
        save(rng.integers(0, 256, (24, 32), np.uint8), f"set/nir/{split}/{photo.stem}.tif")
        save(rng.choice(np.array([0, 1, 255], np.uint8), (24, 32)), f"set/slope/{split}/{name}")
    return root


def test_inputs_lie_behind_one_another(rgbd):
    from PIL import Image

    plain = open_source(rgbd, "train")[1]
    sample = open_source(rgbd, "train", inputs=KINDS)[1]
    assert sample.image.shape == (24, 32, 5)
    assert sample.image.dtype == np.float32
    assert (sample.image[..., :3] == plain.image).all()
    millimetres = np.asarray(Image.open(rgbd / "depth" / "train" / "001.png")).astype(np.float64)
    assert np.allclose(np.exp(sample.image[..., 3].astype(np.float64)), millimetres, rtol=1e-5)
    assert (sample.image[..., 4] == np.asarray(Image.open(rgbd / "nir/train/001.tif"))).all()
    assert (sample.mask == plain.mask).all()


def test_8_bit_inputs_stay_8_bit(rgbd):
    assert open_source(rgbd, "val", inputs=("color", "nir"))[0].image.dtype == np.uint8
    assert open_source(rgbd, "val", inputs=("nir",))[0].image.shape == (24, 32, 1)


def test_unknown_depth_is_the_usual_one(rgbd, save):
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:4] = 0
    save(depth, "set/depth/val/000.png")
    shown = open_source(rgbd, "val", inputs=("depth",))[0].image[..., 0]
    assert np.allclose(shown[:4], 7.844)
    assert np.allclose(shown[4:], np.log(1000))


def test_label_maps_are_counted_one_after_the_other(rgbd):
    source = open_source(rgbd, "train", outputs=("masks", "slope"))
    first, second = source.classes.outputs
    assert (first.name, first.first, len(first.classes)) == ("masks", 0, 3)
    assert (second.name, second.first, second.classes.names) == ("slope", 3, ("flat", "steep"))
    assert source.classes.names[3:] == ("slope: flat", "slope: steep")
    sample, slope = source[0], open_source(rgbd, "train", outputs=("slope",))
    assert slope.classes.names == ("flat", "steep")
    assert slope.classes.parts == (("slope", ClassSet(("flat", "steep"))),)
    assert sample.mask.shape == (24, 32, 2)
    assert sample.mask.dtype == np.uint8
    assert (sample.mask[..., 0] == open_source(rgbd, "train")[0].mask).all()
    there = slope[0].mask
    assert (sample.mask[..., 1] == np.where(there == 255, 255, there + 3)).all()


def test_classes_of_several_outputs_survive_being_written(rgbd):
    classes = open_source(rgbd, "train", outputs=("masks", "slope")).classes
    assert ClassSet.from_dict(classes.to_dict()) == classes
    with pytest.raises(UserError, match="must ignore the same"):
        ClassSet.joint({"one": ClassSet(("a",)), "two": ClassSet(("b",), ignore=254)})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"outputs": ("masks", "edges")}, "no label map 'edges'; it has masks, slope"),
        ({"outputs": ("slope", "slope")}, "named twice"),
        ({"outputs": ("slope",), "classes": "nyud-40"}, "exclude each other"),
    ],
)
def test_what_cannot_be_opened_is_one_line(rgbd, options, says):
    with pytest.raises(UserError, match=says):
        open_source(rgbd, "train", **options)


def test_layouts_with_one_label_map_say_so(tmp_path, save):
    save(np.zeros((4, 4, 3), np.uint8), "a.png")
    save(np.zeros((4, 4), np.uint8), "b.png")
    (tmp_path / "pairs.txt").write_text("a.png b.png\n")
    (tmp_path / "classes.txt").write_text("ground\n")
    split = available_splits(tmp_path / "pairs.txt")[0]
    with pytest.raises(UserError, match="one label map, no 'depth'"):
        open_source(tmp_path / "pairs.txt", split, outputs=("depth",))


def test_both_label_maps_of_sift_flow(tmp_path, save):
    save(np.zeros((2, 3, 3), np.uint8), f"Images/{FOLDER}/coast.jpg")
    write_labels(tmp_path, "SemanticLabels", "coast", [[0, 1, 2], [28, 32, 33]], SEMANTIC)
    write_labels(tmp_path, "GeoLabels", "coast", [[-1, 1, 2], [0, 3, 3]], GEOMETRIC)
    (tmp_path / "trainval.txt").write_text("coast\n")
    source = open_source(tmp_path, "trainval", outputs=("semantic", "geometric"))
    assert [o.first for o in source.classes.outputs] == [0, 33]
    assert source[0].mask[..., 1].tolist() == [[255, 33, 34], [255, 35, 35]]


def errors(root, **options):
    splits = {name: open_source(root, name, **options) for name in ("train", "val")}
    return [str(error) for error in check(splits) if error.severity == "error"]


def test_the_check_finds_what_is_wrong_with_inputs_and_label_maps(rgbd, save):
    everything = {"inputs": KINDS, "outputs": ("masks", "slope")}
    assert not errors(rgbd, **everything)
    (rgbd / "depth/train/000.png").unlink()
    save(np.zeros((24, 32, 3), np.uint8), "set/depth/train/001.png")
    save(np.ones((12, 16), np.uint16), "set/depth/train/002.png")
    save(np.zeros((24, 32), np.uint16), "set/depth/val/000.png")
    save(np.zeros((24, 32, 3), np.uint8), "set/nir/val/001.tif")
    (rgbd / "slope/train/000.png").unlink()
    save(np.full((24, 32), 2, np.uint8), "set/slope/val/001.png")
    found = "\n".join(errors(rgbd, **everything))
    for says in (
        "depth/train/000.png: there is no such file",
        "depth/train/001.png: depth of the mode RGB",
        "depth/train/002.png: is 16 x 12 but the photo",
        "depth/val/000.png: holds no depth above 0",
        "nir/val/001.tif: nir of the mode RGB",
        "000: has no mask of the output 'slope'",
        "slope/val/001.png",
    ):
        assert says in found
    assert len(found.splitlines()) == 7


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.4, 2.0), st.sampled_from([0.0, 20.0]))
def test_all_inputs_and_label_maps_move_together(seed, scale, rotate):
    """Every plane changes as it would have alone."""
    rng = np.random.default_rng(7)
    image = rng.random((40, 50, 4), np.float32)
    masks = rng.integers(0, 4, (40, 50, 2), np.uint8)
    how = Augmentation(
        crop=(33, 45), scale=(scale, scale), hflip=True, rotate=rotate, mask_resize="majority"
    )
    fill = (0.1, 0.2, 0.3, 0.4)

    def changed(channels, mask):
        sample = Sample("x", image[..., channels], mask)
        random = np.random.default_rng(seed)
        return augment(sample, how, random, tuple(np.take(fill, channels)), colored=False)

    whole = changed([0, 1, 2, 3], masks)
    assert whole.image.shape == (33, 45, 4)
    assert whole.mask.shape == (33, 45, 2)
    for channel in range(4):
        alone = changed([channel], masks[..., channel % 2])
        assert (whole.image[..., channel] == alone.image[..., 0]).all()
        assert (whole.mask[..., channel % 2] == alone.mask).all()


def test_colours_change_and_other_inputs_do_not(rgbd):
    how = Augmentation(brightness=0.5, contrast=0.5)
    plain = open_source(rgbd, "train")[0]
    both = open_source(rgbd, "train", inputs=("color", "depth"))[0]
    alone, joint = (augment(s, how, np.random.default_rng(3)) for s in (plain, both))
    assert (joint.image[..., :3] == alone.image).all()
    assert (alone.image != plain.image).any()
    assert (joint.image[..., 3] == both.image[..., 3]).all()


def test_batches_hold_all_of_it(rgbd):
    source = open_source(rgbd, "train", inputs=("color", "depth"), outputs=("masks", "slope"))
    how = Augmentation(crop=(30, 40), brightness=0.2)  # larger than the photos
    fill = (124.0, 116.0, 104.0, 7.844)
    (batch,) = loader(source, batch_size=2, augmentation=how, stop_step=1, fill=fill)
    assert tuple(batch.images.shape) == (2, 30, 40, 4)
    assert tuple(batch.masks.shape) == (2, 30, 40, 2)
    padding = (batch.masks == 255).all(-1) & (batch.images[..., 3] == np.float32(7.844))
    assert padding.sum() >= 2 * (30 * 40 - 24 * 32)


def test_shapes_have_depth_and_a_coarser_labelling():
    source = open_source("shapes:64x80:n=4", "train", inputs=("color", "depth"))
    kinds = open_source("shapes:64x80:n=4", "train")[2]
    sample = source[2]
    assert (sample.image[..., :3] == kinds.image).all()
    depth = np.exp(sample.image[..., 3])
    assert depth[kinds.mask == 0].mean() > 1.2 * depth[(kinds.mask > 0) & (kinds.mask < 255)].mean()
    outlines = open_source("shapes:64x80:n=4", "train", outputs=("outlines",))[2].mask
    assert ((outlines == 0) == (kinds.mask == 0)).all()
    assert ((outlines == 255) == (kinds.mask == 255)).all()
    with pytest.raises(UserError, match="shapes: has color and depth, no hha"):
        open_source("shapes:64x80:n=4", "train", inputs=("color", "hha"))[0]


def test_files_are_found_beside_the_photos(rgbd, monkeypatch):
    from pathlib import Path

    from fullconv.data.reading.modality_files import plane_file

    photo = rgbd / "images/val/000.png"
    assert plane_file(photo, "nir") == rgbd / "nir/val/000.tif"
    monkeypatch.chdir(rgbd)
    assert plane_file(Path("images/val/000.png"), "depth") == Path("depth/val/000.png")
    assert open_source(".", "val", inputs=("color", "depth"))[0].image.shape == (24, 32, 4)
    monkeypatch.chdir(rgbd / "images/val")
    assert plane_file(Path("000.png"), "depth") == rgbd / "depth/val/000.png"
    voc = Path("images/VOC2012/JPEGImages/1.jpg")
    assert plane_file(voc, "depth") == Path("images/VOC2012/depth/1.png")
    assert plane_file(Path("some/photos/1.jpg"), "depth") == Path("some/depth/1.png")


def test_masks_of_0_and_255_are_found_in_any_output(rgbd, save):
    for split, count in (("train", 3), ("val", 2)):
        for i in range(count):
            mask = np.zeros((24, 32), np.uint8)
            mask[5:9, 5:9] = 255
            save(mask, f"set/slope/{split}/{i:03d}.png")
    found = "\n".join(errors(rgbd, outputs=("masks", "slope")))
    assert "split train, output slope: every labelled pixel is class 0 ('flat')" in found
