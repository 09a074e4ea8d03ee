"""The thread of the nets: in order, together where photos are alike, nothing lost at the end."""

import threading

import numpy as np
import pytest

from fullconv.errors import UserError
from fullconv.serve.worker import BATCH_PIXELS, Job, Worker


@pytest.fixture
def worker():
    """``worker(batch)``, with what it noted in ``.noted``; held back while ``.hold`` is set."""
    made = []

    def make(batch=8):
        noted = []
        one = Worker(batch, lambda jobs, waited, took: noted.append((jobs, waited, took)))
        one.noted = noted
        made.append(one)
        return one

    yield make
    for each in made:
        each.close()


@pytest.fixture
def model(models):
    return models.pick(None)


class Held:
    """A job's model that waits until it is let go; then it is the real one."""

    def __init__(self, model):
        self.model, self.begun, self.go = model, threading.Event(), threading.Event()
        self.name, self.predictor, self.has_scores = model.name, self, True

    def predict_batch(self, images, **options):
        self.begun.set()
        assert self.go.wait(20)
        return self.model.predictor.predict_batch(images, **options)


def occupied(worker, model, image):
    """Keep the worker busy; returns what lets it go."""
    held = Held(model)
    job = Job(held, image)
    worker.submit(job)
    assert held.begun.wait(20)
    return held.go, job


def test_photos_of_equal_size_go_together_and_are_what_they_are_alone(worker, model, photo):
    one = worker()
    go, _ = occupied(one, model, photo(8, 8))
    photos = [photo(seed=seed) for seed in range(5)]
    jobs = [Job(model, each) for each in photos]
    for job in jobs:
        one.submit(job)
    go.set()
    for job, each in zip(jobs, photos, strict=True):
        np.testing.assert_array_equal(job.done.result(20).mask, model.predictor(each).mask)
    one.close()
    assert [len(jobs) for jobs, _, _ in one.noted] == [1, 5]


def test_other_sizes_wait_for_their_turn_and_no_more_than_the_batch_go(worker, model, photo):
    one = worker(batch=2)
    go, _ = occupied(one, model, photo(8, 8))
    sizes = [(10, 10), (12, 12), (10, 10), (10, 10)]
    jobs = [Job(model, photo(*size)) for size in sizes]
    for job in jobs:
        one.submit(job)
    go.set()
    one.close()
    order = [[jobs.index(job) for job in together] for together, _, _ in one.noted[1:]]
    assert order == [[0, 2], [1], [3]]


def test_large_photos_go_alone(worker, model, photo):
    one = worker()
    side = int((BATCH_PIXELS / 2) ** 0.5) + 1
    go, _ = occupied(one, model, photo(8, 8))
    for seed in range(2):
        one.submit(Job(model, photo(side, side, seed)))
    go.set()
    one.close()
    assert [len(jobs) for jobs, _, _ in one.noted] == [1, 1, 1]


def test_what_is_cancelled_before_its_turn_is_left_out(worker, model, photo):
    one = worker()
    go, first = occupied(one, model, photo(8, 8))
    gone, kept = Job(model, photo()), Job(model, photo())
    one.submit(gone)
    one.submit(kept)
    assert gone.done.cancel()
    go.set()
    one.close()
    assert first.done.result(0).mask.shape == (8, 8)
    assert kept.done.result(0).mask.shape == (37, 53)
    assert [len(jobs) for jobs, _, _ in one.noted] == [1, 1]


def test_a_fault_goes_to_who_asked_and_the_next_is_answered(worker, model, photo):
    one = worker()
    wrong = Job(model, np.zeros((4, 4, 5), np.uint8))
    one.submit(wrong)
    with pytest.raises(UserError, match=r"\(4, 4, 5\)"):
        wrong.done.result(20)
    assert one.submit(Job(model, photo())).result(20).mask.shape == (37, 53)
    assert one.alive


def test_closing_finishes_what_was_accepted_and_takes_no_more(worker, model, photo):
    one = worker()
    go, _ = occupied(one, model, photo(8, 8))
    jobs = [Job(model, photo(9 + number, 9)) for number in range(4)]
    for job in jobs:
        one.submit(job)
    closing = threading.Thread(target=one.close)
    closing.start()
    go.set()
    closing.join(20)
    assert all(job.done.done() for job in jobs)
    assert not one.alive
    with pytest.raises(RuntimeError):
        one.submit(Job(model, photo()))


def test_confidence_is_computed_in_its_thread(worker, model, photo, monkeypatch):
    one = worker()
    prediction = one.submit(Job(model, photo())).result(20)
    monkeypatch.setattr(model.predictor, "engine", None)  # not left for who asks for them
    assert prediction.confidence.shape == prediction.mask.shape == (37, 53)
    assert 1 / 4 <= prediction.confidence.min() <= prediction.confidence.max() <= 1
