"""Every value of an export exchanged for nonsense: an import, or one clear error; never a crash."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from example_exports import EXPORTS
from exports import square
from fullconv.atomic import folder_atomically
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError
from json_trees import exchanged, places

NONSENSE = [None, True, -1, 0.5, 1e300, float("nan"), "x", "../../x.jpg", [], {}, [[]], [{}],
            10**400, "a\nb", "\ud800"]  # fmt: skip


LABELME = {
    "version": "5",
    "flags": {"night": True},
    "shapes": [
        square("car", 0, 0, 9, 9, group_id=1, flags={}, shape_type="polygon"),
        {"label": "dot", "points": [[4, 5], [6, 7]], "shape_type": "circle"},
    ],
    "imagePath": "a.jpg",
    "imageData": "aaaa",
    "imageHeight": 40,
    "imageWidth": 60,
}
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 2, "iscrowd": 0, "bbox": [0, 0, 9, 9],
         "segmentation": [[0, 0, 9, 0, 9, 9]]},
        {"id": 2, "image_id": 1, "category_id": 2, "iscrowd": 1,
         "segmentation": {"size": [40, 60], "counts": [2000, 400]}},
    ],
    "categories": [{"id": 2, "name": "car"}],
}  # fmt: skip


@pytest.mark.parametrize(("format", "tree"), [("labelme", LABELME), ("coco", COCO)])
@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: ascii(value)[:12])
def test_nonsense_anywhere(picture, tmp_path, format, tree, value):
    picture("src/a.jpg")
    for way in places(tree):
        text = json.dumps(exchanged(tree, way, value))
        (tmp_path / "src/a.json").write_text(text)
        try:
            import_data(tmp_path / "src", tmp_path / "out", Request(), format)
            shutil.rmtree(tmp_path / "out")
        except UserError as error:
            assert len(str(error)) < 2000, way
        assert {path.name for path in tmp_path.iterdir()} == {"src"}, way


CVAT = """<annotations><image id="0" name="a.jpg" width="60" height="40">
<polygon label="car" points="0,0;9,0;9,9" z_order="0"/>
<box label="car" xtl="2" ytl="2" xbr="12" ybr="8" rotation="10"/>
<mask label="car" rle="1, 2, 3" left="40" top="5" width="3" height="2"/>
<ellipse label="car" cx="50" cy="15" rx="6" ry="3"/></image></annotations>"""


@pytest.mark.parametrize("value", ["", "x", "nan", "-1", "0", "0.5", "1e400", "9" * 30, ",;,"])
def test_nonsense_in_any_attribute(picture, tmp_path, value):
    picture("src/a.jpg")
    for found in re.finditer('="[^"]*"', CVAT):
        text = f'{CVAT[: found.start()]}="{value}"{CVAT[found.end() :]}'
        (tmp_path / "src/annotations.xml").write_text(text)
        try:
            import_data(tmp_path / "src", tmp_path / "out", Request(), "cvat")
            shutil.rmtree(tmp_path / "out")
        except UserError as error:
            assert len(str(error)) < 2000, found
        assert {path.name for path in tmp_path.iterdir()} == {"src"}, found


DAMAGE = [b"", b"\0", b"\xff\xfe", b"9" * 5000, b"[" * 20_000, b"\r", b'"', b"-1e999", b"null"]


@pytest.mark.parametrize("name", EXPORTS)
def test_damaged_files_end_in_one_error(name, tmp_path):
    """Any file of an export that is cut, or has bytes exchanged, at any place."""
    EXPORTS[name](tmp_path / "src")
    rng = np.random.default_rng(len(name))
    files = [path for path in sorted((tmp_path / "src").rglob("*")) if path.is_file()]
    for number, file in enumerate(files):
        whole = file.read_bytes()
        for turn in range(6):
            start = int(rng.integers(len(whole)))
            rest = b"" if turn == 0 else whole[start + int(rng.integers(4)) :]
            file.write_bytes(whole[:start] + DAMAGE[(number + turn) % len(DAMAGE)] + rest)
            try:
                import_data(tmp_path / "src", tmp_path / "out", Request(), name)
                shutil.rmtree(tmp_path / "out")
            except UserError as error:
                assert len(str(error)) < 3000, error
            assert {path.name for path in tmp_path.iterdir()} == {"src"}
        file.write_bytes(whole)


KILLED = """
import os, signal, sys
from fullconv.atomic import folder_atomically
with folder_atomically(sys.argv[1]) as folder:
    (folder / "a.png").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path):
    """What a living process fills stays."""
    EXPORTS["labelme"](tmp_path / "src")
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "out"], check=False)
    assert len(list(tmp_path.glob(".out.*.part"))) == 1
    with folder_atomically(tmp_path / "out") as living:
        import_data(tmp_path / "src", tmp_path / "one")
        assert [path.name for path in tmp_path.glob(".*")] == [living.name]
    assert not list(tmp_path.glob(".*"))
