"""A training, and everything that can be looked at afterwards."""

import html
import io
import re
import shlex

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fullconv.classes.colors import distinct_colors

SMALL = (
    "--net", "fcn32s-caffenet", "--set", "net.width=0.05", "--set", "schedule.steps=4",
    "--set", "schedule.batch_size=1", "--set", "schedule.validate_every=2", "--set",
    "schedule.log_every=1",
    "--set", "data.workers=0", "--set", "augment.crop=[48, 64]", "--set", "data.check=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from fullconv.training import train

    folder = tmp_path_factory.mktemp("runs") / "run"
    pairs = [text.split("=", 1) for text in SMALL[3::2] if "=" in text]
    keys = dict(pairs) | {"net.name": "fcn32s-caffenet"}
    keys |= {"logging.to": "tensorboard"}
    train("shapes:48x64:n=120", folder, overrides=keys, quiet=True)
    return folder


def test_tensorboard_has_curves_and_samples(trained):
    events = EventAccumulator(str(trained), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/lr", "val/mean_iu", "val/pixel_accuracy"} <= set(tags["scalars"])
    assert [each.step for each in events.Scalars("val/mean_iu")] == [2, 4]
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2, 3, 4]
    images = events.Images("val/samples")
    assert [each.step for each in images] == [2, 4]
    shown = Image.open(io.BytesIO(images[-1].encoded_image_string))
    assert shown.width > 3 * 200 and np.asarray(shown).std() > 20


def test_the_run_has_its_best_and_worst_photos(trained):
    assert len((trained / "photos.csv").read_text().splitlines()) == 13
    assert len(list((trained / "examples").glob("*_prediction.png"))) == 12  # two are typical
    page = (trained / "report.html").read_text("utf-8")
    assert page.count("data-split min") == 10
    assert len(page) < 3 * 2**20


def test_the_command_on_the_page_repeats_the_run(run, trained):
    page = html.unescape((trained / "report.html").read_text("utf-8"))
    command = re.search(r"<pre>fullconv (train .*)</pre>", page)[1]
    run(*shlex.split(command))
    again = trained.with_name("run-again")
    assert (again / "log.csv").read_text() == (trained / "log.csv").read_text()
    assert (again / "photos.csv").read_text() == (trained / "photos.csv").read_text()


def test_what_was_trained_on_what(trained):
    page = (trained / "report.html").read_text("utf-8")
    facts = (
        ("net", "fcn32s-caffenet"),
        ("data", "shapes:48x64:n=120"),
        ("photos", "120 train, 12 val"),
    )
    for name, value in facts:
        assert f"<th scope='row'>{name}</th><td>{value}</td>" in page


def test_report_of_one_goes_where_it_is_asked(run, trained, tmp_path):
    assert run("report", trained).strip() == str(trained / "report.html")
    out = tmp_path / "page.html"
    assert run("report", trained, "--palette", "colour-blind", "--out", out).strip() == str(out)
    red, green, blue = distinct_colors(2)[1]
    assert f"rgb({red},{green},{blue})" in out.read_text("utf-8")


def test_report_of_several(run, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    run("train", "shapes:48x64:n=10", *SMALL, "--out", other, "--set", "optimizer.lr=0.1")
    assert run("report", trained, other).strip() == "comparison.html"
    page = (tmp_path / "comparison.html").read_text("utf-8")
    assert "optimizer.lr" in page
    assert "different data" in page


def test_faults_of_the_user(run, trained, tmp_path):
    assert "not a run folder" in run("report", tmp_path, code=2)
    assert "named twice" in run("report", trained, trained, code=2)
    assert "name a file" in run("report", trained, "--out", tmp_path, code=2)
    assert not list(tmp_path.iterdir())


def test_pictures_by_option(run, trained, tmp_path):
    run("shapes", tmp_path / "s", "--number", "1", "--split", "val", "--size", "48x64")
    photo = next((tmp_path / "s/images/val").iterdir())
    run("predict", trained, photo, "--out", tmp_path / "usual")
    run("predict", trained, photo, "--out", tmp_path / "other", "--palette", "colour-blind",
        "--no-borders")  # fmt: skip
    usual, other = (
        Image.open(tmp_path / kind / f"{photo.stem}.png") for kind in ("usual", "other")
    )
    assert np.array_equal(np.asarray(usual), np.asarray(other))
    value = int(np.asarray(other)[0, 0])
    assert other.convert("RGB").getpixel((0, 0)) == distinct_colors(6)[value]
    assert "not one of" in run("predict", trained, photo, "--palette", "grey", code=2)
