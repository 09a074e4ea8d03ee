"""A file that is named in place of a net: what it is, and what to name."""

import pytest
from PIL import Image

import fullconv


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("photo.jpg", "the net comes first"),
        ("photo.PNG", "the net comes first"),
        ("page.html", "open it in a browser"),
        ("net.pt2", "export it again"),
        ("config.toml", "name the run folder"),
        ("net.bin", "name that one"),
    ],
)
def test_a_file_without_weights_says_what_to_name(tmp_path, name, says):
    (tmp_path / "net.xml").touch()
    for content in (b"", b"<html></html>", b"x" * 4000):
        (tmp_path / name).write_bytes(content)
        for opened in (fullconv.load, fullconv.Predictor):
            with pytest.raises(fullconv.UserError, match=says) as caught:
                opened(tmp_path / name)
            assert caught.value.code == "FC-WEIGHTS-010"
            assert name in str(caught.value)


def test_a_photo_and_a_run_that_changed_places(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg")
    with pytest.raises(fullconv.UserError, match="the net comes first"):
        fullconv.predict(tmp_path / "a.jpg", tmp_path / "a.jpg", tmp_path / "out")


def test_a_file_of_no_known_ending_is_as_damaged_as_before(tmp_path):
    for name in ("net.safetensors", "net", "net.bin"):
        (tmp_path / name).write_bytes(b"x" * 4000)
        with pytest.raises(fullconv.UserError) as caught:
            fullconv.load(tmp_path / name)
        assert caught.value.code == "FC-WEIGHTS-002"
