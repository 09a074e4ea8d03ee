"""Photos at an address, by a real server; lists of names on standard input."""

import io
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs, predict_files
from fullconv.inference.photos import remote_photos
from fullconv.inference.photos.piped_names import names_in


@contextmanager
def server(files):
    """The address of a server of ``files``: path -> (status, headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = files.get(self.path, (404, {}, b"none"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def predictor(run):
    return Predictor(run, "cpu")


def test_an_address_is_predicted_as_the_file_that_is_there(predictor, picture, tmp_path):
    images = [picture(seed=seed) for seed in range(4)]
    kind = {"Content-Type": "image/png"}
    files = {
        "/a/photo.png": (200, kind, png(images[0])),
        "/b/photo.png": (200, kind, png(images[1])),
        "/c/photo.png?id=2": (200, {}, png(images[2])),
        "/c/photo.png?id=3": (200, kind, png(images[3])),
        "/page": (200, {"Content-Type": "text/html"}, b"<html>"),
        "/moved.png": (302, {"Location": "/a/photo.png"}, b""),
        "/local.png": (302, {"Location": "file:///etc/hostname"}, b""),
        "/text.png": (200, kind, b"no picture"),
    }
    with server(files) as base:
        paths = ["/a/photo.png", "/b/photo.png", "/c/photo.png?id=2", "/c/photo.png?id=3"]
        bad = ["/page", "/none.png", "/local.png", "/text.png"]
        inputs = [base + path for path in (*paths, "/moved.png", *bad)]
        results = list(predict_files(predictor, inputs, tmp_path / "out", overlay=False))
        by_url = {result.photo.url: result for result in results}
        written = [by_url[base + path].written[0] for path in (*paths, "/moved.png")]
        for image, file in zip([*images, images[0]], written, strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(file)), predictor(image).mask)
        assert len(set(written)) == 5
        for path, code in zip(bad, [*["FC-PREDICT-018"] * 3, None], strict=True):
            error = by_url[base + path].error
            assert error is not None and (code is None or error.code == code)
        np.testing.assert_array_equal(predictor(base + paths[1]).image, images[1])
        with pytest.raises(UserError) as caught:
            predictor(base + "/none.png")
        assert caught.value.code == "FC-PREDICT-018" and "/none.png" in str(caught.value)


def test_a_photo_that_is_too_large_and_a_switched_off_network_are_errors(
    predictor, picture, monkeypatch
):
    with server({"/a.png": (200, {}, png(picture()) + b"\0" * 2**22)}) as base:
        monkeypatch.setattr(remote_photos, "MOST_PHOTO", 1000)
        with pytest.raises(UserError) as caught, remote_photos.fetched(f"{base}/a.png", 1000):
            pass
        assert caught.value.code == "FC-PREDICT-018"
        monkeypatch.setenv("FULLCONV_OFFLINE", "1")
        with pytest.raises(UserError) as caught:
            predictor(f"{base}/a.png")
        assert caught.value.code == "FC-PREDICT-018" and "FULLCONV_OFFLINE" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://h/photo.jpg?x=1#y", "photo.jpg"),
        ("http://h/", "photo"),
        ("http://h", "photo"),
        ("http://h/..", "photo"),
        ("http://h/a/%2e%2e%2fetc", "etc"),
        ("http://h/%00.png", "png"),
        ("http://h/.hidden.png", "hidden.png"),
        ("http://h/two words.jpg", "two_words.jpg"),
        ("http://[::1", "photo"),
    ],
)
def test_results_of_addresses_stay_in_their_folder(tmp_path, address, name):
    assert remote_photos.name_of(address) == name
    (found,) = find_inputs([address], tmp_path / "out")
    assert found.url == address
    assert (tmp_path / "out") in found.result.parents


def test_a_list_of_names_on_standard_input_is_taken(run, picture, tmp_path):
    names = ["a b.png", "ü.png", "-c.png"]
    for number, name in enumerate(names):
        Image.fromarray(picture(seed=number)).save(tmp_path / name)
    listed = "\0".join([*names, "none.png"]) + "\0"
    call = [sys.executable, "-m", "fullconv", "predict", str(run), "-", "--out", "out"]
    call += ["--device", "cpu", "--no-overlay"]
    done = subprocess.run(
        call, cwd=tmp_path, input=listed.encode(), capture_output=True, env=os.environ, check=False
    )
    assert done.returncode == 1, done.stderr.decode()
    assert b"none.png" in done.stderr and b"FC-FILE-003" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["-c.png", "a b.png", "ü.png"]


def test_pictures_on_standard_input_are_never_taken_for_lists(picture):
    image = Image.fromarray(picture())
    for form in ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM"):
        file = io.BytesIO()
        image.save(file, form)
        assert names_in(file.getvalue()) is None
    for content in (b"P3\n2 1\n255\n0 0 0 9 9 9\n", b"<svg></svg>", b'{"error": 1}', b"\x93x\x01"):
        assert names_in(content) is None
    assert names_in(b"a.jpg\n\n b.jpg \n") == ["a.jpg", " b.jpg "]
    assert names_in(b"a.jpg\r\nb.jpg\r\n") == ["a.jpg", "b.jpg"]
    assert names_in("ü\xff".encode("latin-1")) == [os.fsdecode(b"\xfc\xff")]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n"])
def test_lists_are_read_as_each_system_writes_them(codec, end):
    names = ["photos/a b.jpg", "ü/ñ 😀.png"]
    assert names_in("".join(name + end for name in names).encode(codec)) == names


def test_a_list_in_utf_16_never_names_the_root_folder():
    for codec in ("utf-16-le", "utf-16-be"):
        for name in ("/", "/a", "a/b", "ab"):
            assert names_in(f"{name}\n/data/c.jpg\n".encode(codec)) == [name, "/data/c.jpg"]
    assert names_in("\ufeff\ufeffa.jpg\n".encode("utf-16-le")) == ["a.jpg"]


def test_quotes_and_blanks_around_a_name_are_left_out_only_where_that_is_there(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b c.jpg", "'d.jpg'"):
        (tmp_path / name).touch()
    content = b'"a.jpg"\r\n  b c.jpg \n\'d.jpg\'\n"none.jpg"\n'
    assert names_in(content) == ["a.jpg", "b c.jpg", "'d.jpg'", '"none.jpg"']


def test_a_list_takes_file_addresses_and_is_not_empty(tmp_path, picture, monkeypatch):
    photo = tmp_path / "a.png"
    Image.fromarray(picture()).save(photo)

    def piped(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return [entry.file for entry in find_inputs(["-"], tmp_path / "out")]

    assert piped(f"{photo.as_uri()}\n".encode()) == [photo]
    for content in (b"\n\n", b" \r\n", b"\0\0", b"\xef\xbb\xbf\r\n"):
        with pytest.raises(UserError, match="only empty lines") as caught:
            piped(content)
        assert caught.value.code == "FC-PREDICT-001"
