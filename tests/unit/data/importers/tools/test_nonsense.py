"""Every value of the tools' files exchanged for nonsense; tools that are not read."""

import json
import shutil

import numpy as np
import pytest

from exports import png, text64
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError
from json_trees import exchanged, places

NONSENSE = [None, True, -1, 0.5, 1e300, float("nan"), "x", [], {}, [[]], [{}], 10**400, "\ud800"]
SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]
XY = [{"x": x, "y": y} for x, y in SQUARE]

TREES = {
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


@pytest.mark.parametrize("format", TREES)
def test_nonsense_anywhere_is_an_import_or_one_error(picture, save, tmp_path, format):
    picture("src/ds/img/a.jpg")
    tree, name = TREES[format], PLACES.get(format, "a.json")
    for place, way in enumerate(places(tree)):
        for value in NONSENSE[place % 2 :: 2]:  # each half of them at every other place
            source = save(name, json.dumps(exchanged(tree, way, value)))
            try:
                import_data(source, tmp_path / "out", Request(val=0.0), format)
                shutil.rmtree(tmp_path / "out")
            except UserError as error:
                assert len(str(error)) < 2000, (way, value)
            assert {path.name for path in tmp_path.iterdir()} == {"src"}, (way, value)


@pytest.mark.parametrize("format", TREES)
@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00", '"x"', "[]", "7"])
def test_broken_json(picture, save, tmp_path, format, text):
    picture("src/ds/img/a.jpg")
    with pytest.raises(UserError) as caught:
        source = save(PLACES.get(format, "a.json"), text)
        import_data(source, tmp_path / "out", Request(), format)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("via3.json", '{"project": {"vid_list": []}, "metadata": {}}', "VIA 3"),
        ("export.ndjson", '{"data_row": {}, "projects": {}}', "Labelbox.*COCO"),
        ("a.json", '{"metadata": {}, "instances": [{"classId": 1}]}', "SuperAnnotate.*COCO"),
        ("a.xml", "<annotation><object><bndbox>", "boxes and no outlines"),
        ("train/_classes.csv", "filename, cat, dog\na.jpg, 0, 1\n", "Semantic Segmentation Masks"),
        ("a.tfrecord", "x", "TensorFlow"),
        ("project.csv", "image,annotation_id,lead_time\n", "as JSON"),
        ("annotations/train.datum", "x", "JSON"),
        ("a.geojson", '{"type": "FeatureCollection"}', "GeoJSON"),
    ],
)
def test_a_tool_that_is_not_read_is_named_with_the_export_to_choose(
    save, tmp_path, name, text, said
):
    with pytest.raises(UserError, match=said) as caught:
        import_data(save(name, text), tmp_path / "out")
    assert caught.value.code == "FC-IMPORT-068"
    assert name.split("/")[-1] in str(caught.value)
