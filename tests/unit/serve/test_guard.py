"""Who is let in: by name, by origin, by token."""

import pytest
from starlette.datastructures import Headers

from fullconv.serve.middleware import check
from fullconv.serve.request_errors import RequestError
from fullconv.serve.settings import Settings, hosts_for

TOKEN = "0123456789abcdef"
LOCAL = Settings()
ASKS = Settings(token=TOKEN, hosts=hosts_for("0.0.0.0", ()))


def status(path="/v1/segment", settings=LOCAL, query=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        check(path, query, Headers({"host": "127.0.0.1:8000", **named}), settings)
    except RequestError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "localhost.:80"]
)
def test_names_of_this_machine_are_answered(host):
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "", "127.0.0.1.evil.example", "localhost@evil.example",
     "evil.example#localhost", "[::1", "127.0.0.2", "\xff"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/segment", "/healthz", "/openapi.json"])
def test_a_page_that_reaches_it_by_another_name_gets_nothing(host, path):
    assert status(path, host=host) == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9000", "http://127.0.0.1", "",
     "http://localhost:8000", "http://[::1", "http://127.0.0.1:8000.evil.example"],
)  # fmt: skip
def test_pages_of_other_origins_are_refused(origin):
    assert status(origin=origin) == 403


def test_its_own_page_is_not():
    assert status(origin="http://127.0.0.1:8000", sec_fetch_site="same-origin") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_browsers_say_of_the_asking_page_counts(site):
    assert status(sec_fetch_site=site) == 403
    assert status("/", sec_fetch_site=site) == 200, "a link from elsewhere to the page"


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer", "Bearer ",
     "Bearer \xff\xfe", f"Bearer {TOKEN.upper()}"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/segment", "/v1/models", "/metrics", "/openapi.json"])
def test_without_the_token_nothing_is_told(path, given):
    assert status(path, ASKS, host="any.example", authorization=given) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_it_all_is(scheme):
    assert status(settings=ASKS, host="any.example", authorization=f"{scheme} {TOKEN}") == 200


@pytest.mark.parametrize(
    "query",
    [f"token={TOKEN}", f"access_token={TOKEN}", f"x=1&TOKEN={TOKEN}", f"model={TOKEN}", TOKEN,
     "token=", "%74oken=abc"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/segment", "/healthz"])
def test_a_token_in_the_url_is_refused_even_beside_the_right_one(path, query):
    bearer = f"Bearer {TOKEN}"
    assert status(path, ASKS, query.encode(), host="any.example", authorization=bearer) == 400


def test_other_parameters_are_no_token():
    assert status(query=b"model=street&answer=mask&alpha=0.3&token_count=3") == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/healthz", "/readyz"])
def test_page_and_health_need_no_token(path):
    assert status(path, ASKS, host="any.example") == 200
