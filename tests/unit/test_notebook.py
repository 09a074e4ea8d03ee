"""What a notebook shows of metrics and data: short lines, and tables with all text escaped."""

import re
import subprocess
import sys

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data import Sample, count_classes, open_source
from fullconv.metrics import PhotoMetrics, Scores, intervals

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
        "300 classes": ClassSet(tuple(map(str, range(300)))),
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
    code = "import sys, fullconv.data, fullconv.metrics, fullconv.classes; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
