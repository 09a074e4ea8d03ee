"""Reading ahead and writing behind: the order, the bounds, what is raised, and no thread left."""

import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.predict import pipeline
from fullconv.predict.pipeline import overlapped, read_ahead

PATIENCE = 20  # seconds until a test that would wait for ever fails


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("fullconv")]


def size_of(item):
    return 0


def doubled(item, read):
    return read * 2


def paired(item, made):
    return item, made


def plainly(items, read=str, write=paired, pixels=size_of):
    return overlapped(items, read, doubled, write, pixels)


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 2 * pipeline.ROOM), max_size=12))
def test_all_in_order_and_never_more_than_there_is_room_for(sizes):
    held, most, lock = Counter(), [], threading.Lock()

    def read(item):
        with lock:
            held[item] = sizes[item]
            most.append((sum(held.values()), len(held)))
        return str(item)

    def write(item, made):
        with lock:
            del held[item]
        return item, made

    found = list(plainly(list(range(len(sizes))), read, write=write, pixels=lambda i: sizes[i]))
    assert found == [(i, str(i) * 2) for i in range(len(sizes))]
    for pixels, count in most:
        assert pixels <= pipeline.ROOM or count == 1
        assert count <= 1 + pipeline.AHEAD + pipeline.BEHIND + 1
    assert not threads()


def test_the_next_is_read_and_the_last_written_while_the_net_runs():
    read_next, worked_next = threading.Event(), threading.Event()

    def read(item):
        if item == 1:
            read_next.set()
        return item

    def work(item, content):
        assert threading.current_thread() is threading.main_thread()
        if item == 0:
            assert read_next.wait(PATIENCE)
        if item == 1:
            worked_next.set()
        return content

    def write(item, made):
        assert threading.current_thread() is not threading.main_thread()
        return item > 0 or worked_next.wait(PATIENCE)

    assert list(overlapped([0, 1, 2], read, work, write, size_of)) == [True, True, True]


@pytest.mark.parametrize("where", ["read", "work", "write"])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_what_is_raised_is_raised_in_its_turn(where, kind):
    written = []

    def fails(name):
        def call(item, *made):
            if name == where and item == 3:
                raise kind("the third")
            if name == "write":
                written.append(item)
            return item

        return call

    found = []
    with pytest.raises(kind, match="the third"):
        for each in overlapped(range(9), *map(fails, ("read", "work", "write")), size_of):
            found.append(each)
    assert found == [0, 1, 2][: len(found)]  # of the last no more may be heard
    assert written[:3] == [0, 1, 2]
    assert not threads()


def test_who_stops_early_leaves_nothing_running():
    begun = []
    results = plainly(list(range(50)), lambda item: begun.append(item) or "x")
    assert next(results) == (0, "xx")
    results.close()
    assert not threads()
    count = len(begun)
    assert count <= 1 + pipeline.AHEAD + pipeline.BEHIND + 1
    assert len(begun) == count


@given(st.integers(0, 6))
def test_samples_in_order(count):
    assert list(read_ahead(str, count)) == [str(i) for i in range(count)]
    assert not threads()


def test_a_sample_is_read_while_the_one_before_is_worked_on():
    read_next = threading.Event()

    def read(index):
        if index == 1:
            read_next.set()
        if index == 2:
            raise OSError("the second")
        return index

    samples = read_ahead(read, 4)
    assert next(samples) == 0
    assert read_next.wait(PATIENCE)
    assert next(samples) == 1
    with pytest.raises(OSError, match="the second"):
        next(samples)
    assert not threads()
