"""No process of a training outlives its test."""

import pytest

from ranks import end_all


@pytest.fixture(autouse=True)
def _ended():
    yield
    end_all()
