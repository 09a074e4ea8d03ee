"""The choice of photos, of views whose numbers are written down."""

import numpy as np
import pytest

from fullconv.classes import ClassSet
from fullconv.curation import PhotoView, photo_view, suggest
from fullconv.data.checks.duplicates import fingerprint
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.models import TORCH

CLASSES = ClassSet(("road", "car", "cow"))


def picture(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)


def view(name, angle, uncertainty=0.5, shares=(0.8, 0.2, 0.0), seed=None):
    """A photo whose features lie at an ``angle`` in degrees."""
    features = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))], np.float32)
    look = fingerprint(picture(hash(name) % 2**31 if seed is None else seed))
    return PhotoView(name, features, look, np.array(shares, np.float32), uncertainty, (0, 1))


def names(chosen):
    return [each.name for each in chosen.photos]


def numbered(*views):
    """With pictures that differ."""
    return [
        PhotoView(v.name, v.features, fingerprint(picture(n)), v.shares, v.uncertainty, v.confused)
        for n, v in enumerate(views)
    ]


LABELLED = [view("labelled", 0, seed=1000)]
PIXELS = np.array([900, 99, 1])


def test_the_farther_of_two_alike_comes_first():
    photos = numbered(view("near", 5), view("far", 60), view("middle", 30))
    chosen = suggest(photos, LABELLED, CLASSES, 1, PIXELS)
    assert names(chosen) == ["far"]
    assert chosen.photos[0].distance == pytest.approx(1 - np.cos(np.radians(60)), abs=1e-6)
    assert chosen.photos[0].nearest == "labelled"


def test_after_a_choice_what_is_near_to_it_waits():
    photos = numbered(view("a", 80), view("beside a", 79), view("b", 40))
    chosen = suggest(photos, LABELLED, CLASSES, 3, PIXELS)
    assert names(chosen) == ["a", "b", "beside a"]
    assert chosen.photos[2].nearest == "a"


def test_the_less_sure_of_two_equally_far_comes_first():
    photos = numbered(view("sure", 40, 0.1), view("unsure", -40, 0.9))
    assert names(suggest(photos, LABELLED, CLASSES, 2, PIXELS)) == ["unsure", "sure"]


def test_the_one_with_the_rare_class_comes_first():
    photos = numbered(view("roads", 40), view("cows", -40, shares=(0.8, 0.1, 0.1)))
    chosen = suggest(photos, LABELLED, CLASSES, 2, PIXELS)
    assert names(chosen) == ["cows", "roads"]
    assert "rare (100%): 10.0 % cow, of the labels 0.1 %" in chosen.photos[0].reasons


def test_rarity_is_the_mean_information_of_the_classes():
    photos = numbered(view("a", 40, shares=(0.5, 0.25, 0.25)))
    frequency = (PIXELS / 1000 + 0.0005) / 1.0015
    (only,) = suggest(photos, LABELLED, CLASSES, 1, PIXELS).photos
    expected = -(np.array([0.5, 0.25, 0.25]) * np.log2(frequency)).sum()
    assert only.rarity == pytest.approx(expected, rel=1e-5)


def test_copies_of_labelled_held_out_and_chosen_photos_are_left_out():
    held_out = fingerprint(picture(2000))
    photos = [
        view("copy of labelled", 90, 0.9, seed=1000),
        view("copy of held out", 85, 0.9, seed=2000),
        view("new", 80, 0.9, seed=3000),
        view("new again", -80, 0.8, seed=3000),
        view("other", 20, seed=4000),
    ]
    chosen = suggest(photos, LABELLED, CLASSES, 5, PIXELS, [held_out])
    assert names(chosen) == ["new", "other"]
    assert chosen.duplicates == 3


def test_without_labelled_photos_they_spread_over_themselves():
    photos = numbered(view("a", 0, 0.9), view("beside a", 1, 0.8), view("b", 90, 0.7))
    chosen = suggest(photos, [], CLASSES, 2)
    assert names(chosen) == ["a", "b"]
    assert chosen.photos[0].nearest is None


def test_every_photo_has_a_reason_and_all_are_chosen_where_there_are_few():
    photos = numbered(*(view(f"p{n}", 3 * n, n / 10) for n in range(5)))
    chosen = suggest(photos, LABELLED, CLASSES, 50, PIXELS)
    assert len(chosen.photos) == 5
    assert all(each.reasons for each in chosen.photos)
    assert suggest([], LABELLED, CLASSES, 5, PIXELS).photos == ()


def test_the_order_of_the_candidates_does_not_matter():
    photos = numbered(*(view(f"p{n}", 7 * n, (n * 37 % 10) / 10) for n in range(9)))
    forward = suggest(photos, LABELLED, CLASSES, 9, PIXELS)
    backward = suggest(photos[::-1], LABELLED, CLASSES, 9, PIXELS)
    assert names(forward) == names(backward)


def test_a_view_is_what_the_net_computes(small_net):
    net = small_net(3)
    engine = TorchEngine((net, TORCH))
    image = picture(5)
    one = photo_view(engine, CLASSES, "a", image)
    scores = engine.scores(image)
    shares = np.exp(scores) / np.exp(scores).sum(0)
    assert one.shares == pytest.approx(shares.mean((1, 2)), abs=1e-5)
    logs = -(shares * np.log(shares)).sum(0) / np.log(3)
    assert one.uncertainty == pytest.approx(float(logs.mean()), abs=1e-5)
    assert np.linalg.norm(one.features) == pytest.approx(1, abs=1e-5)
    mirrored = photo_view(engine, CLASSES, "b", np.ascontiguousarray(255 - image))
    assert not np.allclose(mirrored.features, one.features)


@pytest.mark.parametrize("padding", ["same", "paper"])
def test_scores_with_features_are_those_without(small_net, padding):
    engine = TorchEngine((small_net(3, name="fcn8s-vgg16", padding=padding), TORCH))
    scores, features = engine.scores_and_features(picture(5)[:70, :90])
    assert scores == pytest.approx(engine.scores(picture(5)[:70, :90]), abs=1e-3)
    assert features.ndim == 1


@pytest.fixture
def small_net():
    from small_runs import small_net

    return small_net
