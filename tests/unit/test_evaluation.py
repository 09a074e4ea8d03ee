import threading

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from fullconv.classes import ClassSet
from fullconv.data import Sample, open_source
from fullconv.data.data_of_run import trained_on
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.inference import TorchEngine, parse_tta, with_tta
from fullconv.metrics import boundary_counts, confusion, counts_of, intervals
from fullconv.models import TORCH, NetSpec, build
from fullconv.report.run_files import read_run
from small_runs import small_run

CLASSES = ClassSet(("a", "b", "c"))


class Photos:
    """Photos of several sizes, some pixels ignored."""

    classes, split = CLASSES, "val"

    def __init__(self, sizes=((40, 50), (33, 70), (64, 31))):
        rng = np.random.default_rng(1)
        self.samples = [
            Sample(
                f"photo{i}",
                rng.integers(0, 256, (*size, 3), np.uint8),
                rng.choice(np.array([0, 1, 2, 255], np.uint8), size),
            )
            for i, size in enumerate(sizes)
        ]
        self.names = [sample.name for sample in self.samples]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def make_engine(classes=3):
    torch.manual_seed(0)
    net = build(NetSpec("fcn16s-resnet18", classes, width=0.0625))
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    return TorchEngine((net, TORCH), "cpu")


def test_against_torchmetrics_over_the_whole_set():
    engine, source = make_engine(), Photos()
    metric = MulticlassJaccardIndex(3, ignore_index=255, average="macro")
    for sample in source:
        prediction = torch.from_numpy(engine.class_map(sample.image)).long()
        metric.update(prediction[None], torch.from_numpy(sample.mask).long()[None])
    scores = evaluate(engine, source)
    assert scores.mean_iu == pytest.approx(float(metric.compute()))
    assert scores.names == CLASSES.names
    assert len(np.unique(scores.confusion.sum(0))) > 1  # it predicts more than one class


def test_progress_and_each():
    source, seen, done = Photos(), [], []
    scores = evaluate(
        make_engine(), source, progress=lambda a, b: done.append((a, b)),
        on_photo=lambda sample, prediction, matrix: seen.append((sample.name, prediction, matrix)),
    )  # fmt: skip
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert [name for name, _, _ in seen] == source.names
    assert all(p.shape == s.mask.shape for (_, p, _), s in zip(seen, source.samples, strict=True))
    assert np.array_equal(sum(matrix for _, _, matrix in seen), scores.confusion)


def test_what_stops_it_leaves_no_thread():
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(make_engine(), Photos(), on_photo=stop)
    assert not [each for each in threading.enumerate() if each.name.startswith("fullconv")]


def test_the_metrics_of_each_photo_are_kept():
    engine, source = make_engine(), Photos()
    scores = evaluate(engine, source, boundary=0.05)
    assert scores.photos.names == tuple(source.names)
    for place, sample in enumerate(source):
        maps = sample.mask, engine.class_map(sample.image), 3, 255
        assert np.array_equal(scores.photos.counts[place], counts_of(confusion(*maps)))
        assert np.array_equal(scores.photos.boundary[place], boundary_counts(*maps, 0.05))
    both, true, predicted = scores.photos.boundary.sum(0)
    assert scores.boundary_iu == pytest.approx(both / (true + predicted - both))
    assert scores.mean_boundary_iu == pytest.approx(scores.boundary_iu.mean())
    assert scores.intervals.mean_iu == intervals(scores.photos.counts).mean_iu
    content = scores.to_dict()
    assert content["mean_boundary_iu"] == scores.mean_boundary_iu
    ends = scores.intervals.mean_iu
    assert content["mean_iu_interval"] == [ends.low, ends.high]
    assert content["intervals"] == {"photos": 3, "level": 0.95, "resamples": 1000, "seed": 0}
    for row, iu, interval in zip(
        content["classes"], scores.boundary_iu, scores.intervals.iu, strict=True
    ):
        assert row["boundary_iu"] == iu
        assert row["iu_interval"] == [interval.low, interval.high]


def test_without_boundaries_there_is_none_of_their_numbers():
    scores = evaluate(make_engine(), Photos())
    assert scores.boundary_iu is None and scores.mean_boundary_iu is None
    assert "mean_boundary_iu" not in scores.to_dict()
    assert "boundary" not in scores.photos.to_csv()


def test_with_test_time_augmentation():
    engine, source = make_engine(), Photos()
    tta = with_tta(engine, CLASSES, parse_tta("mirror,0.75,1"))
    scores = evaluate(engine, source, tta="mirror,0.75,1")
    assert np.array_equal(scores.confusion, evaluate(tta, source).confusion)
    assert not np.array_equal(scores.confusion, evaluate(engine, source).confusion)


def test_options_that_are_none_are_refused_before_the_first_photo():
    source = Photos()
    source.samples[0] = None
    with pytest.raises(UserError, match="boundary width 2"):
        evaluate(make_engine(), source, boundary=2)
    with pytest.raises(UserError, match="--tta sideways"):
        evaluate(make_engine(), source, tta="sideways")


def test_opens_what_is_named():
    classes = open_source("shapes:32x40:n=8", "val").classes
    scores = evaluate(make_engine(len(classes)), "shapes:32x40:n=8", split="val")
    assert scores.names == classes.names


def test_without_data_it_is_what_the_run_was_trained_on(tmp_path):
    data = "shapes:32x40:n=8"
    run = small_run(tmp_path / "run", open_source(data, "val").classes)
    (run / "config.toml").write_text(f'[data]\npath = "{data}"\n')
    assert evaluate(run).confusion.tolist() == evaluate(run, data).confusion.tolist()


@pytest.mark.parametrize("config", [None, "", "data = [", '[data]\nobject = "Squares"\n'])
def test_a_run_that_does_not_name_its_data_is_named(tmp_path, config):
    run = small_run(tmp_path / "run", CLASSES)
    if config is not None:
        (run / "config.toml").write_text(config)
    for without in (run, run / "model.safetensors", make_engine()):
        with pytest.raises(UserError, match=r"config|safetensors|TorchEngine") as caught:
            evaluate(without)
        assert caught.value.code == "FC-REPORT-002"


def test_other_class_count_is_refused():
    with pytest.raises(UserError, match="scores 4 classes, the data has 3"):
        evaluate(make_engine(4), Photos())


def test_photo_without_mask_is_named():
    source = Photos()
    source.samples[1] = Sample("lonely", source.samples[1].image, None)
    with pytest.raises(UserError, match="lonely: has no mask"):
        evaluate(make_engine(), source)


@pytest.mark.parametrize("text", ["a = " + "1" * 5000, "a = " + "[" * 100_000, "a = ["])
def test_a_damaged_config_of_a_run_is_one_line(tmp_path, text):
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "log.csv").write_text("")
    for read in (trained_on, read_run):
        with pytest.raises(UserError, match="not valid TOML") as caught:
            read(tmp_path)
        assert caught.value.code == "FC-REPORT-002"
        assert len(str(caught.value)) < 500
