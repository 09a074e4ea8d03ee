"""Data sets from a real server: whole in their place, or not at all."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from fullconv.data import open_source
from fullconv.data.published import PublishedData, fetch, published_data, read_published, registry
from fullconv.download import Checksum, RemoteFile, RetryPolicy
from fullconv.errors import UserError
from webserver import serving

ONCE = RetryPolicy(attempts=1, pause=0.0)


def picture(kind, mode):
    out = io.BytesIO()
    Image.fromarray(np.zeros((6, 8) if mode == "L" else (6, 8, 3), np.uint8), mode).save(out, kind)
    return out.getvalue()


def voc(root):
    """A tar in the form of VOC's, with ``root`` as its year folder."""
    out = io.BytesIO()
    files = {
        f"{root}/JPEGImages/one.jpg": picture("JPEG", "RGB"),
        f"{root}/SegmentationClass/one.png": picture("PNG", "L"),
        f"{root}/ImageSets/Segmentation/train.txt": b"one\n",
    }
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def known(monkeypatch):
    """``known(url, content)`` makes 'tiny' the one data set with an address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)

    def known(url, content, inside="TrainVal/VOCdevkit/VOC2011"):
        check = Checksum("md5", hashlib.md5(content).hexdigest())
        file = RemoteFile("tiny.tar", (url,), checksum=check)
        data = PublishedData("tiny", "a test", file, "VOCdevkit/VOC2011", inside)
        monkeypatch.setattr(registry, "_read", lambda: {"tiny": data})

    return known


def test_a_data_set_arrives_in_its_place_and_opens(tmp_path, known):
    content = voc("TrainVal/VOCdevkit/VOC2011")
    (tmp_path / "mine.txt").write_text("stays")
    with serving(lambda handler, _: handler.give(content)) as server:
        known(server.url, content)
        place = fetch("tiny", tmp_path, retry=ONCE)
        assert place == tmp_path / "VOCdevkit" / "VOC2011"
        assert len(open_source(place, "train")) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["VOCdevkit", "mine.txt"]
        fetch("tiny", tmp_path, retry=ONCE)  # it is there
        assert len(server.ranges) == 1


def test_other_years_beside_it_stay(tmp_path, known):
    (tmp_path / "VOCdevkit" / "VOC2012").mkdir(parents=True)
    content = voc("TrainVal/VOCdevkit/VOC2011")
    with serving(lambda handler, _: handler.give(content)) as server:
        known(server.url, content)
        fetch("tiny", tmp_path, retry=ONCE)
    assert sorted(p.name for p in (tmp_path / "VOCdevkit").iterdir()) == ["VOC2011", "VOC2012"]


@pytest.mark.parametrize("there", [True, False])
def test_the_archive_stays_where_it_was_there_or_is_wanted(tmp_path, known, there):
    content = voc("TrainVal/VOCdevkit/VOC2011")
    if there:  # put there by hand: no server is needed
        (tmp_path / "tiny.tar").write_bytes(content)
    with serving(lambda handler, _: handler.give(content)) as server:
        known(server.url, content)
        fetch("tiny", tmp_path, keep=not there, offline=there, retry=ONCE)
        assert len(server.ranges) == (0 if there else 1)
    assert (tmp_path / "tiny.tar").read_bytes() == content


def test_what_a_killed_call_left_is_cleared(tmp_path, known):
    content = voc("TrainVal/VOCdevkit/VOC2011")
    left = tmp_path / ".tiny.unpacking" / "half"
    left.mkdir(parents=True)
    with serving(lambda handler, _: handler.give(content)) as server:
        known(server.url, content)
        fetch("tiny", tmp_path, retry=ONCE)
    assert not left.parent.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (voc("VOCdevkit/VOC2011"), "there is no TrainVal"),
        (voc("TrainVal/VOCdevkit/VOC2011")[:1200], "damaged"),
        (voc("../out"), "leads out of the folder"),
    ],
)
def test_a_wrong_archive_leaves_nothing_in_the_place(tmp_path, known, content, says):
    with serving(lambda handler, _: handler.give(content)) as server:
        known(server.url, content)
        with pytest.raises(UserError, match=says):
            fetch("tiny", tmp_path / "here", retry=ONCE)
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["tiny.tar"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here"]


def test_offline_names_address_and_place(tmp_path, known):
    known("http://a.example/tiny.tar", b"")
    with pytest.raises(UserError) as error:
        fetch("tiny", tmp_path, offline=True)
    assert "http://a.example/tiny.tar" in str(error.value)
    assert str(tmp_path / "tiny.tar") in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_names_the_known_ones():
    with pytest.raises(UserError, match=r"did you mean voc2012.*known are voc2012, voc2011"):
        fetch("voc12", "x")


def test_every_data_set_says_where_its_facts_are_from():
    assert {"voc2012", "voc2011", "voc2007", "sbd"} <= set(published_data())
    for data in published_data().values():
        assert "/" in data.file.origin
        assert data.file.licence


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('folder = "x"', "'../x' leads out"),
        ('what = "y"', "what = None is no text"),
        ('from = "a/b"', "from = None"),
        ('file = "x.tar"', "file = None"),
    ],
)
def test_a_registry_with_a_fault_names_it(tmp_path, change, says):
    text = '[x]\nwhat = "y"\nfile = "x.tar"\nurls = ["http://a.example"]\nlicence = "z"\n'
    text += 'from = "a/b"\nfolder = "x"\n'
    path = tmp_path / "published.toml"
    path.write_text(text)
    assert list(read_published(path)) == ["x"]
    path.write_text(text.replace(change, 'folder = "../x"' if "folder" in change else ""))
    with pytest.raises(UserError) as error:
        read_published(path)
    assert says in str(error.value)
