"""The errors that benchmarks/label_errors.py plants, and its figures by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import label_errors
from fullconv.data import as_source, from_pairs, open_source
from label_errors import Planted, Ranking, damaged, objects


def street():
    """A car of 30 x 40 pixels on the road, half of the mask; a wall too large for an object."""
    mask = np.zeros((240, 320), np.uint8)
    mask[:60] = 2
    mask[120:150, 100:140] = 1
    return mask


def test_objects_are_neither_large_nor_thin():
    mask = street()
    mask[200:203, 10:300] = 1  # a line
    (car,) = objects(mask, 255)
    assert np.array_equal(car, street() == 1)


@pytest.mark.parametrize("seed", range(4))
def test_each_kind_of_error_does_what_it_is_called(seed):
    def change(kind):
        result = damaged(street(), kind, 4, 255, np.random.default_rng(seed))
        assert result is not None
        return result

    car = street() == 1
    swapped = change("swapped")
    assert len(np.unique(swapped[car])) == 1
    assert swapped[car][0] != 1
    assert np.array_equal(swapped[~car], street()[~car])
    assert np.array_equal(change("forgotten"), np.where(car, 0, street()))
    moved = change("moved")
    assert (moved == 1).sum() == car.sum()
    rows, columns = np.nonzero(moved == 1)
    distance = np.hypot(rows.mean() - 134.5, columns.mean() - 119.5) / (400 / 600)
    assert 14 < distance < 31


def test_the_copy_has_the_errors_that_are_listed(tmp_path):
    scenes = open_source("shapes:160x208:n=40", "val")
    planted = label_errors.planted_copy(scenes, tmp_path, 0.5, seed=3)
    assert len(planted) == round(0.5 * len(scenes))
    copy = open_source(tmp_path, "val")
    for place, name in enumerate(copy.names):
        changed = copy.mask(place) != scenes.mask(int(name))
        assert changed.any() == (name in planted)
        if name in planted:
            assert np.array_equal(changed, planted[name].where)


def test_precision_and_recall_by_hand():
    nowhere = np.zeros((1, 1), bool)
    planted = {"a": Planted("moved", nowhere), "b": Planted("swapped", nowhere)}
    ranking = Ranking(["a", "x", "b", "y"])
    assert ranking.precision(planted, 2) == 0.5
    assert ranking.recall(planted, 2) == 0.5
    assert ranking.recall(planted, 3, "swapped") == 1
    assert ranking.average_precision(planted) == pytest.approx((1 + 2 / 3) / 2)


def test_masks_without_an_object_get_no_error(tmp_path):
    plain = np.zeros((40, 60), np.uint8)
    pairs = [(np.zeros((40, 60, 3), np.uint8), plain)] * 4
    source = as_source(from_pairs(pairs, ["road", "car"]), "val")
    assert label_errors.planted_copy(source, tmp_path, 0.5, seed=0) == {}


def test_choices_by_fixed_features_are_compared(monkeypatch, capsys):
    import suggest_linear

    command = "x shapes:96x128:n=60 --start 4 --number 2 --rounds 1 --seeds 1 --photos 12"
    monkeypatch.setattr(sys, "argv", command.split())
    suggest_linear.main()
    said = capsys.readouterr().out
    rows = {line.split(" | ")[0][2:]: line for line in said.splitlines() if line.startswith("| ")}
    assert {*suggest_linear.WAYS} <= {*rows}
    starts = {rows[way].split(" | ")[1] for way in suggest_linear.WAYS}
    assert len(starts) == 1  # all begin with the same photos


def test_mean_iu_by_hand():
    import torch

    import suggest_linear

    features = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    photo = suggest_linear.Photo("a", features, torch.tensor([0, 1, 1, -1]), np.zeros(2))
    score = suggest_linear.mean_iu([photo], torch.eye(2), torch.zeros(2))
    assert score == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_an_interrupted_comparison_of_choices_continues(tmp_path, monkeypatch, capsys):
    import fullconv
    import suggest

    command = (
        "x shapes:96x128:n=30 --start 4 --number 2 --rounds 1 --steps 2 --seeds 3 --photos 12 "
        f"--net fcn8s-resnet18 --width 0.0625 --work {tmp_path / 'work'}"
    )
    monkeypatch.setattr(sys, "argv", command.split())
    suggest.main()
    said = capsys.readouterr().out
    assert len(list((tmp_path / "work").iterdir())) == 3  # the start, and a round of each way
    assert "seed 3, suggest, 6 photos" in said

    def train(*given, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(fullconv, "train", train)
    suggest.main()
    assert capsys.readouterr().out == said
