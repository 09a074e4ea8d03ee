"""Forms as another library writes them, and as nobody should."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.serve.request_errors import RequestError
from fullconv.serve.upload import photo_part


def form(**parts):
    """Content type and body of a form, by httpx."""
    request = httpx.Request("POST", "http://localhost", files=parts)
    return request.headers["content-type"], request.read()


@given(st.binary(max_size=200) | st.sampled_from([b"\r\n--", b"--\r\n\r\n", b"\r\n" * 9]))
def test_the_content_comes_back(content):
    assert photo_part(*form(photo=("a.jpg", content, "image/jpeg"))) == content


def test_other_parts_are_left_out():
    parts = {"note": (None, b"x"), "photo": ("a.jpg", b"the photo"), "more": ("b.jpg", b"y")}
    assert photo_part(*form(**parts)) == b"the photo"


@pytest.mark.parametrize("count", [2, 3])
def test_of_several_photos_none_is_answered_for_all(count):
    files = [("photo", (f"{number}.jpg", b"x%d" % number)) for number in range(count)]
    request = httpx.Request("POST", "http://localhost", files=files)
    with pytest.raises(RequestError, match=f"{count} files called 'photo'") as error:
        photo_part(request.headers["content-type"], request.read())
    assert (error.value.status, error.value.code) == (422, "FC-SERVE-011")


def test_the_file_name_is_not_looked_at():
    for name in ("../../etc/passwd", "C:\\x.jpg", 'a"b', "\u202egpj.exe"):
        assert photo_part(*form(photo=(name, b"abc"))) == b"abc"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        form(picture=("a.jpg", b"abc")),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a" * 100_000),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n"),
        ("multipart/form-data; boundary=" + "x" * 500, b"--x"),
    ],
    ids=["no photo", "no boundary", "empty", "other boundary", "long", "cut", "long boundary"],
)
def test_a_form_without_a_photo_is_refused(content_type, body):
    with pytest.raises(RequestError) as error:
        photo_part(content_type, body)
    assert (error.value.status, error.value.code) == (422, "FC-SERVE-011")


def test_a_form_of_thousands_of_parts_is_refused():
    kind, body = form(**{f"p{number}": (None, b"x") for number in range(1000)})
    with pytest.raises(RequestError, match="Too many fields"):
        photo_part(kind, body)


def test_a_form_that_is_cut_off_is_refused():
    kind, body = form(photo=("a.jpg", b"abc" * 50))
    with pytest.raises(RequestError) as error:
        photo_part(kind, body[: len(body) // 2])
    assert error.value.status == 422
