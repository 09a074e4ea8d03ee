"""Temperature scaling against torchmetrics, scipy and a grid; where the temperature is used."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torchmetrics.classification import MulticlassCalibrationError
from typer.testing import CliRunner

import fullconv
from fullconv.calibration.temperature_scaling import best_temperature, measure_calibration
from fullconv.checkpoints import Checkpoint, load, save
from fullconv.classes import ClassSet
from fullconv.cli import app
from fullconv.data import Sample
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.inference.export_metadata import Description
from fullconv.metrics.reliability import Reliability
from fullconv.models import TORCH
from small_runs import small_net, small_run

CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))


def _photo(seed, height=45, width=61):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return coarse[np.arange(height) * 6 // height][:, np.arange(width) * 8 // width]


class Photos:
    """Photos whose masks are drawn from softmax(logits / planted); a part of each is ignored."""

    classes = CLASSES

    def __init__(self, run, planted=3.0, labelled=True):
        self.predictor, self.planted, self.labelled = Predictor(run, "cpu"), planted, labelled

    def __len__(self):
        return 3

    def __getitem__(self, index):
        image, rng = _photo(index, 45 + index), np.random.default_rng(index)
        scores = torch.from_numpy(self.predictor(image).scores) / self.planted
        ends = scores.softmax(0).cumsum(0).numpy()
        mask = (ends[:-1] < rng.random(ends.shape[1:])).sum(0).astype(np.uint8)
        mask[:, :7] = 255
        if not self.labelled:
            mask[:] = 255
        return Sample(f"photo{index}", image, mask)


@pytest.fixture
def run(tmp_path):
    return small_run(tmp_path / "run", CLASSES)


def _pixels(run, photos):
    """Logits P,K and labels P of all labelled pixels, by no code of the calibration."""
    predictor, logits, truth = Predictor(run, "cpu"), [], []
    for index in range(len(photos)):
        sample = photos[index]
        known = sample.mask != 255
        logits.append(np.moveaxis(predictor(sample.image).scores, 0, 2)[known])
        truth.append(sample.mask[known])
    return np.concatenate(logits).astype(np.float64), np.concatenate(truth).astype(np.int64)


def _cross_entropy(logits, truth, temperature):
    scaled = torch.from_numpy(logits) / temperature
    return float(torch.nn.functional.cross_entropy(scaled, torch.from_numpy(truth)))


def _ece(logits, truth, temperature):
    shares = (torch.from_numpy(logits) / temperature).softmax(1)
    metric = MulticlassCalibrationError(num_classes=logits.shape[1], n_bins=15, norm="l1")
    return float(metric(shares.float().clamp(max=1 - 1e-7), torch.from_numpy(truth)))


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5, 7.0])
def test_the_best_temperature_is_that_of_scipy(planted):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, (20000, 5))
    shares = torch.from_numpy(logits / planted).softmax(1).numpy()
    truth = (shares.cumsum(1) > rng.random((20000, 1))).argmax(1)
    ours = best_temperature(torch.from_numpy(logits).float(), torch.from_numpy(truth))
    theirs = minimize_scalar(
        lambda t: _cross_entropy(logits, truth, t), bounds=(0.05, 20), method="bounded",
        options={"xatol": 1e-7},
    ).x  # fmt: skip
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours == pytest.approx(planted, rel=0.06)


def test_weights_count_as_pixels_do():
    rng = np.random.default_rng(2)
    logits, truth = (
        torch.from_numpy(rng.normal(0, 2, (500, 3))),
        torch.from_numpy(rng.integers(0, 3, 500)),
    )
    times = torch.from_numpy(rng.integers(1, 4, 500))
    repeated = best_temperature(logits.repeat_interleave(times, 0), truth.repeat_interleave(times))
    assert best_temperature(logits, truth, times.double()) == pytest.approx(repeated, rel=1e-5)


@pytest.mark.parametrize(("right", "end"), [(True, 0.05), (False, 20.0)])
def test_a_net_that_is_always_right_or_never_gets_the_end_of_the_range(right, end):
    logits = torch.eye(4).repeat(50, 1)
    truth = logits.argmax(1) if right else (logits.argmax(1) + 1) % 4
    assert best_temperature(logits, truth) == pytest.approx(end, rel=1e-3)


def test_ece_is_that_of_torchmetrics():
    rng = np.random.default_rng(3)
    logits, truth = rng.normal(0, 2, (5000, 6)), rng.integers(0, 6, 5000)
    shares = torch.from_numpy(logits).softmax(1).numpy()
    parts = [
        Reliability.of(shares[part].max(1), shares[part].argmax(1) == truth[part])
        for part in (slice(0, 1234), slice(1234, None))
    ]
    both = sum(parts, Reliability.none())
    assert both.ece == pytest.approx(_ece(logits, truth, 1.0), abs=1e-6)
    assert both.accuracy == pytest.approx((shares.argmax(1) == truth).mean())
    back = Reliability.from_dict(json.loads(json.dumps(both.to_dict())))
    assert back.ece == pytest.approx(both.ece, abs=1e-6)


def test_a_probability_on_the_edge_of_two_bins_is_in_the_lower_one():
    edge = Reliability.of(np.array([0.0, 0.25, 0.5, 1.0]), np.ones(4, bool), bins=4)
    assert edge.pixels.tolist() == [2, 1, 0, 1]


def test_calibrating_finds_the_optimum_and_changes_nothing_else(run):
    photos = Photos(run)
    before, content = Predictor(run, "cpu"), load(run)
    logits, truth = _pixels(run, photos)
    steps = []
    measured = fullconv.calibrate(run, photos, progress=lambda *told: steps.append(told))
    grid = np.arange(0.05, 20, 0.01)
    best = grid[np.argmin([_cross_entropy(logits[::3], truth[::3], t) for t in grid])]
    assert measured.temperatures[0] == pytest.approx(best, rel=0.1)
    losses = [_cross_entropy(logits, truth, measured.temperatures[0] * f) for f in (1, 0.99, 1.01)]
    assert losses[0] == min(losses)
    for reliability, temperature in (
        (measured.before[0], 1.0), (measured.after[0], measured.temperatures[0]),
    ):  # fmt: skip
        assert reliability.ece == pytest.approx(_ece(logits, truth, temperature), abs=2e-4)
        assert reliability.pixels.sum() == len(truth)
    assert measured.temperatures[0] == pytest.approx(photos.planted, rel=0.1)
    assert measured.after[0].ece < measured.before[0].ece / 3
    assert steps == [(n, 6) for n in range(1, 7)]
    after, again = Predictor(run, "cpu"), load(run)
    assert again.calibration.to_dict() == measured.to_dict()
    assert again.golden.to_dict() == content.golden.to_dict()
    assert again.origin == content.origin
    state = again.net.state_dict()
    assert all(
        torch.equal(tensor, state[name]) for name, tensor in content.net.state_dict().items()
    )
    prediction = after(_photo(9))
    np.testing.assert_array_equal(prediction.mask, before(_photo(9)).mask)
    np.testing.assert_array_equal(prediction.scores, before(_photo(9)).scores)
    scaled = torch.from_numpy(prediction.scores.astype(np.float64)) / measured.temperatures[0]
    np.testing.assert_allclose(prediction.probabilities, scaled.softmax(0), atol=1e-6)
    measured_again = measure_calibration(run, photos)
    assert measured_again.after[0].ece == pytest.approx(measured.after[0].ece)


@pytest.mark.parametrize("options", [{}, {"tile": 480}, {"tta": "mirror,0.75,1"}])
def test_confidence_is_the_probability_of_the_class_of_each_pixel(tmp_path, options):
    net = Checkpoint(small_net(4), CLASSES, TORCH)
    save(tmp_path / "plain" / "model.safetensors", net)
    save(tmp_path / "warm" / "model.safetensors", net)
    run = tmp_path / "warm"
    fullconv.calibrate(run, Photos(run))
    image = _photo(5, 50, 530)
    plain, warm = (Predictor(tmp_path / n, "cpu", **options)(image) for n in ("plain", "warm"))
    np.testing.assert_array_equal(plain.mask, warm.mask)
    (at_once,) = Predictor(run, "cpu", **options).predict_batch([image], confidence=True)
    np.testing.assert_array_equal(at_once.mask, warm.mask)
    chosen = np.take_along_axis(warm.probabilities, warm.mask[None].astype(int), 0)[0]
    for prediction in (warm, at_once):
        np.testing.assert_allclose(prediction.confidence, chosen, atol=2e-5)
        assert prediction.mean_confidence == pytest.approx(float(chosen.mean()), abs=1e-5)
    np.testing.assert_allclose(plain.probabilities.sum(0), 1, atol=1e-5)


def test_each_output_has_a_temperature_of_its_own(tmp_path):
    parts = {"what": CLASSES, "where": ClassSet(("near", "far"), ((0, 0, 0), (9, 9, 9)))}
    run = small_run(tmp_path, ClassSet.joint(parts))
    predictor = Predictor(run, "cpu")

    class Two:  # a Source, as folders with several outputs are
        classes, split, names = predictor.classes, "val", ("0", "1")

        def mask(self, index):
            return self[index].mask

        def files(self, index):
            return None, None

        def __len__(self):
            return 2

        def __getitem__(self, index):
            first = predictor(_photo(index))
            far, rng = first.other_outputs["where"].mask, np.random.default_rng(index)
            wrong = np.where(rng.random(far.shape) < 0.4, 1 - far, far)
            mask = np.dstack([first.mask, wrong + 4]).astype(np.uint8)
            return Sample("photo", _photo(index), mask)

    measured = fullconv.calibrate(run, Two())
    assert measured.outputs == ("what", "where")
    assert measured.temperatures[0] < 1 < measured.temperatures[1]
    first = Predictor(run, "cpu").predict_batch([_photo(0)], confidence=True)[0]
    for prediction, t in zip(
        (first, first.other_outputs["where"]), measured.temperatures, strict=True
    ):
        shares = (torch.from_numpy(prediction.scores) / t).softmax(0)
        np.testing.assert_allclose(prediction.confidence, shares.amax(0), atol=1e-5)


def test_what_an_export_says_of_itself_has_the_temperature(run):
    fullconv.calibrate(run, Photos(run))
    checkpoint = load(run)
    text = Description.of(checkpoint).to_json()
    back = Description.from_json(Path("model.onnx"), text)
    assert back.calibration.to_dict() == checkpoint.calibration.to_dict()
    for name in ("model.onnx", "model.xml", "model.pt2"):
        with pytest.raises(UserError) as caught:
            fullconv.calibrate(run / name, Photos(run))
        assert caught.value.code == "FC-CALIBRATE-001" and name in str(caught.value)


@pytest.mark.slow
def test_an_export_has_the_temperature_of_its_run(run):
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    fullconv.calibrate(run, Photos(run))
    fullconv.export(run, "onnx")
    ours, theirs = Predictor(run, "cpu"), Predictor(run / "model.onnx")
    assert theirs.softmaxes == ours.softmaxes
    one, other = (p.predict_batch([_photo(3)], confidence=True)[0] for p in (ours, theirs))
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-4)


def test_a_split_without_labels_is_refused_and_nothing_is_stored(run):
    content = (run / "model.safetensors").read_bytes()
    with pytest.raises(UserError) as caught:
        fullconv.calibrate(run, Photos(run, labelled=False))
    assert caught.value.code == "FC-CALIBRATE-002"
    assert (run / "model.safetensors").read_bytes() == content


@pytest.mark.parametrize(
    "calibration",
    [
        {"temperatures": []},
        {"temperatures": [0]},
        {"temperatures": [-1.0]},
        {"temperatures": ["nan"]},
        {"temperatures": [1.0, 1.0]},
        {"temperatures": 7},
        {"temperatures": [[1]]},
        ["temperatures"],
        {},
        {"temperatures": [1.0], "before": [{"pixels": [1]}], "after": []},
        {"temperatures": [1.0], "before": [{}], "after": [{}]},
    ],
)
def test_a_damaged_calibration_is_an_error_of_the_file(run, calibration):
    file = run / "model.safetensors"
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    own = json.loads(header["__metadata__"]["fullconv"]) | {"calibration": calibration}
    header["__metadata__"]["fullconv"] = json.dumps(own)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(UserError) as caught:
        load(run)
    assert caught.value.code == "FC-WEIGHTS-003"
    assert "model.safetensors" in str(caught.value)


def test_the_command_prints_both_and_the_report_shows_them(tmp_path):
    data, run = tmp_path / "shapes", tmp_path / "run"
    invoke = CliRunner().invoke
    assert invoke(app, ["shapes", str(data), "--number", "6", "--size", "64x64"]).exit_code == 0
    classes = fullconv.open_source(data, "val").classes
    small_run(run, classes)
    (run / "config.toml").write_text("recipe = 'demo'\n")
    result = invoke(app, ["calibrate", str(run), str(data), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    temperature = load(run).calibration.temperatures[0]
    assert [f"{temperature:.3f}"] == [row[0] for row in rows if row[:1] == [f"{temperature:.3f}"]]
    page = (run / "report.html").read_text("utf-8")
    assert "Calibration" in page and f"{temperature:.3f}" in page
    assert invoke(app, ["calibrate", str(run), str(data), "--tta", "mirror"]).exit_code == 2
    photo = next((data / "images" / "val").iterdir())
    args = ["predict", str(run), str(photo), "--probability", "--out", str(tmp_path / "out")]
    assert invoke(app, args).exit_code == 0
    from PIL import Image

    written = np.asarray(Image.open(tmp_path / "out" / f"{photo.stem}_probability.png"))
    sure = Predictor(run, "cpu")(photo).confidence
    assert np.abs(written / 255 - sure).max() <= 0.5 / 255 + 1e-4
