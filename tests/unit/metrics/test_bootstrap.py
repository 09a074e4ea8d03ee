import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from fullconv.metrics import PhotoMetrics, counts_of, difference, intervals, obstacle
from fullconv.metrics import bootstrap as drawing
from fullconv.metrics.class_metrics import iu, mean

NAMES = ("a", "b", "c")


def photo_counts(photos, seed=0, right=0.8):
    """Counts of photos that differ in how right and in what is in them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(photos):
        share = np.clip(rng.normal(right, 0.1), 0, 1)
        kept = np.diag(rng.integers(50, 500, 3)) * share
        found.append(counts_of(np.round(kept + rng.integers(0, 60, (3, 3))).astype(np.int64)))
    return np.array(found)


def metrics(counts):
    return PhotoMetrics(tuple(f"p{i}" for i in range(len(counts))), NAMES, counts)


def mean_iu(counts):
    return float(mean(iu(counts.sum(0))))


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 80), st.integers(0, 10**6))
def test_the_interval_contains_the_value(photos, seed):
    counts = photo_counts(photos, seed)
    computed = intervals(counts)
    assert computed.mean_iu.low < mean_iu(counts) < computed.mean_iu.high
    for ends, value in zip(computed.iu, iu(counts.sum(0)), strict=True):
        assert 0 <= ends.low < value < ends.high <= 1
    assert computed.photos == photos


def test_more_photos_make_it_narrower():
    widths = []
    for photos in (20, 80, 320):
        ends = intervals(photo_counts(photos)).mean_iu
        widths.append(ends.high - ends.low)
    # a standard error falls with the square root: by half at four times the photos
    assert widths[1] / widths[0] == pytest.approx(1 / 2, rel=0.35)
    assert widths[2] / widths[1] == pytest.approx(1 / 2, rel=0.35)


def test_against_scipy():
    counts = photo_counts(12)
    index = np.arange(len(counts))
    expected = bootstrap(
        (index,),
        lambda drawn, axis: mean(iu(counts[drawn].sum(-3))),
        n_resamples=20000, method="percentile", vectorized=True, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = intervals(counts, 20000).mean_iu
    assert found.low == pytest.approx(expected.low, abs=5e-4)
    assert found.high == pytest.approx(expected.high, abs=5e-4)


def test_it_covers_the_truth_about_as_often_as_it_says():
    everything = photo_counts(4000, seed=5)
    truth, rng = mean_iu(everything), np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        ends = intervals(everything[rng.integers(0, 4000, 60)], 200).mean_iu
        inside += ends.low <= truth <= ends.high
    assert inside >= 86


def test_the_same_seed_draws_the_same_and_parts_change_nothing(monkeypatch):
    counts = photo_counts(30)
    first = intervals(counts, seed=3)
    monkeypatch.setattr(drawing, "AT_ONCE", 200)  # some draws at a time
    again, other = intervals(counts, seed=3), intervals(counts, seed=4)
    assert again.mean_iu == first.mean_iu and again.iu == first.iu
    assert other.mean_iu != first.mean_iu


def test_photos_that_are_alike_leave_no_doubt():
    counts = np.repeat(photo_counts(1), 7, 0)
    ends = intervals(counts).mean_iu
    assert ends.low == pytest.approx(ends.high) == pytest.approx(mean_iu(counts))


def test_a_class_in_no_photo_has_none_and_leaves_the_mean():
    counts = photo_counts(20)
    wider = np.concatenate([counts, np.zeros((20, 3, 1), np.int64)], 2)
    computed = intervals(wider)
    assert not computed.iu[3].is_known
    assert computed.mean_iu == intervals(counts).mean_iu


def test_one_photo_and_none_have_no_interval():
    for photos in (0, 1):
        assert not intervals(photo_counts(1)[:photos].reshape(photos, 3, 3)).mean_iu.is_known


def test_a_difference_is_of_the_same_draws():
    """What varies alike in both is not in the difference: scipy's paired way agrees."""
    first = photo_counts(15)
    second = first.copy()
    second[:, 0] -= np.random.default_rng(2).integers(0, 10, (15, 3))
    compared = difference(metrics(first), metrics(second), 20000)
    index = np.arange(15)
    expected = bootstrap(
        (index,),
        lambda drawn, axis: mean(iu(first[drawn].sum(-3))) - mean(iu(second[drawn].sum(-3))),
        n_resamples=20000, method="percentile", vectorized=True, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert compared.value == pytest.approx(mean_iu(first) - mean_iu(second))
    assert compared.interval.low == pytest.approx(expected.low, abs=5e-4)
    assert compared.interval.high == pytest.approx(expected.high, abs=5e-4)
    assert compared.is_told
    alone = intervals(first).mean_iu
    assert compared.interval.high - compared.interval.low < (alone.high - alone.low) / 2


def test_a_net_cannot_be_told_from_itself():
    same = metrics(photo_counts(20))
    compared = difference(same, same)
    assert compared.value == 0 and not compared.is_told


def test_what_cannot_be_compared_says_why():
    counts = photo_counts(5)
    first = metrics(counts)
    other_classes = PhotoMetrics(first.names, ("a", "b", "d"), counts)
    other_photos = PhotoMetrics(("q", *first.names[1:]), NAMES, counts)
    other_masks = metrics(counts + np.array([0, 1, 0])[:, None])
    assert obstacle(first, other_classes) == "their classes differ"
    for other in (other_photos, other_masks):
        assert obstacle(first, other) == "they were not evaluated on the same photos"
        with pytest.raises(ValueError, match="same photos"):
            difference(first, other)
    assert obstacle(first, metrics(counts)) is None
