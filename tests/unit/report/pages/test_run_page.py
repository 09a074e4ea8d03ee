import json
import re
import subprocess
import sys

import numpy as np
import pytest

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID
from fullconv.classes.colors import distinct_colors
from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.models import TORCH, NetSpec, build
from fullconv.report import write_report
from fullconv.report.best_and_worst import read_scored_photos
from fullconv.report.run_files import read_run, total_seconds
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
    assert len(page.all("h2")) == 7 + 1  # what was trained
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


def test_three_figures_and_typical_photos_open_the_page(run, parsed):
    page = parsed(write_report(run))
    scores = read_run(run).scores
    start = page.text[: page.text.index("most often taken for")]
    for value in (scores.mean_iu, scores.pixel_accuracy, scores.iu.min()):
        assert f"{100 * value:.1f} %" in start
    assert f"IU of {scores.names[int(scores.iu.argmin())]}" in start
    opening = [alt for alt, _ in page.pictures()[:6]]
    names = [each.name for each in read_scored_photos(run) if each.kind == "typical"]
    assert opening == [
        text.format(name)
        for name in names
        for text in ("{}", "true classes of {}", "predicted classes of {}")
    ]


def test_a_run_without_typical_photos_opens_with_its_best_and_its_worst(run, parsed):
    file = run / "examples" / "examples.json"
    listed = json.loads(file.read_text())
    listed["photos"] = [each for each in listed["photos"] if each["kind"] != "typical"]
    file.write_text(json.dumps(listed))
    kinds = {each.kind: each.name for each in reversed(read_scored_photos(run))}
    pictures = parsed(write_report(run)).pictures()
    assert [pictures[0][0], pictures[3][0]] == [kinds["best"], kinds["worst"]]


def test_the_confusion_is_a_table_of_percents(run, parsed):
    page = parsed(write_report(run))
    scores = read_run(run).scores
    shares = np.rint(100 * scores.confusion / scores.pixels[:, None]).astype(int)
    text = page.text[page.text.index("true ↓ predicted →") :]
    for name, row in zip(scores.names, shares, strict=True):
        written = [str(share) for share in row if share]
        assert f"{name} {' '.join(written)}" in text


def test_of_many_classes_the_largest_confusions_are_listed(run, parsed):
    names = [f"class-{n}" for n in range(40)]
    matrix = np.diag(np.full(40, 90))
    matrix[7, 11] = 10
    (run / "scores.json").write_text(json.dumps(Scores.from_confusion(matrix, names).to_dict()))
    text = parsed(write_report(run)).text
    assert "class-7 class-11 10.0" in text
    assert "true ↓ predicted →" not in text


@pytest.mark.parametrize("task", ["semantic", "multilabel"])
@pytest.mark.parametrize("number", ["Infinity", "9" * 30])
def test_scores_that_are_no_counts_are_left_out(run, task, number):
    text = f'{{"task": "{task}", "classes": [{{"name": "a"}}], "confusion": [[{number}]]}}'
    (run / "scores.json").write_text(text)
    assert read_run(run).scores is None
    assert write_report(run).exists()


def test_a_page_is_drawn_without_matplotlib(run):
    code = (
        "import sys; from fullconv.report import write_report; "
        f"write_report({str(run)!r}); print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_palette_can_be_another(run, parsed, tmp_path):
    page = parsed(write_report(run, tmp_path / "other.html", "colour-blind"))
    truth = next(image for alt, image in page.pictures() if alt == "truth")
    colors = {tuple(c[:3]) for c in np.asarray(truth.convert("RGBA")).reshape(-1, 4) if c[3]}
    assert colors == {*distinct_colors(4)[1:], CAMVID.ignore_color, (255, 255, 255)}
    assert not (run / "report.html").exists()


def test_a_run_that_has_just_begun_has_a_page(tmp_path, parsed):
    (tmp_path / "config.toml").write_text("[net]\nname = 'fcn8s-vgg16'\n")
    page = parsed(write_report(tmp_path))
    assert "fcn8s-vgg16" in page.text
    assert not page.all("img")


def test_what_a_resume_changed_is_on_the_page(tmp_path, parsed):
    (tmp_path / "config.toml").write_text("[schedule]\nsteps = 20\n")
    assert "at step 10" not in parsed(write_report(tmp_path)).text
    with (tmp_path / "config.toml").open("a") as file:
        file.write('[[changes]]\nstep = 10\nset = { "schedule.steps" = 30 }\n')
    assert "schedule.steps = 30 at step 10" in parsed(write_report(tmp_path)).text


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
