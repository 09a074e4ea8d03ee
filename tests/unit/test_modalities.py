import pytest

from fullconv.errors import UserError
from fullconv.modalities import KINDS, channels_of, kinds_of, streams_of


def test_plus_shares_a_stream_and_a_comma_does_not():
    assert streams_of(["color+depth", "hha"]) == (("color", "depth"), ("hha",))
    assert kinds_of(["color+depth", "hha"]) == ("color", "depth", "hha")
    assert channels_of(("color", "depth", "hha")) == 7


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], "at least one of color"),
        (["colour"], "'colour' is unknown; there are color, depth"),
        (["color", "color"], "named twice"),
        (["hha", "color"], "color comes first"),
        (["color+"], "'' is unknown"),
    ],
)
def test_what_cannot_be_meant(inputs, says):
    with pytest.raises(UserError, match=says):
        streams_of(inputs)


def test_every_kind_has_a_value_for_each_channel():
    for kind in KINDS.values():
        assert len(kind.mean) == len(kind.std) == kind.channels
