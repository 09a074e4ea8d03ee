"""Loggers: what they are told, those that come with fullconv for real, and how they may fail."""

import csv
import importlib.util
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from fullconv.errors import UserError
from fullconv.training import read_config, train
from fullconv.training.loggers import LOGGERS, LoggedRun, Loggers, check_names, make_loggers

STEPS = {"schedule.steps": 4, "schedule.log_every": 1, "schedule.validate_every": 2}


class Recorder:
    """A logger that remembers all that it is told."""

    def __init__(self):
        self.told = []

    def start(self, run):
        self.told.append(("start", run))

    def metrics(self, step, values):
        self.told.append(("metrics", step, dict(values)))

    def images(self, step, images):
        self.told.append(("images", step, dict(images)))

    def finish(self, status):
        self.told.append(("finish", status))


class Failing(Recorder):
    """A logger whose server is gone from some call on."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def metrics(self, step, values):
        super().metrics(step, values)
        if self.at == "metrics":
            raise ConnectionError("no route to host")

    def start(self, run):
        super().start(run)
        if self.at == "start":
            raise UserError("the server refuses")


def rows(run):
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_logger_is_told_what_log_csv_says(start):
    logger = Recorder()
    run = start("run", STEPS, loggers=[logger], quiet=True)
    kinds = [told[0] for told in logger.told]
    assert kinds == [
        "start", "metrics", "images", "metrics", "metrics", "images", "metrics", "finish"
    ]  # fmt: skip
    (_, logged), *_, (_, status) = logger.told
    assert (logged.folder, logged.name, logged.step, status) == (run, "run", 0, "finished")
    assert logged.config["net.width"] == 0.125
    metrics = {told[1]: told[2] for told in logger.told if told[0] == "metrics"}
    for row in rows(run):
        values = metrics[int(row["step"])]
        columns = {"train/loss": "loss", "train/loss_per_pixel": "loss_per_pixel"}
        columns |= {"train/lr": "lr", "train/epoch": "epoch", "val/mean_iu": "val_mean_iu"}
        for name, column in columns.items():
            assert f"{values[name]:.9g}" == row[column] if row[column] else name not in values
        assert values["time/memory_mib"] > 100
    sheet = next(told[2]["val/samples"] for told in logger.told if told[0] == "images")
    assert sheet.dtype == np.uint8 and sheet.shape[1] > 3 * 200 and sheet.std() > 20


def test_a_logger_that_breaks_down_does_not_end_the_training(start, capsys):
    failing, other = Failing("metrics"), Recorder()
    start("run", STEPS, loggers=[failing, other])
    out = capsys.readouterr().out
    assert out.count("the logger Failing stopped (ConnectionError: no route to host)") == 1
    assert [told[0] for told in failing.told] == ["start", "metrics"]
    assert other.told[-1] == ("finish", "finished")


def test_a_logger_that_does_not_start_ends_the_training_before_its_first_step(start, tmp_path):
    first = Recorder()
    with pytest.raises(UserError, match="the server refuses"):
        start("run", STEPS, loggers=[first, Failing("start")], quiet=True)
    assert [told[0] for told in first.told] == ["start", "finish"]
    assert first.told[-1] == ("finish", "failed")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_the_end_of_a_failed_training_is_told(start):
    logger = Recorder()
    with pytest.raises(UserError, match=r"nan|inf"):
        start("run", STEPS | {"optimizer.lr": 1e30}, loggers=[logger], quiet=True)
    assert logger.told[-1] == ("finish", "failed")


def test_a_resume_says_its_step_and_may_log_elsewhere(start, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (fullconv[track])")
    run, logger = start("run", STEPS | {"schedule.steps": 2}, quiet=True), Recorder()
    overrides = {"schedule.steps": 3, "logging.to": "tensorboard"}
    train(None, run, resume=True, overrides=overrides, loggers=[logger], quiet=True)
    assert logger.told[0][1].step == 2
    assert [told[1] for told in logger.told if told[0] == "metrics"] == [3]
    assert read_config(run / "config.toml").logging.to == ("tensorboard",)
    assert list(run.glob("events.out.tfevents*"))


# Names.


def test_names_are_checked_with_the_config(start, tmp_path):
    with pytest.raises(UserError, match=r"logging\.to: .*'tensorbord'.*did you mean tensorboard"):
        start("run", {"logging.to": "tensorbord,mlflow"}, quiet=True)
    with pytest.raises(UserError, match="'mlflow' is named twice"):
        check_names(["mlflow", "mlflow"])
    assert not (tmp_path / "run").exists()


def test_a_package_that_is_missing_is_named_before_the_first_step(start, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    registry = importlib.import_module("fullconv.training.loggers.registry")
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name == "mlflow" else find(name)
    )
    with pytest.raises(UserError, match=r"'mlflow' needs the package mlflow: pip install mlflow"):
        start("run", {"logging.to": "mlflow"}, quiet=True)
    assert not (tmp_path / "run").exists()


def test_the_command_names_loggers(tmp_path):
    command = [sys.executable, "-m", "fullconv", "train", "shapes:48x64:n=10", "--out", "run"]
    done = subprocess.run(
        [*command, "--log", "tensorboard,mlfow"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no logger is called 'mlfow': did you mean mlflow" in done.stderr


def test_nothing_is_imported_for_loggers_that_are_not_asked_for():
    code = (
        "import sys, fullconv.training\n"
        "print(sorted({'tensorboard', 'mlflow', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Those that come with fullconv, for real.


def told(logger, folder, step=0, status="finished"):
    """Two steps of made-up numbers and a picture, to one that is called by its name."""
    folder.mkdir(exist_ok=True)
    warnings = []
    loggers = Loggers(make_loggers([logger]), warnings.append)
    loggers.start(LoggedRun(folder, {"net.width": 0.5, "data.inputs": ("color",)}, step))
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for at in (step + 1, step + 2):
        loggers.metrics(at, {"train/loss": 1 / at, "val/mean_iu": at / 10})
        loggers.images(at, {"val/samples": picture})
    loggers.finish(status)
    assert warnings == []
    return picture


def test_every_logger_is_tested_here():
    assert set(LOGGERS) == {"tensorboard", "mlflow", "wandb"}


def test_tensorboard_for_real(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (fullconv[track])")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told("tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]
    image = events.Images("val/samples")[-1]
    assert (image.step, image.width, image.height) == (2, 60, 40)


def test_mlflow_for_real_on_a_local_store(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (fullconv[track])")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    picture = told("mlflow", tmp_path / "first")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("fullconv").experiment_id])
    assert run.info.run_name == "first" and run.info.status == "FINISHED"
    assert run.data.params == {"net.width": "0.5", "data.inputs": "('color',)"}
    history = client.get_metric_history(run.info.run_id, "val/mean_iu")
    assert [(m.step, m.value) for m in history] == [(1, 0.1), (2, 0.2)]
    assert client.list_artifacts(run.info.run_id, "images")
    assert picture.shape == (40, 60, 3)

    told("mlflow", tmp_path / "first", step=2, status="interrupted")  # resumed: the same run
    (again,) = client.search_runs([run.info.experiment_id])
    assert again.info.run_id == run.info.run_id and again.info.status == "KILLED"
    history = client.get_metric_history(run.info.run_id, "val/mean_iu")
    assert [m.step for m in history] == [1, 2, 3, 4]


def test_mlflow_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed (fullconv[track])")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"mlflow: http://127\.0\.0\.1:9: "):
        told("mlflow", tmp_path)


def test_wandb_for_real_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed (fullconv[track])")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    told("wandb", tmp_path / "first")
    (record,) = (tmp_path / "first" / "wandb").glob("offline-run-*/run-*.wandb")
    kept = (tmp_path / "first" / "wandb_run.txt").read_text().strip()
    assert record.name == f"run-{kept}.wandb"
    until = time.monotonic() + 200
    while (found := read_history(record.read_bytes())) is None:  # W&B's own process writes it
        assert time.monotonic() < until, "the end of the run is not in W&B's file"
        time.sleep(0.05)
    assert [row["val/mean_iu"] for row in found if "val/mean_iu" in row] == [0.1, 0.2]
    assert [row["step"] for row in found if "val/samples" in row] == [1, 2]
    assert len(list(record.parent.glob("files/media/images/val/*.png"))) == 2

    told("wandb", tmp_path / "first", step=2)
    assert (tmp_path / "first" / "wandb_run.txt").read_text().strip() == kept


def read_history(content):
    """The rows in W&B's file of a run, None before its end is written: LevelDB's log (blocks of
    32 KiB, each record with checksum, length and kind before it) behind a head of seven bytes,
    holding protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    found, record, at = [], b"", 7
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:  # the rest of a block is empty
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if at > len(content):
            return None
        if kind in (1, 4):  # whole, or its last part
            message, record = wandb_internal_pb2.Record.FromString(record), b""
            if message.WhichOneof("record_type") == "exit":
                return found
            if message.WhichOneof("record_type") == "history":
                items = message.history.item
                found.append({i.key or i.nested_key[0]: json.loads(i.value_json) for i in items})
    return None
