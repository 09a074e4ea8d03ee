import pytest

from fullconv.serve.answers import accepted_kind
from fullconv.serve.request_errors import RequestError


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("application/*", "json"),
        ("APPLICATION/JSON; q=0.1", "json"),
        ("image/png", "mask"),
        ("image/*", "mask"),
        ("image/png, */*;q=0.1", "mask"),
        ("image/png;q=0.2, application/json;q=0.9", "json"),
        ("image/png; picture=overlay", "overlay"),
        ('image/png;picture="Overlay"', "overlay"),
        ("image/png; picture=probability;q=1.0, */*;q=0.5", "probability"),
        ("text/html,application/xhtml+xml,image/webp,*/*;q=0.8", "json"),
        ("application/json;q=0, */*", "mask"),
        ("image/png;q=oops", "mask"),
    ],
)
def test_what_is_wanted_most(accept, kind):
    assert accepted_kind(accept) == kind


@pytest.mark.parametrize(
    "accept", ["text/html", "image/webp", "image/png; picture=cat", "*/*;q=0", ";;;", "q=1"]
)
def test_what_there_is_not_is_refused_with_what_there_is(accept):
    with pytest.raises(RequestError) as error:
        accepted_kind(accept)
    assert (error.value.status, error.value.code) == (406, "FC-SERVE-006")
    assert "image/png; picture=overlay" in error.value.message
