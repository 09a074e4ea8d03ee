"""What the commands say in one line."""

from fullconv.cli.tables import predicted


def test_predicted():
    assert (
        predicted(200, 0, 83.4, 78.4) == "200 of 200 photos predicted in 1:23 min (2.4/s, net 94%)"
    )
    assert predicted(300, 1, 2.0, 1.0) == "299 of 300 photos predicted in 2 s (150/s, net 50%)"
    assert predicted(2, 2, 1.0, 0.0) == "0 of 2 photos predicted"
    assert predicted(2, 1, 1.0, None) == "1 of 2 photos predicted"
