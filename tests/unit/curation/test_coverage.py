"""Facility location: against all choices and against the plain greedy one, and by hand."""

from itertools import combinations

import numpy as np
import pytest

from fullconv.curation.coverage import Coverage


def unit(angles):
    radians = np.radians(np.asarray(angles, np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], 1)


def distance(one, other):
    return 1 - np.cos(np.radians(one - other))


def random_photos(seed, count, known):
    rng = np.random.default_rng(seed)
    features = rng.random((count + known, 6))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features[:count], features[count:], rng.random(count)


def covered(features, weights, known, chosen):
    """By how much nearer the photos are with the chosen ones, each by its weight."""
    before = (1 - features @ known.T).min(1) if len(known) else np.ones(len(features))
    after = np.minimum(before, (1 - features @ features[list(chosen)].T).min(1))
    return float(weights @ (before - after))


def greedy(features, weights, known, number):
    coverage = Coverage(features, weights, known, [f"known {n}" for n in range(len(known))])
    left, chosen, gains = np.ones(len(features), bool), [], []
    for _ in range(number):
        place, gain = coverage.best(left)
        left[place] = False
        coverage.add(place, f"photo {place}")
        chosen.append(place)
        gains.append(gain)
    return chosen, gains


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("known", [0, 3])
def test_every_choice_is_the_one_that_covers_most(seed, known):
    features, labelled, weights = random_photos(seed, 90, known)
    chosen, gains = greedy(features, weights, labelled, 12)
    for number, (place, gain) in enumerate(zip(chosen, gains, strict=True)):
        before = covered(features, weights, labelled, chosen[:number]) if number else 0
        left = [each for each in range(90) if each not in chosen[:number]]
        by_each = [
            covered(features, weights, labelled, [*chosen[:number], each]) - before for each in left
        ]
        assert left[int(np.argmax(by_each))] == place
        assert gain == pytest.approx(max(by_each), abs=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_the_choice_is_near_the_best_of_all_choices(seed):
    features, labelled, weights = random_photos(seed, 12, 2)
    chosen, _ = greedy(features, weights, labelled, 4)
    best = max(covered(features, weights, labelled, each) for each in combinations(range(12), 4))
    assert covered(features, weights, labelled, chosen) >= (1 - 1 / np.e) * best


def test_the_gain_of_three_photos_by_hand():
    weights = np.array([1.0, 0.5, 0.25])
    coverage = Coverage(unit([30, 40, 90]), weights, unit([0]), ["labelled"])
    place, gain = coverage.best(np.ones(3, bool))
    middle = (
        distance(30, 0) - distance(30, 40) + 0.5 * distance(40, 0)
        + 0.25 * (distance(90, 0) - distance(90, 40))
    )  # fmt: skip
    assert place == 1
    assert gain == pytest.approx(middle, abs=1e-6)
    assert coverage.represented(1) == 2
    assert coverage.represented(2) == 0  # the one at 40 is 50 from it and 40 from the labelled one


def test_what_was_added_is_the_nearest_of_those_around_it():
    coverage = Coverage(unit([10, 80, 85]), np.ones(3), unit([0]), ["labelled"])
    assert coverage.nearest == ["labelled"] * 3
    coverage.add(1, "chosen")
    assert coverage.nearest == ["labelled", "chosen", "chosen"]
    assert coverage.distance == pytest.approx([distance(10, 0), 0, distance(85, 80)], abs=1e-9)
    assert coverage.represented(1) == 0


def test_blocks_change_nothing(monkeypatch):
    features, labelled, weights = random_photos(3, 70, 5)
    whole = greedy(features, weights, labelled, 10)
    monkeypatch.setattr("fullconv.curation.coverage.BLOCK", 150)
    assert greedy(features, weights, labelled, 10)[0] == whole[0]


def test_where_all_is_covered_the_heaviest_comes_first():
    coverage = Coverage(unit([0, 0, 0]), np.array([0.2, 0.9, 0.4]), unit([0]), ["labelled"])
    assert coverage.best(np.ones(3, bool))[0] == 1
    assert coverage.best(np.array([True, False, True]))[0] == 2


def test_features_that_are_all_0_are_as_far_from_everything_as_can_be():
    features = np.array([[0.0, 0], [0, 0], [1, 0]])
    chosen, gains = greedy(features, np.ones(3), unit([0]), 3)
    assert sorted(chosen) == [0, 1, 2]
    assert gains[0] == pytest.approx(1)
    assert chosen[2] == 2
