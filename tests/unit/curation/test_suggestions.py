"""The choice of photos, of views whose numbers are written down."""

from dataclasses import replace

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


def view(name, angle, uncertainty=0.5, shares=(0.8, 0.2, 0.0), seed=0):
    """A photo whose features lie at an ``angle`` in degrees."""
    features = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))], np.float32)
    look = fingerprint(picture(seed))
    return PhotoView(name, features, look, np.array(shares, np.float32), uncertainty, (0, 1))


def names(chosen):
    return [each.name for each in chosen.photos]


def numbered(*views):
    """With pictures that differ."""
    return [replace(each, fingerprint=fingerprint(picture(n))) for n, each in enumerate(views)]


def clusters(seed, sizes, spread=0.05):
    """Photos around random directions; their names say which, their pictures differ."""
    rng = np.random.default_rng(seed)
    photos = []
    for cluster, size in enumerate(sizes):
        centre = np.abs(rng.normal(size=12)) + 3 * np.eye(12)[cluster]
        for number in range(size):
            features = centre + spread * rng.normal(size=12)
            features = (features / np.linalg.norm(features)).astype(np.float32)
            shares = rng.dirichlet((8, 2, 0.3)).astype(np.float32)
            name = f"{cluster}-{number}"
            look = fingerprint(picture([seed, len(photos)]))
            photos.append(PhotoView(name, features, look, shares, rng.random(), (0, 1)))
    return photos


LABELLED = [view("labelled", 0, seed=1000)]
PIXELS = np.array([900, 99, 1])


def reason(suggestion, kind):
    return next((str(each) for each in suggestion.reasons if each.kind == kind), "")


def test_the_farther_of_two_alone_comes_first():
    photos = numbered(view("near", 5), view("far", 80))
    chosen = suggest(photos, LABELLED, CLASSES, 1, PIXELS)
    assert names(chosen) == ["far"]
    assert chosen.photos[0].distance == pytest.approx(1 - np.cos(np.radians(80)), abs=1e-6)
    assert chosen.photos[0].nearest == "labelled"
    assert reason(chosen.photos[0], "new").endswith("than all others; nearest is labelled")


def test_an_outlier_waits_until_the_large_group_is_covered():
    group = [view(f"group {n}", 38 + n / 3) for n in range(12)]
    photos = numbered(view("outlier", -90), *group)
    chosen = suggest(photos, LABELLED, CLASSES, 2, PIXELS)
    first, second = chosen.photos
    assert first.name.startswith("group")
    assert first.represents == 11
    assert reason(first, "typical").startswith("typical: nearer to 11 other photos")
    assert second.name == "outlier"
    assert second.represents == 0
    assert not reason(second, "typical")


@pytest.mark.parametrize("seed", range(10))
def test_an_outlier_is_never_before_a_group_of_ten(seed):
    photos = clusters(seed, (10, 1))
    assert names(suggest(photos, [], CLASSES, 1, PIXELS))[0].startswith("0-")


@pytest.mark.parametrize("seed", range(10))
def test_each_group_gets_one_before_any_gets_two(seed):
    photos = clusters(seed, (5, 9, 3, 14, 7))
    chosen = suggest(photos, [], CLASSES, 5, PIXELS)
    assert sorted(name.partition("-")[0] for name in names(chosen)) == list("01234")


def test_the_uncertain_one_of_two_groups_comes_first():
    sure = [view(f"sure {n}", 40 + n, 0.1 + n / 1000) for n in range(5)]
    unsure = [view(f"unsure {n}", -40 - n, 0.9 + n / 1000) for n in range(5)]
    first = suggest(numbered(*sure, *unsure), LABELLED, CLASSES, 1, PIXELS).photos[0]
    assert first.name.startswith("unsure")
    assert reason(first, "uncertain").endswith(", mostly between road and car")


def test_the_less_sure_of_two_equally_far_comes_first():
    photos = numbered(view("sure", 40, 0.1), view("unsure", -40, 0.9))
    assert names(suggest(photos, LABELLED, CLASSES, 2, PIXELS)) == ["unsure", "sure"]


def test_the_one_with_the_rare_class_comes_first():
    photos = numbered(view("roads", 40), view("cows", -40, shares=(0.8, 0.1, 0.1)))
    chosen = suggest(photos, LABELLED, CLASSES, 2, PIXELS)
    assert names(chosen) == ["cows", "roads"]
    text = reason(chosen.photos[0], "rare class")
    assert text == "rare class: 10.0 % cow, 0.1 % of the labelled pixels"
    assert not reason(chosen.photos[1], "rare class")


def test_rarity_by_hand():
    photos = numbered(view("a", 40, shares=(0.5, 0.25, 0.25)))
    (only,) = suggest(photos, LABELLED, CLASSES, 1, PIXELS).photos
    relative = (0.001 * 3 + 0.005) / 1.005  # of an equal share of three classes
    assert only.rarity == pytest.approx(-0.25 * np.log2(relative), rel=1e-5)
    assert [str(each) for each in only.reasons] == ["only choice: there is no other photo"]


def test_a_common_class_with_much_area_is_no_rare_one():
    photos = numbered(view("full of cars", 40, shares=(0.1, 0.9, 0.0)), view("roads", -40))
    chosen = suggest(photos, LABELLED, CLASSES, 2, np.array([700, 250, 50]))
    assert all(not reason(each, "rare class") for each in chosen.photos)
    assert [each.rarity for each in chosen.photos] == [0, 0]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_called_rare_has_less_than_a_quarter_of_an_equal_share(seed):
    rng = np.random.default_rng(seed)
    classes = ClassSet(tuple(f"class{n}" for n in range(6)))
    pixels = (rng.dirichlet(np.full(6, 0.4)) * 1e6).astype(np.int64)
    photos = numbered(
        *(view(f"p{n}", 4 * n, shares=rng.dirichlet(np.full(6, 0.4))) for n in range(15))
    )
    rare = {name for name, count in zip(classes.names, pixels, strict=True) if count < 1e6 / 24}
    texts = [
        reason(each, "rare class") for each in suggest(photos, LABELLED, classes, 15, pixels).photos
    ]
    named = {text.partition(" % ")[2].partition(",")[0] for text in texts if text}
    assert named <= rare
    assert bool(named) == bool(rare)


def test_without_labels_a_class_is_rare_among_the_photos_and_the_reason_says_so():
    photos = numbered(*(view(f"p{n}", 9 * n) for n in range(8)))
    photos[3] = replace(photos[3], shares=np.array([0.7, 0.2, 0.1], np.float32))
    chosen = suggest(photos, [], CLASSES, 8)
    texts = {each.name: reason(each, "rare class") for each in chosen.photos}
    assert texts.pop("p3") == "rare class: 10.0 % cow, 1.3 % of these photos"
    assert not any(texts.values())


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


@pytest.mark.parametrize("seed", range(4))
def test_of_near_duplicates_one_at_most_is_chosen(seed):
    rng = np.random.default_rng(seed)
    photos = []
    for number in range(6):
        image = picture([seed, number]).astype(np.float32)
        for copy in range(3):
            saved = np.clip(image * rng.uniform(0.9, 1.1) + rng.normal(0, 3, image.shape), 0, 255)
            one = view(f"{number}-{copy}", 14 * number + copy / 10, rng.random())
            photos.append(replace(one, fingerprint=fingerprint(saved.astype(np.uint8))))
    chosen = suggest(photos, LABELLED, CLASSES, 18, PIXELS)
    assert sorted(name.partition("-")[0] for name in names(chosen)) == list("012345")
    assert chosen.duplicates == 12


def test_without_labelled_photos_they_spread_over_themselves():
    photos = numbered(view("a", 0, 0.9), view("beside a", 1, 0.8), view("b", 90, 0.7))
    chosen = suggest(photos, [], CLASSES, 2)
    assert sorted(names(chosen)) in (["a", "b"], ["b", "beside a"])
    assert chosen.photos[0].nearest is None
    assert not reason(chosen.photos[0], "new")


def test_every_photo_has_a_reason_and_all_are_chosen_where_there_are_few():
    photos = numbered(*(view(f"p{n}", 3 * n, n / 10) for n in range(5)))
    chosen = suggest(photos, LABELLED, CLASSES, 50, PIXELS)
    assert len(chosen.photos) == 5
    assert all(each.reasons for each in chosen.photos)
    assert suggest([], LABELLED, CLASSES, 5, PIXELS).photos == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_photos_does_not_matter(seed):
    photos = clusters(seed, (6, 1, 9, 4))
    twins = [replace(each, name=f"{each.name} again") for each in photos[:5]]  # equal in all else
    photos, labelled = [*photos, *twins], numbered(*(view(f"l{n}", 9 * n) for n in range(4)))
    labelled = [replace(each, features=np.resize(each.features, 12) / 6**0.5) for each in labelled]
    rng = np.random.default_rng(seed)
    expected = suggest(photos, labelled, CLASSES, 30, PIXELS)
    for _ in range(4):
        order = rng.permutation(len(photos))
        shuffled = [photos[place] for place in order]
        mixed = [labelled[place] for place in rng.permutation(len(labelled))]
        chosen = suggest(shuffled, mixed, CLASSES, 30, PIXELS)
        assert chosen.duplicates == expected.duplicates
        back = [replace(each, place=int(order[each.place])) for each in chosen.photos]
        assert back == list(expected.photos)


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
