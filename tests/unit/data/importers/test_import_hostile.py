"""Every value of an export exchanged for nonsense: an import, or one clear error; never a crash."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from example_exports import EXPORTS
from exports import png, square, text64
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically
from json_trees import exchanged, places
from refusals import survived

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
SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]
XY = [{"x": x, "y": y} for x, y in SQUARE]

TREES = {
    "labelme": LABELME,
    "coco": COCO,
    "label-studio": [{
        "id": 1, "data": {"image": "a.jpg"}, "annotations": [{
            "result": [
                {"id": "x", "type": "polygonlabels", "original_width": 60, "original_height": 40,
                 "image_rotation": 0, "value": {"points": SQUARE, "polygonlabels": ["car"]}},
                {"id": "y", "original_width": 60, "original_height": 40,
                 "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 5,
                           "rectanglelabels": ["car"]}},
                {"id": "z", "original_width": 60, "original_height": 40,
                 "value": {"rle": [0, 0, 1], "brushlabels": ["car"]}}],
            "was_cancelled": False, "updated_at": "2024"}]}],
    "supervisely": {
        "size": {"height": 40, "width": 60}, "tags": [], "objects": [
            {"classTitle": "car", "geometryType": "polygon", "tags": [],
             "points": {"exterior": SQUARE, "interior": [SQUARE]}},
            {"classTitle": "car", "geometryType": "bitmap", "tags": [], "bitmap": {
                "data": text64(png(np.ones((4, 4), np.uint8))), "origin": [1, 1]}}]},
    "via": {"a.jpg1": {"filename": "a.jpg", "size": 1, "file_attributes": {}, "regions": [
        {"shape_attributes": {"name": "polygon", "all_points_x": [1, 9, 9],
                              "all_points_y": [1, 1, 9]}, "region_attributes": {"class": "car"}},
        {"shape_attributes": {"name": "ellipse", "cx": 9, "cy": 9, "rx": 3, "ry": 2, "theta": 1},
         "region_attributes": {"class": {"car": True}}}]}},
    "darwin": {"item": {"name": "a.jpg", "path": "/", "slots": [
        {"type": "image", "width": 60, "height": 40, "source_files": [{"file_name": "a.jpg"}]}]},
        "annotations": [
            {"id": "p", "name": "car", "polygon": {"paths": [XY]}},
            {"id": "e", "name": "car", "ellipse": {"angle": 0, "center": XY[2], "radius": XY[2]}},
            {"id": "m", "name": "car", "mask": {}},
            {"id": "r", "name": "__raster_layer__", "raster_layer": {
                "dense_rle": [0, 2000, 1, 400], "mask_annotation_ids_mapping": {"m": 1}}}]},
    "isat": {"info": {"description": "ISAT", "name": "a.jpg", "width": 60, "height": 40},
             "objects": [{"category": "car", "group": 1, "layer": 1.0, "segmentation": SQUARE}]},
    "datumaro": {"categories": {"label": {"labels": [{"name": "car"}]},
                                "mask": {"colormap": [{"label_id": 0, "r": 1, "g": 2, "b": 3}]}},
                 "items": [{"id": "a", "image": {"path": "a.jpg", "size": [40, 60]},
                            "annotations": [
                     {"type": "polygon", "label_id": 0, "group": 0, "z_order": 0,
                      "points": [0, 0, 9, 0, 9, 9]},
                     {"type": "mask", "label_id": 0, "rle": {"size": [40, 60],
                                                             "counts": [2000, 400]}},
                     {"type": "bbox", "label_id": 0, "bbox": [0, 0, 9, 9]}]}]},
}  # fmt: skip
PLACES = {"supervisely": "ds/ann/a.jpg.json", "datumaro": "annotations/train.json"}


def survives(source, out, format, what=None):
    """An import that succeeds, or one error; and no more beside ``source`` than before."""
    survived(lambda: import_data(source, out, Request(val=0.0), format), what=what)
    shutil.rmtree(out, ignore_errors=True)
    assert {path.name for path in out.parent.iterdir()} == {"src"}, what


@pytest.mark.parametrize("format", TREES)
def test_nonsense_anywhere_is_an_import_or_one_error(picture, save, tmp_path, format):
    picture("src/ds/img/a.jpg")
    tree, name = TREES[format], PLACES.get(format, "a.json")
    for place, way in enumerate(places(tree)):
        for value in NONSENSE[place % 2 :: 2]:  # each half of them at every other place
            source = save(name, json.dumps(exchanged(tree, way, value)))
            survives(source, tmp_path / "out", format, (way, value))


@pytest.mark.parametrize("format", TREES)
@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00", '"x"', "[]", "7"])
def test_broken_json(picture, save, tmp_path, format, text):
    picture("src/ds/img/a.jpg")
    with pytest.raises(UserError) as caught:
        source = save(PLACES.get(format, "a.json"), text)
        import_data(source, tmp_path / "out", Request(), format)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "out").exists()


CVAT = """<annotations><image id="0" name="a.jpg" width="60" height="40">
<polygon label="car" points="0,0;9,0;9,9" z_order="0"/>
<box label="car" xtl="2" ytl="2" xbr="12" ybr="8" rotation="10"/>
<mask label="car" rle="1, 2, 3" left="40" top="5" width="3" height="2"/>
<ellipse label="car" cx="50" cy="15" rx="6" ry="3"/></image></annotations>"""


@pytest.mark.parametrize("value", ["", "x", "nan", "-1", "0", "0.5", "1e400", "9" * 30, ",;,"])
def test_nonsense_in_any_attribute(picture, tmp_path, value):
    picture("src/a.jpg")
    for match in re.finditer('="[^"]*"', CVAT):
        text = f'{CVAT[: match.start()]}="{value}"{CVAT[match.end() :]}'
        (tmp_path / "src/annotations.xml").write_text(text)
        survives(tmp_path / "src", tmp_path / "out", "cvat", match)


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
            survives(tmp_path / "src", tmp_path / "out", name, (file, turn))
        file.write_bytes(whole)


KILLED = """
import os, signal, sys
from fullconv.files.atomic import folder_atomically
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
