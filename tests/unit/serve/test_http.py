"""The service over HTTP, by a real server on this machine."""

import base64
import io
import json
import os
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fullconv import Predictor
from fullconv import visualize as pictures
from fullconv.serve import open_models
from fullconv.serve.schema import ErrorAnswer, Segmentation

SEGMENT = "/v1/segment"
PNG = {"Content-Type": "image/png"}


def send(client, content, kind="image/png", accept="application/json", **query):
    headers = {"Content-Type": kind, "Accept": accept}
    return client.post(SEGMENT, content=content, params=query, headers=headers)


@pytest.fixture
def client(serving):
    with serving() as made:
        yield made


@pytest.fixture
def held(models):
    """Nets that wait: ``.begun`` is set when a photo is there, ``.go`` lets all through."""
    model = models.pick(None)
    predictor, together = model.predictor, model.predictor.predict_batch

    class Hold:
        begun, go = threading.Event(), threading.Event()

    hold = Hold()

    def wait(images, **options):
        hold.begun.set()
        assert hold.go.wait(30)
        return together(images, **options)

    predictor.predict_batch = wait
    yield hold
    hold.go.set()
    del predictor.predict_batch


def test_all_answers_say_the_same(client, run, encoded, photo):
    truth = Predictor(run, device="cpu")(photo())
    content = encoded()
    said = send(client, content, mask="true").json()
    assert (said["model"], said["width"], said["height"]) == ("street", 53, 37)
    png = Image.open(io.BytesIO(base64.b64decode(said["mask"]["png"])))
    mask = send(client, content, accept="image/png")
    assert mask.headers["content-type"] == "image/png"
    for picture in (png, Image.open(io.BytesIO(mask.content))):
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), truth.mask)
    found = np.full((37, 53), 255)
    for each in said["classes"]:
        assert each["pixels"] == (truth.mask == each["index"]).sum()
        assert each["share"] == pytest.approx(each["pixels"] / (37 * 53))
        if each["rle"]:
            counts = each["rle"]["counts"]
            turns = np.repeat(np.arange(len(counts)) % 2, counts)
            found[turns.reshape(53, 37).T == 1] = each["index"]
    np.testing.assert_array_equal(found, truth.mask)


def test_probabilities_come_with_the_json_in_one_pass_where_they_are_asked_for(client, encoded):
    content = encoded()
    said = send(client, content, mask="true", probability="true").json()
    assert {"mask", "probability"} <= said.keys()
    alone = send(client, content, answer="probability").content
    inside = Image.open(io.BytesIO(base64.b64decode(said["probability"]["png"])))
    np.testing.assert_array_equal(np.asarray(inside), np.asarray(Image.open(io.BytesIO(alone))))
    assert "probability" not in send(client, content).json()


def test_the_mask_is_the_file_that_predict_writes(client, run, encoded, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(height=90, width=121))
    Predictor(run, device="cpu")(tmp_path / "a.png").save(tmp_path / "b")
    answer = send(client, (tmp_path / "a.png").read_bytes(), answer="mask")
    assert answer.content == (tmp_path / "b.png").read_bytes()


def test_the_overlay_has_the_tint_that_is_asked_for(client, run, encoded, photo):
    truth = Predictor(run, device="cpu")(photo())
    answer = send(client, encoded(), accept="image/png; picture=overlay", alpha=0.3)
    shown = pictures.overlay(truth.image, truth.mask, truth.classes, 0.3)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), shown)


def test_probabilities_are_the_softmax_at_the_mask(client, run, encoded, photo):
    truth = Predictor(run, device="cpu")(photo())
    odds = np.exp(truth.scores.astype(np.float64))
    chosen = np.take_along_axis(odds, truth.mask[None].astype(int), 0)[0] / odds.sum(0)
    answer = send(client, encoded(), answer="probability")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.mode == "L"
    assert np.abs(np.asarray(picture) / 255 - chosen).max() <= 0.5 / 255 + 1e-4


def test_probabilities_take_one_pass_of_the_net(client, models, encoded, monkeypatch):
    engine = models.pick(None).predictor.engine.engine
    passes, run = [], engine.run.maps
    monkeypatch.setattr(engine.run, "maps", lambda images: passes.append(1) or run(images))
    assert send(client, encoded(), answer="probability").status_code == 200
    assert len(passes) == 1


@pytest.mark.parametrize("kind", ["json", "mask", "overlay", "probability"])
def test_every_answer_says_how_far_to_trust_it(client, run, encoded, photo, kind):
    truth = Predictor(run, device="cpu")(photo()).probabilities.max(0).mean()
    answer = send(client, encoded(), answer=kind)
    assert float(answer.headers["X-Confidence"]) == pytest.approx(truth, abs=1e-4)
    if kind == "json":
        assert answer.json()["confidence"] == pytest.approx(truth, abs=1e-4)


def test_the_json_is_what_the_schema_shows(client, encoded):
    for query in ({}, {"mask": "true"}):
        answer = send(client, encoded(), **query)
        said = Segmentation.model_validate_json(answer.content)
        assert json.loads(said.model_dump_json(exclude_unset=True)) == answer.json()
        assert ("mask" in answer.json()) == bool(query)


def test_a_form_is_taken_as_the_body_is(client, encoded):
    form = client.post(SEGMENT, files={"photo": ("../../x.png", encoded())})
    alone = send(client, encoded())
    assert form.status_code == 200
    assert form.json()["classes"] == alone.json()["classes"]
    assert "x.png" not in form.text


@pytest.mark.parametrize(
    ("kind", "status"),
    [("image/jpeg", 200), ("application/octet-stream", 200), ("image/svg+xml", 200),
     ("text/html", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data", 422)],
)  # fmt: skip
def test_the_bytes_decide_what_a_photo_is(client, encoded, kind, status):
    answer = send(client, encoded(), kind)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("query", "status", "code", "word"),
    [
        ({"model": "nothing"}, 404, "FC-SERVE-005", "street"),
        ({"model": "x" * 5000}, 404, "FC-SERVE-005", "street"),
        ({"output": "depth"}, 404, "FC-SERVE-005", "no output"),
        ({"alpha": "2"}, 422, "FC-SERVE-012", "alpha"),
        ({"alpha": "nan"}, 422, "FC-SERVE-012", "alpha"),
        ({"alpha": "9" * 5000}, 422, "FC-SERVE-012", "alpha"),
        ({"answer": "cat"}, 422, "FC-SERVE-012", "answer"),
        ({"mask": "perhaps"}, 422, "FC-SERVE-012", "mask"),
        ({"token": "0123456789abcdef"}, 400, "FC-SERVE-004", "header"),
    ],
)
def test_a_wrong_parameter_is_named(client, encoded, query, status, code, word):
    answer = send(client, encoded(), **query)
    assert error_of(answer, status) == code
    assert word in answer.json()["error"]
    assert len(answer.text) < 500


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("anwser=mask", "did you mean answer"),
        ("threshold=0.5", "no such parameter"),
        ("request=1", "no such parameter"),
        ("Model=street", "did you mean model"),
        ("answer=mask&answer=json", "answer: is given twice"),
    ],
)
def test_no_parameter_is_left_out_in_silence(client, encoded, query, says):
    answer = client.post(f"{SEGMENT}?{query}", content=encoded(), headers=PNG)
    assert answer.status_code == 422 and answer.json()["code"] == "FC-SERVE-012"
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["/docs", "/../etc/passwd", "/page.py", "/%2e%2e/app.py", "/x%0a", "/%ff%00", "/a" * 999],
)
def test_a_path_that_does_not_exist_is_404(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found", "code": "FC-SERVE-015"}


def test_what_is_not_offered_is_refused(client, encoded):
    assert error_of(send(client, encoded(), accept="text/html"), 406) == "FC-SERVE-006"
    assert error_of(client.get("/v1/segment"), 405) == "FC-SERVE-015"


def error_of(answer, status):
    """The code of an error, whose JSON must be what the schema shows."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) <= set(ErrorAnswer.model_fields)
    return ErrorAnswer.model_validate_json(answer.content).code


def test_models_are_described(client):
    said = client.get("/v1/models").json()
    (model,) = said["models"]
    assert model["name"] == "street"
    assert model["net"] == "fcn8s-resnet18"
    (output,) = model["outputs"]
    assert output["classes"][1] == {"index": 1, "name": "road", "color": [90, 0, 0]}
    assert said["limits"]["pixels"] == 25_000_000


def test_several_models_have_names_of_their_own(run, serving, encoded):
    file = run / "model.safetensors"
    with serving(open_models([run, file, run], device="cpu")) as client:
        names = [model["name"] for model in client.get("/v1/models").json()["models"]]
        assert names == ["street", "street.safetensors", "street-2"]
        assert send(client, encoded(), model="street-2").json()["model"] == "street-2"


def test_too_many_bytes_are_refused_while_they_come(serving, encoded):
    with serving(max_bytes=1000) as client:
        assert error_of(send(client, bytes(200_000)), 413) == "FC-SERVE-008"
        chunks = (bytes(100) for _ in range(50))
        assert error_of(send(client, chunks), 413) == "FC-SERVE-008"
        assert send(client, encoded("JPEG", 8, 8)).status_code == 200


@pytest.mark.parametrize("length", ["1001", "9" * 18])
def test_a_content_length_over_the_limit_is_refused_before_a_byte_of_it(serving, length):
    with serving(max_bytes=1000) as client, connected(client) as sending:
        sending.sendall(head_of_photo(length))
        assert sending.recv(4096).startswith(b"HTTP/1.1 413")
        sending.sendall(bytes(1000))  # what was on its way is read, so that the answer arrives
        assert client.service.sending.taken == 0


@contextmanager
def connected(client):
    with socket.create_connection((client.base_url.host, client.base_url.port), 20) as made:
        yield made


def head_of_photo(length):
    head = f"POST {SEGMENT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_idle_connections_keep_nobody_out(serving, encoded, monkeypatch, sent):
    monkeypatch.setattr("fullconv.serve.server.CONNECTIONS", 4)
    with serving() as client, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(client)).sendall(sent)
        assert client.get("/healthz").status_code == 200
        assert send(client, encoded()).status_code == 200


def test_beyond_the_limit_of_connections_health_is_answered_and_nothing_else(serving, monkeypatch):
    monkeypatch.setattr("fullconv.serve.server.CONNECTIONS", 4)
    with serving() as client, ExitStack() as stack:
        for number in range(4):
            stack.enter_context(connected(client)).sendall(head_of_photo(1000) + b"abc")
            wait_for(lambda n=number: client.service.sending.taken == n + 1)
        assert client.get("/healthz").status_code == 200
        assert error_of(client.get("/v1/models"), 503) == "FC-SERVE-013"


def test_a_limit_on_pixels(serving, encoded):
    with serving(max_pixels=37 * 53) as client, warnings.catch_warnings():
        assert send(client, encoded()).status_code == 200
        assert send(client, encoded(width=54)).status_code == 413


def test_a_full_queue_says_when_to_come_again(serving, held, encoded):
    with serving(queue=2) as client, ThreadPoolExecutor(8) as pool:
        inside = [pool.submit(send, client, encoded(height=h)) for h in (20, 21)]
        assert held.begun.wait(20)
        wait_for(lambda: client.service.accepted.taken == 2)
        refused = send(client, encoded())
        assert error_of(refused, 503) == "FC-SERVE-013"
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        held.go.set()
        assert [job.result(30).status_code for job in inside] == [200, 200]
        assert client.get("/readyz").status_code == 200
        assert send(client, encoded()).status_code == 200


def test_what_takes_too_long_is_given_up(serving, held, encoded):
    with serving(seconds=0.3) as client:
        assert error_of(send(client, encoded()), 504) == "FC-SERVE-014"
        assert client.service.accepted.taken == 0
        held.go.set()
        client.service.settings = replace(client.service.settings, seconds=60)
        assert send(client, encoded()).status_code == 200


def test_a_photo_whose_client_has_gone_is_not_segmented(serving, held, encoded):
    with serving() as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(send, client, encoded())
        assert held.begun.wait(20)
        content = encoded(height=20)
        with connected(client) as other:
            other.sendall(head_of_photo(len(content)) + content)
            wait_for(lambda: client.service.worker.waiting == 1)
        wait_for(lambda: client.service.accepted.taken == 1)
        held.go.set()
        assert first.result(20).status_code == 200
        wait_for(lambda: client.service.worker.waiting == 0)
        assert 'photos_total{model="street"} 1.0' in client.get("/metrics").text


def test_a_client_that_sends_slowly_is_cut_off_and_others_are_answered(serving, encoded):
    with serving(upload_seconds=2, queue=1) as client, connected(client) as slow:
        slow.sendall(head_of_photo(5000) + b"abc")
        wait_for(lambda: client.service.sending.taken == 1)
        assert send(client, encoded()).status_code == 200
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_who_sends_no_request_is_cut_off(serving, monkeypatch):
    monkeypatch.setattr("fullconv.serve.server.HEAD_SECONDS", 0.2)
    with serving() as client:
        with connected(client) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert silent.recv(100) == b""
        monkeypatch.undo()  # a busy machine may take as long to send a request
        assert client.get("/healthz").status_code == 200


def test_a_fault_of_the_program_is_told_to_nobody_but_the_log(serving, models, encoded, caplog):
    predictor = models.pick(None).predictor

    def broken(images, **options):
        raise ZeroDivisionError("secret")

    predictor.predict_batch = broken
    try:
        with serving() as client:
            answer = send(client, encoded())
            assert error_of(answer, 500) == "FC-SERVE-016"
            assert "secret" not in answer.text
            assert answer.headers["x-content-type-options"] == "nosniff"
    finally:
        del predictor.predict_batch
    assert "ZeroDivisionError: secret" in caplog.text


def test_the_token_is_asked(serving, encoded):
    with serving(token="0123456789abcdef") as client:
        assert error_of(send(client, encoded()), 401) == "FC-SERVE-003"
        assert error_of(client.get("/openapi.json"), 401) == "FC-SERVE-003"
        assert client.get("/").status_code == 200
        client.headers["Authorization"] = "Bearer 0123456789abcdef"
        assert send(client, encoded()).status_code == 200
        assert client.get("/openapi.json").status_code == 200


def test_the_log_of_requests_shows_no_query_and_no_control_characters(serving, capfd):
    with serving(log=True) as client:
        client.get("/v1/models?token=0123456789abcdef&x=secret")
        client.get("/a%0ab%1b[2J")
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "GET /v1/models 400 " in lines[0]
    assert "GET /a%0Ab%1B%5B2J 404 " in lines[1]


def test_a_log_that_nobody_reads_any_more_keeps_no_answer_back(serving, monkeypatch):
    read, write = os.pipe()
    os.close(read)  # as in fullconv serve --log | tee, where tee has ended
    unread = os.fdopen(write, "w")
    with serving(log=True) as client:
        monkeypatch.setattr("sys.stdout", unread)
        assert client.get("/v1/models").status_code == 200
    monkeypatch.undo()
    with pytest.raises(BrokenPipeError):
        unread.close()


def test_every_answer_has_the_headers_that_protect(client):
    for path in ("/", "/page.js", "/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert not any(name.startswith("access-control") for name in headers)
    evil = client.get("/v1/models", headers={"Host": "evil.example"})
    assert evil.status_code == 421
    assert "content-security-policy" in evil.headers
    preflight = client.options(SEGMENT, headers={"Origin": "http://evil.example"})
    assert preflight.status_code == 403
    assert not any(name.startswith("access-control") for name in preflight.headers)


def test_a_page_of_others_cannot_send_a_photo(client, encoded):
    headers = {"Origin": "http://evil.example"}
    answer = client.post(SEGMENT, files={"photo": ("a.png", encoded())}, headers=headers)
    assert answer.status_code == 403


def test_metrics_count_what_was_done(client, encoded):
    for _ in range(3):
        send(client, encoded())
    send(client, b"nothing")
    for number in range(50):
        client.get(f"/guess/{number}")
    text = client.get("/metrics").text
    assert 'fullconv_requests_total{path="/v1/segment",status="200"} 3.0' in text
    assert 'fullconv_requests_total{path="/v1/segment",status="422"} 1.0' in text
    assert 'fullconv_requests_total{path="other",status="404"} 50.0' in text
    assert "guess" not in text
    assert f'fullconv_pixels_total{{model="street"}} {3 * 37 * 53:.1f}' in text


def test_the_description_names_every_route_and_answer(client):
    said = client.get("/openapi.json").json()
    assert set(said["paths"]) == {"/v1/segment", "/v1/models", "/healthz", "/readyz", "/metrics"}
    segment = said["paths"]["/v1/segment"]["post"]
    assert set(segment["requestBody"]["content"]) >= {"image/*", "multipart/form-data"}
    assert set(segment["responses"]["200"]["content"]) == {"application/json", "image/png"}
    assert "http" not in json.dumps(said).replace("https://", "").replace("HTTP", "")


def wait_for(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited a minute")
