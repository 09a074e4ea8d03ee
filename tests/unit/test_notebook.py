"""What a notebook shows of metrics and data: short lines, and tables with all text escaped."""

import json
import pickle
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data import Sample, count_classes, open_source
from fullconv.inference import predict
from fullconv.metrics import PhotoMetrics, Scores, intervals
from fullconv.models import NetSpec, explain
from fullconv.notebook_progress import ProgressBar, in_notebook
from fullconv.report import RunFolder
from fullconv.training.run.console import Screen, Status
from small_runs import small_run

MATRIX = np.array([[6, 2], [1, 3]])


def scores():
    photos = PhotoMetrics.of(["<p>", "q"], ["a", "<b>"], [[[3, 1], [4, 2], [4, 2]]] * 2)
    return Scores.from_confusion(MATRIX, ["a", "<b>"], photos)


def test_reprs_are_one_short_line():
    sample = Sample("p", np.zeros((4, 6, 3), np.uint8), None)
    shown = {
        "mean IU 58.3 %": scores(),
        "2 photos": scores().photos,
        "level 0.95": intervals(scores().photos.counts),
        "300 classes": ClassSet(tuple(map(str, range(300))), ignore=65535),
        "image uint8 (4, 6, 3), no mask": sample,
        "6 classes in 1 masks": count_classes(open_source("shapes:32x32:n=10", "val")),
    }
    for part, thing in shown.items():
        assert part in repr(thing)
        assert "\n" not in repr(thing) and len(repr(thing)) < 160


def test_a_split_on_disk_has_a_short_repr(tmp_path):
    from fullconv.data import write_folder

    data = write_folder([open_source("shapes:32x32:n=10", "train")], tmp_path / "d", limit=2)
    assert repr(open_source(data, "train")) == "PairSource('train', 2 photos, 6 classes)"


def test_scores_are_a_table_of_the_classes():
    # 6 / (8 + 7 - 6) and 3 / (4 + 5 - 3)
    page = scores()._repr_html_()
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert cells[:2] == ["a", "66.7"]
    assert cells[6:8] == ["&lt;b&gt;", "50.0"]
    assert "<b>" not in page and "<p>" not in scores().photos._repr_html_()


def test_classes_are_a_table_of_colors():
    page = ClassSet(("road", "<car>"), ((1, 2, 3), (4, 5, 6)))._repr_html_()
    assert "rgb(1, 2, 3)" in page and "&lt;car&gt;" in page


def test_looking_at_data_imports_no_torch():
    code = "import sys, fullconv.data, fullconv.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class FakeDisplay:
    """The part of IPython that shows things: what was shown, and what it was replaced by."""

    def __init__(self, monkeypatch):
        self.updates = []
        module = types.ModuleType("IPython")
        module.display = types.ModuleType("IPython.display")
        module.display.display = lambda shown, display_id: self.shown(shown)
        module.get_ipython = lambda: types.SimpleNamespace(kernel=1)
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setitem(sys.modules, "IPython.display", module.display)

    def shown(self, first):
        self.updates.append(first._repr_html_())
        return types.SimpleNamespace(update=lambda new: self.updates.append(new._repr_html_()))


def test_a_bar_moves_in_its_place_and_not_too_often(monkeypatch):
    display = FakeDisplay(monkeypatch)
    assert in_notebook()
    bar = ProgressBar("<photos>")
    for done in range(1, 1001):
        bar(done, 1000)
    assert "value='1000' max='1000'" in display.updates[-1]
    assert "&lt;photos&gt; 1000/1000" in display.updates[-1]
    assert len(display.updates) < 40


def test_without_a_kernel_there_is_no_bar(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()


def test_a_training_in_a_notebook_moves_a_bar(monkeypatch):
    display = FakeDisplay(monkeypatch)
    status = Status(40, 40, 1.0, 1e-3, 0.5, 0.5, 10.0, 0.0, 0.0, 100)
    with Screen() as screen:
        screen.show(status)
        screen.show_validation(40, 12, 12)
    assert "step 40/40" in display.updates[-2]
    assert "validating 12/12 photos" in display.updates[-1]
    display.updates.clear()
    with Screen(quiet=True) as screen:
        screen.show(status)
    assert not display.updates


def test_predictions_in_a_notebook_move_a_bar(monkeypatch, tmp_path):
    display = FakeDisplay(monkeypatch)
    for name in "ab":
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / f"{name}.png")
    run = small_run(tmp_path / "run")
    results = predict(run, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out")
    assert len(results) == 2 and "photos predicted 2/2" in display.updates[-1]


def test_a_run_shows_its_figures_and_a_path_below_it_does_not(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.toml").write_text('[net]\nname = "<b>net"\n')
    (tmp_path / "run/scores.json").write_text(json.dumps(scores().to_dict()))
    run = RunFolder(tmp_path / "run")
    page = run._repr_html_()
    assert "58.3 %" in page and "&lt;b&gt;net" in page and "<b>" not in page
    assert (run / "config.toml")._repr_html_() is None
    assert run == tmp_path / "run" and isinstance(run, Path)
    assert pickle.loads(pickle.dumps(run)) == run


def test_an_explanation_is_a_table_of_layers():
    page = explain(NetSpec("fcn8s-vgg16", 21, padding="paper"), (375, 500))._repr_html_()
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert cells[:2] == ["conv1_1", "573 x 698"]
    assert "crop of" in page and ": 31 pixels" in page
