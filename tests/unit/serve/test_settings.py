import pytest

from fullconv.errors import UserError
from fullconv.serve.settings import Settings, hosts_for, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1x"])
def test_all_else_is_beyond(host):
    assert not is_loopback(host)


def test_names_on_loopback_are_those_of_this_machine_and_the_added():
    assert hosts_for("127.0.0.5", ("Lab.Local",)) >= {"127.0.0.5", "lab.local", "localhost"}


def test_beyond_loopback_any_name_goes_until_some_are_named():
    assert hosts_for("0.0.0.0", ()) == frozenset()
    assert "lab.local" in hosts_for("0.0.0.0", ("lab.local",))


@pytest.mark.parametrize("token", ["short", "with a space in it", "ünicode-is-no-header", "x" * 15])
def test_a_token_that_is_guessed_or_no_header_is_refused(token):
    with pytest.raises(UserError, match="token"):
        Settings(token=token)


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"queue": -1}, {"max_pixels": 0}, {"seconds": float("nan")}]
)
def test_limits_that_let_nothing_through_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong)).replace("_", " ")):
        Settings(**wrong)
