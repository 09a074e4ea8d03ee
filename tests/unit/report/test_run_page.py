import re

import numpy as np
import pytest

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID
from fullconv.classes.colors import distinct_colors
from fullconv.errors import UserError
from fullconv.models import TORCH, NetSpec, build
from fullconv.report import write_report
from fullconv.report.best_and_worst import read_scored_photos
from fullconv.report.run_files import total_seconds
from fullconv.visualize import layer


@pytest.fixture
def run(make_run, three):
    folder = make_run("my <run>")
    net = build(NetSpec("fcn32s-caffenet", 3, width=0.05))
    save(
        folder / "model.safetensors",
        Checkpoint(net, three, TORCH, {"photos": {"train": 30, "val": 14}}),
    )
    return folder


def test_the_page_is_whole_and_names_are_text(run, parsed):
    page = parsed(write_report(run))
    assert len(page.all("h2")) == 7
    for words in ("my <run>", "photos & more", "car & <b>van</b>", "street <0>", "40 of 40"):
        assert words in page.text
    assert not page.all("b")
    assert "photos 30 train, 14 val" in page.text
    assert "photos a step 6" in page.text
    assert "2:40 min" in page.text  # two sittings
    assert "fullconv train 'photos & more' --recipe" in page.text


def test_classes_are_sorted_by_their_iu(run, parsed, three):
    text = parsed(write_report(run)).text
    table = text[text.index("most often taken for") :]
    table = table[: table.index("Confusion")]
    assert all(name in table for name in three.names)
    found = re.findall(r"(?:road|van</b>|sky) (\d+\.\d) ", table)
    assert sorted(map(float, found), reverse=True) == list(map(float, found))


def test_worst_and_best_photos_have_a_slider_that_a_keyboard_moves(run, parsed):
    page = parsed(write_report(run))
    sliders = [attrs for attrs in page.all("input") if "data-split" in attrs]
    assert len(sliders) == 10
    assert {attrs["type"] for attrs in sliders} == {"range"}
    assert all("street <" in attrs["aria-label"] for attrs in sliders)
    worst = page.text.index("Worst", page.text.index("arrow keys"))
    assert worst < page.text.index("street <0>:") < page.text.index("street <13>:")


def test_truth_and_prediction_are_in_the_page_pixel_for_pixel(run, parsed, three):
    page = parsed(write_report(run))
    pictures = page.pictures()
    truths = [image for alt, image in pictures if alt == "truth"]
    guesses = [image for alt, image in pictures if alt == "prediction"]
    assert len(truths) == len(guesses) == 10
    truth = np.asarray(truths[0].convert("RGBA"))
    kept = next(each for each in read_scored_photos(run) if each.kind == "worst")
    assert (kept.truth[:2] == three.ignore).all()
    np.testing.assert_array_equal(truth, layer(kept.truth, three))
    np.testing.assert_array_equal(
        np.asarray(guesses[0].convert("RGBA")), layer(kept.prediction, three)
    )
    assert "ignored" in page.text


def test_the_palette_can_be_another(run, parsed, tmp_path):
    page = parsed(write_report(run, tmp_path / "other.html", "colour-blind"))
    truth = next(image for alt, image in page.pictures() if alt == "truth")
    colors = {tuple(c[:3]) for c in np.asarray(truth.convert("RGBA")).reshape(-1, 4) if c[3]}
    assert colors == {*distinct_colors(3), CAMVID.ignore_color, (255, 255, 255)}
    assert not (run / "report.html").exists()


def test_a_run_that_has_just_begun_has_a_page(tmp_path, parsed):
    (tmp_path / "config.toml").write_text("[net]\nname = 'fcn8s-vgg16'\n")
    page = parsed(write_report(tmp_path))
    assert "fcn8s-vgg16" in page.text
    assert not page.all("img")


def test_what_a_resume_changed_is_on_the_page(tmp_path, parsed):
    (tmp_path / "config.toml").write_text("[schedule]\nsteps = 20\n")
    assert "Changes on the way" not in parsed(write_report(tmp_path)).text
    (tmp_path / "history.toml").write_text("[[change]]\nstep = 10\nschedule.steps = [10, 20]\n")
    page = parsed(write_report(tmp_path))
    assert "Changes on the way" in page.text and "schedule.steps = [10, 20]" in page.text


def test_damaged_examples_are_left_out(run, parsed):
    next(run.glob("examples/*_truth.png")).write_bytes(b"no picture")
    assert not [a for a in parsed(write_report(run)).all("input") if "data-split" in a]


def test_the_page_stays_small(run):
    rng = np.random.default_rng(0)
    (run / "samples").mkdir()
    (run / "samples" / "0000020.png").write_bytes(rng.bytes(5 * 2**20))
    assert write_report(run).stat().st_size < 3 * 2**20


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        write_report(tmp_path)


def test_the_clock_of_each_sitting_counts():
    assert total_seconds(np.array([10.0, 20.0, 5.0, 30.0, 2.0])) == 52
