"""Binary and multi-label data all the way: train, evaluate, predict, export, serve."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from fullconv.checkpoints import load
from fullconv.checkpoints.checkpoint import Checkpoint, save
from fullconv.inference import Predictor
from overlapping_data import SHAPES, write_overlapping

SMALL = ("--scratch", "--set", "net.width=0.125", "--net", "fcn8s-resnet18", "--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``set/``, data of two overlapping classes."""
    place = tmp_path_factory.mktemp("tasks")
    write_overlapping(place / "set", train=8, val=4)
    return place


@pytest.fixture
def trained(place, inside, monkeypatch):
    """A run of 80 steps on it, trained by the first test that asks; and what was said."""
    monkeypatch.chdir(place)
    if not (place / "run").exists():
        said, _ = inside(
            "train", "set", "--out", "run", "--steps", "80", "--batch-size", "4", "--crop", "64x64",
            "--lr", "0.005", *SMALL,
        )  # fmt: skip
        (place / "said.txt").write_text(said)
    return place / "run", (place / "said.txt").read_text()


@pytest.fixture
def photo(place):
    return place / "set" / "images" / "val" / "100.png"


def test_the_task_is_taken_from_the_layout_and_said_in_one_line(trained):
    run, said = trained
    lines = [line for line in said.splitlines() if line.startswith("task:")]
    assert len(lines) == 1
    assert "multilabel: 2 classes that may overlap" in lines[0]
    assert 'kind = "multilabel"' in (run / "config.toml").read_text()
    assert load(run).classes == SHAPES
    scores = json.loads((run / "scores.json").read_text())
    assert scores["mean_iu"] > 0.2  # it has learned something: 80 steps on 8 photos


def test_the_report_has_the_curves_and_no_confusion_of_classes(trained):
    page = (trained[0] / "report.html").read_text()
    assert "Precision and recall" in page and "average precision" in page
    assert "Confusion" not in page


def test_evaluate_gives_what_the_training_said_and_writes_the_curves(trained, inside, tmp_path):
    run, _ = trained
    said, _ = inside("evaluate", run, "--device", "cpu", "--out", tmp_path / "scores")
    assert "average precision" in said and "disc" in said
    there = json.loads((tmp_path / "scores" / "scores.json").read_text())
    kept = json.loads((run / "scores.json").read_text())
    assert there["task"] == "multilabel"
    # Batch norms are folded into the convolutions here: a few pixels lie at the threshold.
    assert np.abs(np.subtract(there["confusion"], kept["confusion"])).max() <= 10
    assert there["mean_average_precision"] == pytest.approx(
        kept["mean_average_precision"], abs=1e-3
    )
    assert (tmp_path / "scores" / "precision_recall.png").stat().st_size > 5000
    header = (tmp_path / "scores" / "photos.csv").read_text().splitlines()[0]
    assert header.endswith("pixels disc,iu disc,pixels box,iu box")


def test_a_threshold_moves_recall_and_is_refused_where_there_is_none(trained, inside, tmp_path):
    run, _ = trained
    recall = []
    for threshold in ("0.1", "0.9"):
        inside("evaluate", run, "--device", "cpu", "--threshold", threshold, "--out", tmp_path)
        rows = json.loads((tmp_path / "scores.json").read_text())["classes"]
        assert [row["threshold"] for row in rows] == [float(threshold)] * 2
        recall.append(sum(row["recall"] for row in rows))
    assert recall[0] > recall[1]
    for wrong in ("2", "0.5,0.5,0.5", "often"):
        _, error = inside("evaluate", run, "--threshold", wrong, code=2)
        assert "FC-CLASS-014" in error


def test_predict_writes_a_mask_for_each_class_and_one_overlay(trained, inside, photo, tmp_path):
    run, _ = trained
    inside("predict", run, photo, "--device", "cpu", "--out", tmp_path, "--scores")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"100_disc.png", "100_box.png", "100_overlay.jpg", "100_scores.npy"}
    prediction = Predictor(run, "cpu")(photo)
    assert prediction.masks.shape == (2, 64, 80) and prediction.masks.dtype == bool
    for place, name in enumerate(("disc", "box")):
        written = Image.open(tmp_path / f"100_{name}.png")
        assert written.getpalette()[3:6] == list(SHAPES.colors[place])
        assert np.array_equal(np.asarray(written) == 1, prediction.masks[place])
    assert np.array_equal(prediction.masks, prediction.probabilities >= 0.5)
    assert np.allclose(np.load(tmp_path / "100_scores.npy"), prediction.scores, atol=1e-4)


@pytest.mark.parametrize("form", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_exports_decide_as_the_run(trained, inside, photo, form):
    package = {"onnx": "onnxruntime", "openvino": "openvino"}[form]
    pytest.importorskip(package, reason="needs fullconv[export]")
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    run, _ = trained
    ending = {"onnx": ".onnx", "openvino": ".xml"}[form]
    inside("export", run, "--to", form, "--size", "64x80")
    ours, theirs = Predictor(run, "cpu")(photo), Predictor(run / f"model{ending}", "cpu")(photo)
    assert theirs.classes == ours.classes
    near = np.abs(ours.probabilities - 0.5) < 1e-3
    assert ((ours.masks == theirs.masks) | near).all()
    lower = Predictor(run / f"model{ending}", "cpu", threshold=0.2)(photo)
    assert lower.masks.sum() >= theirs.masks.sum()
    assert np.array_equal(lower.masks, lower.probabilities >= 0.2) or near.any()


def test_a_graph_of_classes_has_the_thresholds_inside(trained, inside, photo):
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    run, _ = trained
    inside("export", run, "--output", "classes", "--size", "64x80")
    graph = run / "model-classes.onnx"
    ours, theirs = Predictor(run, "cpu")(photo), Predictor(graph, "cpu")(photo)
    assert (ours.masks == theirs.masks).mean() > 0.999
    said, _ = inside("evaluate", graph, "set")
    assert "mean IU" in said and "average precision" not in said
    _, error = inside("predict", graph, photo, "--threshold", "0.3", code=2)
    assert "FC-PREDICT-016" in error


def test_tuned_thresholds_are_kept_in_the_checkpoint_with_its_proof(trained, inside, place):
    run, _ = trained
    copy = place / "tuned.safetensors"
    checkpoint = load(run)
    parts = checkpoint.net, checkpoint.classes, checkpoint.preprocessing, checkpoint.origin
    save(copy, Checkpoint(*parts))
    said, _ = inside("evaluate", copy, "set", "--device", "cpu", "--tune-thresholds")
    assert "disc: threshold 0.5 ->" in said
    tuned = load(copy)
    assert tuned.classes.thresholds != checkpoint.classes.thresholds
    for threshold in tuned.classes.thresholds:
        assert f"-> {threshold:g}" in said
    again, _ = inside("evaluate", copy, "set", "--device", "cpu")
    assert f"{tuned.classes.thresholds[0]:g}" in again


def test_the_service_answers_with_a_mask_for_each_class(trained, photo):
    client_of = pytest.importorskip("fastapi.testclient", reason="needs fullconv[serve]").TestClient
    from fullconv.serve import Service, Settings, open_models
    from fullconv.serve.app import build_app

    run, _ = trained
    wanted = Predictor(run, "cpu")(photo)
    service = Service(open_models([run], device="cpu"), Settings())
    with client_of(build_app(service), base_url="http://127.0.0.1") as client:
        (model,) = client.get("/v1/models").json()["models"]
        assert model["task"] == "multilabel"
        assert [each["name"] for each in model["outputs"]] == ["disc", "box"]
        assert [each["threshold"] for each in model["outputs"]] == [0.5, 0.5]
        client.headers["content-type"] = "image/png"
        body = photo.read_bytes()
        answer = client.post("/v1/segment?mask=true", content=body).json()
        for place, region in enumerate(answer["classes"]):
            mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(region["mask"]["png"]))))
            assert region["pixels"] == wanted.masks[place].sum()
            assert np.array_equal(mask == 1, wanted.masks[place])
        one = client.post("/v1/segment?answer=mask&output=box", content=body)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(one.content))), wanted.masks[1])
        sure = client.post("/v1/segment?answer=probability&output=box", content=body)
        values = np.asarray(Image.open(io.BytesIO(sure.content))).astype(int)
        assert np.abs(values - 255 * wanted.probabilities[1]).max() <= 1
        both = client.post("/v1/segment?answer=mask", content=body)
        assert both.status_code == 422 and both.json()["code"] == "FC-SERVE-024"
        assert client.post("/v1/segment?answer=overlay", content=body).status_code == 200


def test_one_class_against_the_rest_of_masks_of_numbers(inside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = "shapes:48x64:n=6"
    said, _ = inside(
        "train", data, "--task", "binary", "--foreground", "disc", "--steps", "4",
        "--batch-size", "2", "--out", "run", *SMALL,
    )  # fmt: skip
    assert "task: binary: disc against the rest" in said
    classes = load("run").classes
    assert classes.names == ("disc",) and classes.task == "binary"
    said, _ = inside("evaluate", "run", "--device", "cpu")
    assert "binary" not in said or "disc" in said
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("photo.png")
    inside("predict", "run", "photo.png", "--device", "cpu", "--out", "out")
    assert np.asarray(Image.open("out/photo.png")).shape == (40, 50)
    again, _ = inside("train", "--resume", "--out", "run", "--set", "schedule.steps=6")
    assert "resuming at step 4 of 6" in again


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--task", "binary"), "FC-DATA-137"),
        (("--task", "semantic"), "FC-DATA-137"),
        (("--set", "loss.lovasz.weight=0.5"), "FC-CONFIG-016"),
        (("--foreground", "cat"), "FC-CLASS-007"),
    ],
)
def test_what_does_not_suit_the_masks_is_refused_before_the_first_step(
    place, inside, options, code
):
    _, error = inside(
        "train", place / "set", "--steps", "1", "--out", place / "none", *SMALL, *options, code=2
    )
    assert code in error
    assert not (place / "none").exists()


def test_check_and_inspect_take_such_data(place, inside, tmp_path):
    said, _ = inside("check", place / "set")
    assert "errors: 0" in said
    inside("inspect", place / "set", "--out", tmp_path / "page.html")
    assert "disc" in (tmp_path / "page.html").read_text()
