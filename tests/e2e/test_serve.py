"""``fullconv serve`` as typed: the same mask as predict's, errors, and the end by a signal."""

import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import served

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID
from fullconv.models import TORCH, NetSpec, build
from small_runs import small_run


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs") / "street")


@pytest.fixture
def photo(tmp_path):
    return photo_in(tmp_path)


def photo_in(folder, height=140, width=190):
    """Blocks of colour as ``photo.jpg``."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((width, height)).save(folder / "photo.jpg")
    return folder / "photo.jpg"


def post(url, path, name=None, **query):
    with path.open("rb") as file:
        files = {"photo": (name or path.name, file)}
        return httpx.post(f"{url}/v1/segment", files=files, params=query, timeout=60)


class Life:
    """A service from its start to a signal that meets it at work, and all that it answered."""

    def __init__(self, place, how):
        self.run = small_run(place / "street", width=0.5)
        self.photo = photo_in(place / "photos")
        self.large = photo_in(place / "large", 600, 800)
        self.accepted = []
        with served(self.run, "--batch", 1) as service:
            self.url, self.lines = service.url, service.lines
            self.ready = httpx.get(f"{self.url}/readyz").json()
            self.mask = post(self.url, self.photo, answer="mask")
            place_beside = f"../../../../../{self.photo.parent}/planted.png"
            self.planted = post(self.url, self.photo, place_beside)
            asking = [threading.Thread(target=self._ask) for _ in range(5)]
            for each in asking:
                each.start()
            while "fullconv_accepted 5.0" not in httpx.get(f"{self.url}/metrics").text:
                assert len(self.accepted) < 5, "all were answered before they were seen together"
                time.sleep(0.01)
            self.answered_before = len(self.accepted)
            self.code = service.stop(how)
            for each in asking:
                each.join()

    def _ask(self):
        self.accepted.append(post(self.url, self.large))


@pytest.fixture(
    scope="module", params=[signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def life(request, tmp_path_factory):
    """One for the tests below: to start takes longer than all that they ask."""
    return Life(tmp_path_factory.mktemp("life"), request.param)


def test_the_mask_is_what_predict_writes_bit_for_bit(life, tmp_path, run):
    run("predict", life.run, life.photo, "--out", tmp_path / "pictures", "--device", "cpu")
    assert life.mask.status_code == 200
    assert life.mask.content == (tmp_path / "pictures" / "photo.png").read_bytes()


def test_it_says_what_it_serves_and_where(life):
    assert life.lines[0] == "street: fcn8s-resnet18, 11 classes\n"
    assert life.lines[1].startswith(f"{life.url}  (Ctrl-C ends it)")
    assert life.ready == {"status": "ready"}


def test_nothing_is_written_wherever_a_file_name_leads(life):
    assert life.planted.status_code == 200
    assert "planted" not in life.planted.text
    assert [path.name for path in life.photo.parent.iterdir()] == ["photo.jpg"]


def test_a_signal_ends_it_when_the_accepted_photos_are_answered(life):
    assert life.code == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(life.url)
    assert life.answered_before < 5, "the signal came while photos were in work"
    assert [answer.status_code for answer in life.accepted] == [200] * 5
    masks = [each.json()["classes"] for each in life.accepted]
    assert masks == [masks[0]] * 5
    assert life.lines[-1] == "stopped; all accepted photos were answered\n"


def test_a_signal_ends_it_well_from_the_moment_it_says_where_it_is(net):
    with served(net) as service:
        assert service.stop() == 0
    assert service.lines[-1] == "stopped; all accepted photos were answered\n"


@pytest.mark.slow
def test_a_token_lets_others_in(net, photo):
    token = "0123456789abcdef0123"
    with served(net, "--host", "0.0.0.0", FULLCONV_TOKEN=token) as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        assert post(url, photo).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 200
        assert token not in service.text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--host", "0.0.0.0"], "set a token"),
        (["--timeout", "0"], "seconds 0"),
        (["--token-file", "nothing"], "nothing: the token cannot be read"),
        (["--tile", "32"], "too small"),
        (["nothing"], "nothing: no such file"),
    ],
)
def test_what_cannot_be_is_one_line(net, inside, monkeypatch, arguments, line):
    monkeypatch.delenv("FULLCONV_TOKEN", raising=False)
    _, error = inside("serve", net, "--port", 0, *arguments, code=2)
    assert line in error
    assert len(error.splitlines()) == 1


def test_a_port_that_is_taken_is_named(net, inside):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        _, error = inside("serve", net, "--port", port, code=2)
    assert f"127.0.0.1:{port}" in error
    assert "choose another" in error


def test_a_net_that_sees_more_than_a_photo_is_refused(tmp_path, inside):
    spec = NetSpec("fcn8s-resnet18", len(CAMVID), width=0.0625, streams=(4,))
    net = build(spec)
    seen = TORCH.of_inputs(("color", "depth"))
    save(tmp_path / "rgbd" / "model.safetensors", Checkpoint(net, CAMVID, seen))
    _, error = inside("serve", tmp_path / "rgbd", "--port", 0, code=2)
    assert "needs depth too" in error


def test_without_its_packages_it_says_which_to_install(net):
    code = (
        "import sys\nsys.modules['fastapi'] = None\nfrom fullconv.cli import main\n"
        f"sys.argv = ['fullconv', 'serve', {str(net)!r}]\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    line = "fullconv: fastapi is not installed: pip install 'fullconv[serve]' [FC-SERVE-021]\n"
    assert done.stderr == line
