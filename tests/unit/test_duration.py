import pytest

from fullconv.duration import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.042, "0.042 s"),
        (1.5, "1.5 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (83.4, "1:23 min"),
        (3599.4, "59:59 min"),
        (3599.6, "1:00:00 h"),
        (100_000, "27:46:40 h"),
    ],
)
def test_seconds_are_written_with_their_unit(seconds, text):
    assert duration(seconds) == text
