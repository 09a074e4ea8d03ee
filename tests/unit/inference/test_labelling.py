"""Predictions for labelling tools: what is written is what the net said, and nothing half."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.exporters import ShapeOptions, write_labels
from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs
from fullconv.inference.areas import AreaTable
from fullconv.inference.labelling import item_of, predict_labels, probability_of
from small_runs import small_run

EXACT = ShapeOptions(tolerance=0, smallest=0)


@pytest.fixture
def photos(tmp_path, picture):
    folder = tmp_path / "photos"
    (folder / "day").mkdir(parents=True)
    for number, name in enumerate(("a.png", "day/b.JPG", "day/c.png")):
        Image.fromarray(picture(37 + number, 53, number)).save(folder / name)
    return folder


def test_what_is_imported_is_what_the_net_predicted(photos, run, tmp_path):
    predictor = Predictor(run, "cpu")
    entries = find_inputs([photos], tmp_path / "out")
    results = list(predict_labels(predictor, entries, "labelme", tmp_path / "out", EXACT))
    assert [str(r.photo) for r in results] == [str(entry) for entry in entries]
    assert not any(result.error for result in results)
    import_data(tmp_path / "out", tmp_path / "new", Request(background="__ignore__"))
    for entry in entries:
        name = entry.result.relative_to(tmp_path / "out")
        mask = next((tmp_path / "new/masks").glob(f"*/{name}.png"))
        np.testing.assert_array_equal(np.asarray(Image.open(mask)), predictor(entry.file).mask)


def test_a_photo_that_cannot_be_read_is_told_and_the_rest_is_written(photos, run, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG no")
    entries = find_inputs([photos], tmp_path / "out")
    results = list(predict_labels(Predictor(run, "cpu"), entries, "coco", tmp_path / "out", EXACT))
    assert [result.photo.file.name for result in results if result.error] == ["broken.png"]
    assert len(results) == 4
    content = json.loads((tmp_path / "out/annotations/instances_default.json").read_text("utf-8"))
    assert [image["file_name"] for image in content["images"]] == [
        "a.png",
        "day/b.JPG",
        "day/c.png",
    ]


def test_nothing_is_written_where_no_photo_can_be_read(run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG no")
    entries = find_inputs([tmp_path / "a.png"], tmp_path / "out")
    with pytest.raises(UserError, match=r"a\.png"):
        list(predict_labels(Predictor(run, "cpu"), entries, "cvat", tmp_path / "out", EXACT))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_prediction_that_is_given_up_leaves_nothing(photos, run, tmp_path):
    entries = find_inputs([photos], tmp_path / "out")
    results = predict_labels(Predictor(run, "cpu"), entries, "labelme", tmp_path / "out", EXACT)
    next(results)
    results.close()
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_confidence_is_the_mean_probability_of_the_region(run, picture):
    prediction = Predictor(run, "cpu")(picture())
    best = prediction.probabilities.max(0)
    np.testing.assert_allclose(probability_of(prediction), best, rtol=1e-5)
    regions = prediction.to_shapes(0, 0, with_background=True)
    for value in np.unique(prediction.mask):
        of_class = [region for region in regions if region.value == value]
        mean = np.average(
            [region.confidence for region in of_class],
            weights=[region.pixels for region in of_class],
        )
        assert mean == pytest.approx(best[prediction.mask == value].mean(), rel=1e-5)


def test_predictions_are_written_from_python(run, picture, tmp_path):
    prediction = Predictor(run, "cpu")(picture())
    items = [prediction.to_item("one"), prediction.to_item("two")]
    assert write_labels("labelme", items, tmp_path / "out", prediction.classes) == 2
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "classes.toml", "labels.txt", "one.json", "one.png", "two.json", "two.png",
    }  # fmt: skip


def test_an_exported_file_without_scores_gives_shapes_without_confidence(run, picture):
    prediction = Predictor(run, "cpu")(picture())

    def compute():
        raise UserError("no scores", "FC-PREDICT-016")

    object.__setattr__(prediction, "compute", compute)
    assert probability_of(prediction) is None
    assert {region.confidence for region in prediction.to_shapes()} == {None}


def test_areas_are_counted_pixels(run, photos, tmp_path):
    predictor = Predictor(run, "cpu")
    table = AreaTable()
    entries = find_inputs([photos / "a.png"], tmp_path)
    prediction = predictor(photos / "a.png")
    table.add_prediction(entries[0], prediction)
    table.add("scene.tif", predictor.classes, [1, 2, 1, 0], pixel=0.25)
    table.write(tmp_path / "areas.csv")
    rows = list(csv.DictReader((tmp_path / "areas.csv").open()))
    assert [row["class"] for row in rows] == [*predictor.classes.names] * 2
    for value, row in enumerate(rows[:4]):
        count = int((prediction.mask == value).sum())
        assert int(row["pixels"]) == count
        assert float(row["share"]) == pytest.approx(count / prediction.mask.size, abs=1e-6)
        assert row["square_metres"] == ""
    assert [row["square_metres"] for row in rows[4:]] == ["0.25", "0.5", "0.25", "0"]
    assert [row["share"] for row in rows[4:]] == ["0.250000", "0.500000", "0.250000", "0.000000"]


def test_classes_that_overlap_become_shapes_each_on_its_own(picture, tmp_path):
    classes = ClassSet(("car", "rain", "road")).overlapping((0.4, 0.5, 0.6))
    predictor = Predictor(small_run(tmp_path / "run", classes), "cpu")
    Image.fromarray(picture(40, 53, 0)).save(tmp_path / "a.png")
    entries = find_inputs([tmp_path / "a.png"], tmp_path / "out")
    list(predict_labels(predictor, entries, "coco", tmp_path / "out", EXACT))
    content = json.loads((tmp_path / "out/annotations/instances_default.json").read_text("utf-8"))
    assert [entry["name"] for entry in content["categories"]] == list(classes.names)
    prediction = predictor(tmp_path / "a.png")
    assert (prediction.masks.sum(0) > 1).any()
    for place in range(3):
        shapes = [a for a in content["annotations"] if a["category_id"] == place + 1]
        assert sum(shape["area"] for shape in shapes) == prediction.masks[place].sum()


def test_the_confidence_of_a_class_that_may_overlap_is_its_own(picture, tmp_path):
    classes = ClassSet(("car", "rain", "road")).overlapping((0.4, 0.5, 0.6))
    prediction = Predictor(small_run(tmp_path / "run", classes), "cpu")(picture(40, 53, 0))
    regions = EXACT.regions(item_of(prediction, "a"), classes)
    for value in range(3):
        own = [region for region in regions if region.value == value]
        assert sum(region.pixels for region in own) == prediction.masks[value].sum()
        mean = np.average([region.confidence for region in own], weights=[r.pixels for r in own])
        there = prediction.probabilities[value][prediction.masks[value]]
        assert mean == pytest.approx(there.mean(), rel=1e-4)


def test_a_calibrated_net_gives_calibrated_confidences(run, picture):
    prediction = Predictor(run, "cpu")(picture())
    warm = replace(prediction, temperature=3.0)
    np.testing.assert_allclose(probability_of(warm), warm.probabilities.max(0), rtol=1e-5)
