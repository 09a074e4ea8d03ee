"""What the commands say in one line."""

import pytest

from fullconv.screen import duration, predicted


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.042, "0.042 s"),
        (1.5, "1.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00"),
        (83.4, "1:23"),
        (3599.6, "1:00:00"),
        (7425, "2:03:45"),
    ],
)
def test_duration(seconds, said):
    assert duration(seconds) == said


def test_predicted():
    assert predicted(200, 0, 83.4, 78.4) == "200 of 200 photos predicted in 1:23 (2.4/s, net 94%)"
    assert predicted(300, 1, 2.0, 1.0) == "299 of 300 photos predicted in 2 s (150/s, net 50%)"
    assert predicted(2, 2, 1.0, 0.0) == "0 of 2 photos predicted"
    assert predicted(2, 1, 1.0, None) == "1 of 2 photos predicted"
