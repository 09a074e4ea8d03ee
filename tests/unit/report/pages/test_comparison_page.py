import numpy as np
import pytest

from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.report import confusion_picture, write_run_comparison
from fullconv.report.pages.comparison_page import flattened, named
from fullconv.report.run_files import read_run


def test_scores_differences_and_curves_of_three(make_run, parsed, tmp_path):
    runs = [make_run("a", 0.01, 0.5), make_run("b", 0.02, 0.9), make_run("c", 0.01, 0.7)]
    page = parsed(write_run_comparison(runs, tmp_path / "page.html"))
    scores = [read_run(run).scores for run in runs]
    for each in scores:
        assert f"{100 * each.mean_iu:.1f}" in page.text
    assert f"{100 * (scores[1].iu[0] - scores[0].iu[0]):+.1f}" in page.text
    differs = page.text[page.text.index("key a b c") :]
    assert "optimizer.lr 0.01 0.02 0.01" in differs
    assert "net.name" not in differs
    charts = [attrs["aria-label"] for attrs in page.all("div") if attrs.get("class") == "plot"]
    assert len(charts) == 5 and charts[0].startswith("loss per pixel")
    assert not page.all("img")
    assert page.all("strong")


def test_runs_of_one_name_are_told_apart_by_their_folders(make_run):
    first, second = make_run("x/run"), make_run("y/run")
    assert list(named([read_run(first), read_run(second)])) == ["x/run", "y/run"]


def test_a_run_against_itself_is_refused(make_run, tmp_path):
    run = make_run("a")
    with pytest.raises(UserError, match="twice"):
        write_run_comparison([run, run], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_runs_that_have_not_begun(make_run, parsed, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text("seed = 1\n")
    page = parsed(write_run_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "page.html"))
    assert "the same configuration" in page.text


def test_other_classes_and_data_are_said(make_run, parsed, tmp_path):
    first, second = make_run("a"), make_run("b")
    for file in ("scores.json", "config.toml"):
        text = (second / file).read_text()
        (second / file).write_text(
            text.replace('"sky"', '"roof"').replace("photos & more", "other")
        )
    page = parsed(write_run_comparison([first, second], tmp_path / "page.html"))
    assert "different data" in page.text
    assert "classes differ" in page.text
    assert "roof" in page.text and "sky" in page.text


def test_flattened():
    assert flattened({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}


@pytest.mark.parametrize("name", ["_hidden", r"$\frac{$", "a & b", "写真"])
def test_the_keys_of_the_curves_show_names_as_they_are(make_run, parsed, tmp_path, name):
    page = parsed(write_run_comparison([make_run(name), make_run("b")], tmp_path / "page.html"))
    assert [attrs["data-name"] for attrs in page.all("g") if "data-name" in attrs][:2] == [
        name,
        "b",
    ]
    assert f"{name} b" in page.text


def test_classes_of_any_name_are_written_on_the_confusion_picture():
    matrix = np.array([[3, 1], [0, 2]])
    assert confusion_picture(Scores.from_confusion(matrix, (r"$\frac{$", "_x")))
