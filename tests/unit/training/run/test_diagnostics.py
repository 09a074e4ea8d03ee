import math

import numpy as np
import pytest

from fullconv.metrics import Scores
from fullconv.training.run.diagnostics import Diagnostics


def scores(matrix, names=("sky", "road", "car")):
    return Scores.from_confusion(np.array(matrix), names)


GOOD = scores([[9, 1, 0], [0, 9, 1], [1, 0, 9]])
ONE = scores([[0, 30, 0], [0, 40, 0], [0, 30, 0]])


def test_a_loss_that_stays_at_chance_is_said_once():
    watch = Diagnostics([11], [], fine_tuned=False)
    assert watch.loss(199, math.log(11)) is None  # too early to tell
    warning = watch.loss(200, math.log(11))
    assert "ln(classes) = 2.398" in warning
    assert "fullconv check" in warning
    assert watch.loss(220, math.log(11)) is None


@pytest.mark.parametrize("loss", [2.0, 2.3, 2.6, 0.1])
def test_a_loss_that_left_chance_is_not(loss):
    assert Diagnostics([11], [], fine_tuned=False).loss(1000, loss) is None


def test_one_class_has_no_chance_level():
    assert Diagnostics([1], [], fine_tuned=False).loss(1000, 0.0) is None


def test_one_class_everywhere_is_named():
    watch = Diagnostics([3], [], fine_tuned=False)
    (warning,) = watch.scores(100, 2000, ONE, None)
    assert "'road'" in warning
    assert "class_weights" in warning
    assert watch.scores(150, 2000, ONE, None) == []


def test_classes_that_are_never_predicted_are_named_after_a_tenth_of_the_run():
    matrix = [[9, 1, 0, 0], [0, 9, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]  # no truth of the last
    found = scores(matrix, ("sky", "road", "car", "boat"))
    watch = Diagnostics([4], [], fine_tuned=False)
    assert watch.scores(99, 1000, found, None) == []
    (warning,) = watch.scores(100, 1000, found, None)
    assert "at step 100 of 1000 no pixel is predicted as car:" in warning
    assert watch.scores(200, 1000, found, None) == []


def test_one_class_everywhere_is_right_where_the_truth_has_one():
    assert (
        Diagnostics([3], [], fine_tuned=False).scores(1, 9, scores(np.diag([0, 9, 0])), None) == []
    )


def test_good_scores_warn_of_nothing():
    assert Diagnostics([3], [], fine_tuned=True).scores(100, 100, GOOD, 0.8) == []


def test_a_fine_tuning_that_falls_below_its_start():
    watch = Diagnostics([3], [], fine_tuned=True)
    poor = scores([[4, 6, 0], [0, 4, 6], [6, 0, 4]])
    (warning,) = watch.scores(100, 100, poor, 0.81)
    assert "from 0.810 at the start to 0.250" in warning
    assert watch.scores(200, 200, poor, 0.81) == []
    assert Diagnostics([3], [], fine_tuned=True).scores(100, 100, poor, 0.3) == []
    assert Diagnostics([3], [], fine_tuned=False).scores(100, 100, poor, 0.81) == []
    assert Diagnostics([3], [], fine_tuned=True).scores(100, 100, poor, None) == []


def test_a_resume_repeats_nothing():
    said = []
    Diagnostics([3], said, fine_tuned=False).scores(100, 2000, ONE, None)
    assert Diagnostics([3], list(said), fine_tuned=False).scores(150, 2000, ONE, None) == []
    assert said == ["one class"]


def test_each_output_may_collapse_by_itself():
    """Two constant outputs predict two of all classes; the one that collapsed is named."""
    whole = np.zeros((5, 5), np.int64)
    whole[:3, :3] = np.diag([5, 4, 3])
    whole[3, 3], whole[4, 3] = 6, 6
    found = Scores.from_confusion(whole)  # named 0 to 4
    (warning,) = Diagnostics([3, 2], [], fine_tuned=False).scores(100, 2000, found, None)
    assert "every pixel is predicted as '3'" in warning
    assert Diagnostics([5], [], fine_tuned=False).scores(100, 2000, found, None) == []
