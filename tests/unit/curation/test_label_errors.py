"""Likely label errors of an engine whose probabilities are written down."""

import numpy as np
import pytest

from fullconv.classes import ClassSet
from fullconv.curation import find_label_errors
from fullconv.curation.label_errors import disagreement
from fullconv.curation.photo_scores import check_classes, entropy, softmin
from fullconv.data import Sample, as_source
from fullconv.errors import UserError
from fullconv.inference.engines.engine import Engine

CLASSES = ClassSet(("road", "car", "tree"))
SIZE = (40, 60)


class Sure(Engine):
    """Gives the class in a photo's first channel the probability 0.9, the others 0.05."""

    channels = 3
    in_blocks = False

    def scores(self, image):
        shares = np.full((3, *image.shape[:2]), 0.05, np.float32)
        np.put_along_axis(shares, image[None, ..., 0].astype(np.int64), 0.9, 0)
        return np.log(shares)

    def class_map(self, image):
        return image[..., 0]


class Labelled:
    """Photos that show their true classes, with the masks given."""

    classes = CLASSES

    def __init__(self, truths, masks):
        self.truths, self.masks = truths, masks

    def __len__(self):
        return len(self.truths)

    def __getitem__(self, index):
        return Sample(f"photo {index}", np.dstack([self.truths[index]] * 3), self.masks[index])


def truth(columns=20):
    values = np.zeros(SIZE, np.uint8)
    values[:, :columns] = 1
    values[:, 40:] = 2
    return values


def errors_of(*masks, truths=None):
    truths = truths or [truth()] * len(masks)
    source = as_source(Labelled(truths, list(masks)), "val")
    return find_label_errors(Sure(), source), source


def wrong(value=2, box=(10, 25, 30, 35)):
    mask = truth()
    top, left, bottom, right = box
    mask[top:bottom, left:right] = value
    return mask


def test_right_masks_have_no_errors():
    label_errors, _ = errors_of(truth(), truth())
    assert label_errors.with_errors == ()
    assert label_errors.mean_iu == 1


def test_the_wrong_region_is_named_with_its_place():
    label_errors, _ = errors_of(truth(), wrong(), truth())
    assert [mask.name for mask in label_errors.with_errors] == ["val[1]"]
    (region,) = label_errors.masks[0].regions
    assert (region.label, region.prediction) == (2, 0)
    assert region.box == (10, 25, 30, 35)
    assert region.pixels == 200
    assert region.confidence == pytest.approx(0.9)
    assert region.label_probability == pytest.approx(0.05)


def test_the_cost_is_what_the_mean_iu_gains_without_the_error():
    label_errors, _ = errors_of(truth(), wrong())
    pixels, error = 2 * 40 * 20, 200
    iu = [(pixels - error) / pixels, 1.0, pixels / (pixels + error)]
    assert label_errors.mean_iu == pytest.approx(np.mean(iu))
    assert label_errors.masks[0].cost == pytest.approx(1 - np.mean(iu))
    assert label_errors.masks[0].regions[0].cost == pytest.approx(1 - np.mean(iu))


def test_the_score_is_the_product_of_three_surprises():
    label_errors, _ = errors_of(truth(), wrong())
    inside = (20 - 2) * (10 - 2)  # at this size a pixel of each side is border
    share = 200 / (2 * 40 * 20 + 200)
    expected = -np.log(0.05) * -np.log(share) * np.log1p(inside)
    assert label_errors.masks[0].score == pytest.approx(expected, rel=1e-5)


def test_larger_errors_and_rarer_confusions_come_first():
    label_errors, _ = errors_of(wrong(box=(10, 22, 20, 32)), truth(), wrong(box=(5, 22, 35, 38)))
    assert [mask.name for mask in label_errors.masks] == ["val[2]", "val[0]", "val[1]"]
    often = [wrong(2, (0, 20, 40, 40))] * 3
    label_errors, _ = errors_of(*often, wrong(1, (5, 22, 35, 38)))
    assert label_errors.masks[0].name == "val[3]"


def test_what_the_net_is_less_sure_of_than_usual_is_no_error():
    class Unsure(Sure):
        def scores(self, image):
            shares = np.exp(super().scores(image))
            dark = image[..., 1] == 7
            shares[:, dark] = shares[:, dark] * 0.6 + 0.4 / 3
            return np.log(shares)

    class Dark(Labelled):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample.image[10:30, 25:35, 1] = 7
            return sample

    source = as_source(Dark([truth()] * 2, [truth(), wrong()]), "val")
    assert find_label_errors(Unsure(), source).with_errors == ()


def test_thin_and_ignored_disagreement_is_no_error():
    thin, ignored = wrong(box=(0, 20, 40, 22)), wrong(255)
    label_errors, _ = errors_of(thin, ignored, truth())
    assert label_errors.with_errors == ()


def test_the_map_of_the_likely_errors_is_the_error():
    label_errors, source = errors_of(truth(), wrong())
    _, prediction, likely_errors = disagreement(Sure(), source[1], label_errors.masks[0])
    assert np.array_equal(prediction, truth())
    assert np.array_equal(likely_errors, wrong() != truth())


def test_a_part_of_the_photos_is_spread_evenly():
    source = as_source(Labelled([truth()] * 9, [truth()] * 9), "val")
    assert sorted(mask.place for mask in find_label_errors(Sure(), source, most=3).masks) == [
        0,
        3,
        6,
    ]


def test_photos_without_masks_are_left_out_and_none_at_all_is_an_error():
    label_errors, _ = errors_of(None, wrong())
    assert len(label_errors.masks) == 1
    with pytest.raises(UserError, match="no photo has a mask") as error:
        errors_of(None, None)
    assert error.value.code == "FC-DATA-107"


def test_several_outputs_are_ranked_each_by_its_own_classes():
    joint = ClassSet.joint({"kind": CLASSES, "shape": ClassSet(("flat", "round"))})

    class Two(Sure):
        channels = 5

        def scores(self, image):
            second = np.where(image[None, ..., 0] == 1, [[[0.1]], [[0.9]]], [[[0.9]], [[0.1]]])
            return np.concatenate([super().scores(image), np.log(second)]).astype(np.float32)

        def class_map(self, image):
            return np.dstack([image[..., 0], 3 + (image[..., 0] == 1)]).astype(np.uint8)

    masks = [np.dstack([truth(), 3 + (truth() == 1)]).astype(np.uint8) for _ in range(3)]
    masks[1][5:35, 2:18, 1] = 3  # flat, where it is round

    class Joint:
        classes, split, names = joint, "val", ("a", "b", "c")

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return Sample(self.names[index], np.dstack([truth()] * 3), masks[index])

        def mask(self, index):
            return masks[index]

        def files(self, index):
            return None, None

    source = Joint()
    label_errors = find_label_errors(Two(), source)
    assert [mask.name for mask in label_errors.with_errors] == ["b"]
    (region,) = label_errors.masks[0].regions
    assert [joint.names[v] for v in (region.label, region.prediction)] == [
        "shape: flat",
        "shape: round",
    ]
    _, _, likely_errors = disagreement(Two(), source[1], label_errors.masks[0])
    assert likely_errors.sum() == 30 * 16


def test_large_photos_are_compared_smaller_and_places_are_the_photos_own():
    big = np.ones((40, 40), np.uint8)
    truths = [np.kron(truth(), big)] * 2  # 1600 x 2400
    label_errors, source = errors_of(truths[0], np.kron(wrong(), big), truths=truths)
    (region,) = label_errors.masks[0].regions
    assert np.allclose(region.box, (400, 1000, 1200, 1400), atol=2)
    assert region.pixels == pytest.approx(800 * 400, rel=0.01)
    small, prediction, likely_errors = disagreement(Sure(), source[1], label_errors.masks[0])
    assert small.image.shape[0] * small.image.shape[1] <= 2_000_000 * 1.01
    assert prediction.shape == likely_errors.shape == small.image.shape[:2]
    assert likely_errors.mean() == pytest.approx(200 / 2400, rel=0.02)


@pytest.mark.skipif(not hasattr(ClassSet, "overlapping"), reason="classes cannot overlap")
def test_classes_that_may_overlap_are_refused():
    with pytest.raises(UserError) as error:
        check_classes(ClassSet(("a", "b")).overlapping())  # pyright: ignore
    assert error.value.code == "FC-CURATE-003"
    check_classes(CLASSES)


def test_softmin_is_near_the_least_of_a_few():
    values = np.array([0.0, 1.0, 1.0])
    weights = np.exp((1 - values) / 0.1)
    assert softmin(values) == pytest.approx((weights * values).sum() / weights.sum())
    assert softmin(np.ones(5)) == 1
    assert softmin(np.array([])) == 1
    assert softmin(np.full(9, 0.3)) == pytest.approx(0.3)


def test_entropy_is_0_where_sure_and_1_where_all_are_equal():
    shares = np.array([[[1.0, 0.25]], [[0.0, 0.25]], [[0.0, 0.25]], [[0.0, 0.25]]], np.float32)
    assert entropy(shares) == pytest.approx(np.array([[0.0, 1.0]]), abs=1e-6)
    assert entropy(np.ones((1, 2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]
