"""Many photos: read ahead, written behind, in order, within bounds, and no thread left."""

import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.classes import ClassSet
from fullconv.inference import Input, batch_predict, predict_each

PATIENCE = 20  # seconds until a test that would wait for ever fails
MOST = 1 + batch_predict.AHEAD + batch_predict.BEHIND + 1


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("fullconv")]


def nothing(number):
    """Do nothing with a photo."""


class Steps:
    """A predictor whose photos are numbers, and which calls a function at each step of one."""

    classes = ClassSet(("a", "b"))

    def __init__(self, read=nothing, work=nothing, write=nothing):
        self.steps = {"read": read, "work": work, "write": write}

    def read(self, file, others):
        number = int(file.stem)
        self.steps["read"](number)
        return number

    def predict_batch(self, numbers, scores, confidence=False):
        (number,) = numbers
        self.steps["work"](number)
        return [Made(number, self.steps["write"])]


class Made:
    """A prediction that is written by a function."""

    def __init__(self, number, write):
        self.number, self.write = number, write

    def save(self, stem, **options):
        self.write(self.number)
        return [Path(f"{stem}.png")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """``photos(count)``: files that are there, whose name is their number."""
    folder = tmp_path_factory.mktemp("photos")
    every = [Input(folder / f"{number}.png", Path(str(number))) for number in range(50)]
    for photo in every:
        photo.file.touch()
    return lambda count: every[:count]


def names(outcomes):
    return [outcome.written[0].stem for outcome in outcomes]


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 2 * batch_predict.ROOM), max_size=12))
def test_all_in_order_and_never_more_than_there_is_room_for(photos, sizes):
    held, most, lock = Counter(), [], threading.Lock()

    def read(number):
        with lock:
            held[number] = sizes[number]
            most.append((sum(held.values()), len(held)))

    def write(number):
        with lock:
            del held[number]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_predict, "stated_pixels", lambda photo: sizes[int(photo.file.stem)])
        results = list(predict_each(Steps(read, write=write), photos(len(sizes))))
    assert names(results) == [str(number) for number in range(len(sizes))]
    for pixels, count in most:
        assert pixels <= batch_predict.ROOM or count == 1
        assert count <= MOST
    assert not threads()


def test_the_next_is_read_and_the_last_written_while_the_net_runs(photos):
    read_next, worked_next = threading.Event(), threading.Event()

    def read(number):
        if number == 1:
            read_next.set()

    def work(number):
        assert threading.current_thread() is threading.main_thread()
        if number == 0:
            assert read_next.wait(PATIENCE)
        if number == 1:
            worked_next.set()

    def write(number):
        assert threading.current_thread() is not threading.main_thread()
        assert number > 0 or worked_next.wait(PATIENCE)

    assert names(predict_each(Steps(read, work, write), photos(3))) == ["0", "1", "2"]


@pytest.mark.parametrize("where", ["read", "work", "write"])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_what_is_raised_is_raised_in_its_turn(photos, where, kind):
    written = []

    def fails(name):
        def call(number):
            if name == where and number == 3:
                raise kind("the third")
            if name == "write":
                written.append(number)

        return call

    found = []
    with pytest.raises(kind, match="the third"):
        for outcome in predict_each(Steps(*map(fails, ("read", "work", "write"))), photos(9)):
            found.append(outcome)
    assert names(found) == ["0", "1", "2"][: len(found)]  # of the last no more may be heard
    assert written[:3] == [0, 1, 2]
    assert not threads()


def test_who_stops_early_leaves_nothing_running(photos):
    begun = []
    results = predict_each(Steps(begun.append), photos(50))
    assert next(results).written == (Path("0.png"),)
    results.close()
    assert not threads()
    count = len(begun)
    assert count <= MOST
    assert len(begun) == count
