"""Reading ahead: the order, what is raised, and no thread left."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.inference.photos.read_ahead import read_ahead

PATIENCE = 20  # seconds until a test that would wait for ever fails


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("fullconv-read")]


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
