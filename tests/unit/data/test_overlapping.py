"""Classes that may overlap: a mask for each, from folders of classes or from class numbers."""

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import (
    Augmentation,
    Sample,
    TaskChoice,
    as_source,
    augment,
    available_splits,
    check,
    for_task,
    from_pairs,
    in_order_of,
    loader,
    open_source,
    positive_weights,
)
from fullconv.data.augment.mix import paste
from fullconv.data.splits.overlapping import only_present
from fullconv.errors import UserError
from overlapping_data import SHAPES, overlapping_scene, write_overlapping


@pytest.fixture
def data(tmp_path):
    return write_overlapping(tmp_path / "set", train=4, val=2)


def test_a_folder_of_masks_for_each_class_is_opened_with_both(data):
    source = open_source(data, "train")
    assert source.classes == SHAPES
    assert available_splits(data) == ["train", "val"]
    for number in range(4):
        image, masks = overlapping_scene(number)
        sample = source[number]
        assert np.array_equal(sample.image, image)
        assert np.array_equal(sample.mask, np.dstack([masks["disc"], masks["box"]]))
    assert any((source.mask(n).sum(2) == 2).any() for n in range(4))  # they do overlap


def test_a_missing_mask_means_that_the_class_is_absent_and_the_check_says_so(data):
    (data / "masks" / "train" / "box" / "001.png").unlink()
    source = open_source(data, "train")
    mask = source.mask(1)
    assert mask[..., 0].any() and not mask[..., 1].any()
    (note,) = [each for each in check({"train": source}) if each.code == "FC-DATA-139"]
    assert note.severity == "note" and "1 of 4" in note.what and "box" in note.what


def test_a_photo_without_any_mask_is_an_error(data):
    for name in ("disc", "box"):
        (data / "masks" / "val" / name / "100.png").unlink()
    findings = check({"val": open_source(data, "val")})
    assert [each.code for each in findings if each.severity == "error"] == ["FC-DATA-107"]


@pytest.mark.parametrize("number", [0, 1])
def test_masks_of_two_sizes_name_both_files(data, number):
    name = ("disc", "box")[number]
    path = data / "masks" / "train" / name / "000.png"
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(path)
    with pytest.raises(UserError, match=r"000\.png") as error:
        open_source(data, "train")[0]
    assert error.value.code == "FC-DATA-109"


def test_masks_of_0_and_255_are_found_and_read_where_the_class_file_says_so(data):
    for path in (data / "masks").glob("*/box/*.png"):
        Image.fromarray(255 * np.asarray(Image.open(path))).save(path)
    errors = [each for each in check({"train": open_source(data, "train")}) if "box" in each.what]
    assert [each.code for each in errors] == ["FC-DATA-114"]
    toml = data / "classes.toml"
    toml.write_text("ignore = 254\n" + toml.read_text())
    assert np.array_equal(
        open_source(data, "train").mask(0)[..., 1], overlapping_scene(0)[1]["box"]
    )


def test_another_value_names_the_file(data):
    path = data / "masks" / "train" / "box" / "002.png"
    mask = np.array(Image.open(path))
    mask[0, 0] = 7
    Image.fromarray(mask).save(path)
    findings = check({"train": open_source(data, "train")})
    assert [(each.code, each.file) for each in findings] == [("FC-DATA-014", str(path))]


def test_ignored_pixels_are_ignored_for_their_class_alone(data):
    path = data / "masks" / "train" / "box" / "000.png"
    mask = np.array(Image.open(path))
    mask[:10] = 255
    Image.fromarray(mask).save(path)
    read = open_source(data, "train").mask(0)
    assert (read[:10, :, 1] == 255).all() and (read[..., 0] <= 1).all()


def test_without_a_class_file_the_folders_name_the_classes(data):
    (data / "classes.toml").unlink()
    assert open_source(data, "train").classes.names == ("box", "disc")


def test_a_folder_that_is_no_class_is_named(data):
    (data / "masks" / "train" / "box").rename(data / "masks" / "train" / "bx")
    with pytest.raises(UserError, match="'bx'") as error:
        open_source(data, "train")
    assert error.value.code == "FC-DATA-138"


def test_split_lists_and_one_folder_of_photos(tmp_path):
    data = tmp_path / "set"
    for number in range(3):
        image, masks = overlapping_scene(number)
        for folder, array in [("images", image), *((f"masks/{n}", m) for n, m in masks.items())]:
            (data / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(data / folder / f"{number}.png")
    (data / "train.txt").write_text("0\n2\n")
    (data / "val.txt").write_text("1\n")
    source = open_source(data, "train")
    assert source.names == ("0", "2") and source.classes.names == ("box", "disc")
    assert np.array_equal(source.mask(1)[..., 0], overlapping_scene(2)[1]["box"])


def test_plain_masks_in_folders_by_place_stay_plain(make_folder, save):
    data = make_folder(train=1)
    save(np.zeros((8, 8, 3), np.uint8), "set/images/train/street/a.png")
    save(np.zeros((8, 8), np.uint8), "set/masks/train/street/a.png")
    assert not open_source(data, "train").classes.is_overlapping


def test_one_class_against_the_rest(make_folder):
    data = make_folder(train=2)
    plain = open_source(data, "train")
    cat = open_source(data, "train", task=TaskChoice("binary", ("cat",)))
    named = open_source(data, "train", task=TaskChoice(foreground=("cat",)))
    assert named.classes == cat.classes
    assert cat.classes.names == ("cat",) and cat.classes.task == "binary"
    assert cat.classes.colors == (plain.classes.colors[1],)
    assert np.array_equal(cat[0].mask, plain[0].mask == 1)


def test_of_two_classes_the_second_is_the_one_that_is_meant(make_folder):
    data = make_folder(train=1)
    (data / "classes.toml").write_text('[[class]]\nname = "rest"\n[[class]]\nname = "cat"\n')
    for path in (data / "masks" / "train").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) % 2).save(path)
    assert open_source(data, "train", task=TaskChoice("binary")).classes.names == ("cat",)


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        (TaskChoice("binary"), "--foreground"),
        (TaskChoice("semantic", ("cat",)), "foreground"),
        (TaskChoice("multilabel", ("cat", "cat")), "twice"),
    ],
)
def test_a_task_that_the_data_does_not_suit_is_refused(make_folder, choice, named):
    with pytest.raises(UserError, match=named) as error:
        open_source(make_folder(train=1), "train", task=choice)
    assert error.value.code == "FC-DATA-137"


def test_overlapping_masks_are_no_semantic_ones(data):
    with pytest.raises(UserError, match="semantic") as error:
        open_source(data, "train", task=TaskChoice("semantic"))
    assert error.value.code == "FC-DATA-137"


def test_every_class_for_itself_keeps_what_is_ignored(make_folder, save):
    data = make_folder(train=1)
    mask = np.array([[0, 1, 2, 255]], np.uint8).repeat(24, 0).repeat(8, 1)
    save(mask, "set/masks/train/000.png")
    source = open_source(data, "train", task=TaskChoice("multilabel", ("dog", "cat")))
    assert np.array_equal(source.mask(0)[0, ::8], [[0, 0], [0, 1], [1, 0], [255, 255]])


def test_the_classes_of_a_net_are_picked_and_put_into_its_order(data):
    source = open_source(data, "train")
    with pytest.warns(UserWarning, match="another order"):
        turned = in_order_of(source, ("box", "disc"))
    assert np.array_equal(turned[0].mask, source[0].mask[..., ::-1])
    box = for_task(source, TaskChoice("binary", ("box",)))
    assert np.array_equal(box[0].mask, source[0].mask[..., 1])


MOVES = Augmentation(
    crop=(48, 56), scale=(0.5, 2.0), hflip=True, vflip=True, rotate90=True, rotate=30,
    rare_crops=0.5, mask_resize="majority",
)  # fmt: skip


@pytest.mark.parametrize("halved", [False, True])
def test_augmentation_moves_the_masks_as_the_photo(halved):
    """A photo that shows its own masks says what they must be after the change."""
    how = MOVES.halved() if halved else MOVES
    _, masks = overlapping_scene(3)
    planes = np.dstack([masks["disc"], masks["box"]])
    image = np.dstack([255 * planes, np.full(planes.shape[:2], 128, np.uint8)])
    for seed in range(25):
        rng = np.random.default_rng(seed)
        result = augment(Sample("a", image, planes), how, rng, (0, 0, 0), 255, True, True)
        assert result.mask.shape == (*result.image.shape[:2], 2)
        assert set(np.unique(result.mask)) <= {0, 1, 255}
        known = result.mask != 255
        wrong = (result.image[..., :2] > 128) != (result.mask == 1)
        assert (wrong & known).mean() < 0.06  # along the borders, which are interpolated
        assert ((result.image[..., :2] > 250) & (result.mask == 0)).mean() < 0.01


def test_a_rare_class_is_what_is_there_not_what_is_absent():
    mask = np.zeros((2, 3, 2), np.uint8)
    mask[0, 1] = 1, 0
    mask[1, 2] = 0, 1
    mask[1, 0] = 255
    shown = only_present(mask)
    assert shown[0, 1].tolist() == [0, 255] and shown[1, 2].tolist() == [255, 1]
    assert (shown != 255).sum() == 2


def test_pasting_brings_the_pixels_of_a_class_with_all_their_labels():
    image, masks = overlapping_scene(0)
    planes = np.dstack([masks["disc"], masks["box"]])
    plain = Sample("plain", np.zeros_like(image), np.zeros_like(planes))
    result = paste(plain, Sample("b", image, planes), np.random.default_rng(0), 255, True)
    changed = (result.mask != 0).any(2)
    assert changed.any()
    pasted = (result.image != 0).any(2)
    assert np.array_equal(result.mask[pasted], planes[pasted])
    assert planes[pasted].sum(1).min() > 0  # nothing but classes is pasted


def test_batches_have_a_mask_for_each_class_and_the_steps_of_half_size_too(data):
    source = open_source(data, "train")
    steps = loader(source, batch_size=2, augmentation=MOVES, coarse_steps=1, stop_step=2)
    first, second = steps
    assert tuple(first.masks.shape) == (2, 24, 28, 2)
    assert tuple(second.masks.shape) == (2, 48, 56, 2)
    assert set(np.unique(second.masks)) <= {0, 1, 255}


def test_present_pixels_weigh_as_much_as_the_absent_ones_when_balanced(data):
    source = open_source(data, "train")
    present = sum(source.mask(n).sum((0, 1), dtype=int) for n in range(4))
    absent = 4 * 64 * 80 - present
    assert positive_weights(source, "balanced") == pytest.approx(absent / present, rel=1e-5)
    assert positive_weights(source, "softened") == pytest.approx((absent / present) ** 0.5)


def test_a_class_set_keeps_its_thresholds_as_text():
    classes = ClassSet(("a", "b")).overlapping((0.3, 0.7))
    assert ClassSet.from_dict(classes.to_dict()) == classes
    assert classes.task == "multilabel" and classes.colors[0] != (0, 0, 0)
    assert "thresholds" not in ClassSet(("a", "b")).to_dict()


@pytest.mark.parametrize(
    "thresholds", [(0.5,), (0.5, 1.0), (0.0, 0.5), (0.5, float("nan")), ("a",)]
)
def test_thresholds_that_are_none_are_refused(thresholds):
    with pytest.raises(UserError) as error:
        ClassSet(("a", "b"), thresholds=thresholds)
    assert error.value.code == "FC-CLASS-014"


@pytest.mark.parametrize("kind", ["array", "tensor", "bool"])
def test_pairs_from_python_have_a_mask_for_each_class(kind):
    torch = pytest.importorskip("torch")
    image, masks = overlapping_scene(0)
    planes = np.dstack([masks["disc"], masks["box"]])
    given = {
        "array": planes,
        "tensor": torch.from_numpy(planes).permute(2, 0, 1),
        "bool": planes.astype(bool),
    }
    source = as_source(from_pairs([(image, given[kind])], SHAPES), "train")
    assert np.array_equal(source[0].mask, planes)
    wrong = as_source(from_pairs([(image, masks["disc"])], SHAPES), "train")
    with pytest.raises(UserError) as error:
        wrong[0]
    assert error.value.code == "FC-DATA-014"
