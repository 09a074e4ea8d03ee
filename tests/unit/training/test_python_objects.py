"""Trainings on what Python hands in: data sets, augmentations; what is kept and what is refused."""

import csv
import os
import shutil
import signal

import pytest

import fullconv
from fullconv.checkpoints import load
from fullconv.data import Sample, open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.training import Interrupted, make_config, read_config, train
from fullconv.training.config.time_budget import measured


class Scenes:
    """Generated scenes with the three members of a Dataset alone."""

    def __init__(self, split, count):
        self.source, self.count = open_source("shapes:48x64:n=30", split), count
        self.classes = self.source.classes

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.source[index]


def mirrored(sample, rng):
    """Left and right by chance, of whole photos."""
    if rng.random() < 0.5:
        return Sample(sample.name, sample.image[:, ::-1], sample.mask[:, ::-1])
    return sample


QUICK = {
    "net.name": "fcn8s-resnet18", "net.width": 0.125, "schedule.steps": 4, "schedule.batch_size": 2,
    "schedule.validate_every": 2, "data.workers": 0, "compute.device": "cpu",
    "compute.precision": "fp32", "augment.crop": [32, 48],
}  # fmt: skip


def start(out, data=None, changes=None, **options):
    options = {"recipe": "scratch", "overrides": QUICK | (changes or {}), "quiet": True} | options
    return train(Scenes("train", 6) if data is None else data, out, **options)


def rows(run):
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def refused(*parts):
    return pytest.raises(UserError, match=".*".join(parts))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on objects; not to be changed."""
    return start(tmp_path_factory.mktemp("runs") / "run", val=Scenes("val", 3))


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copied")


def test_a_run_keeps_what_it_can_say_of_its_objects(finished):
    data = read_config(finished / "config.toml").data
    assert data.object == f"{__name__}.Scenes"
    assert (data.path, data.photos) == ("", (6, 3))
    origin = load(finished).origin
    assert origin["data"] == data.object
    assert origin["photos"] == {"train": 6, "val": 3}
    assert load(finished).classes == Scenes("train", 1).classes
    assert (finished / "report.html").is_file()


def test_a_source_handed_in_trains_as_the_same_data_by_its_path(tmp_path):
    path, changes = "shapes:48x64:n=30", {"schedule.steps": 1}
    source, val = open_source(path, "train"), open_source(path, "val")
    one = start(tmp_path / "one", source, val=val, changes=changes)
    other = start(tmp_path / "other", path, changes=changes)
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()


def test_evaluate_takes_an_object(finished):
    scores = fullconv.evaluate(finished, Scenes("val", 3))
    assert scores.mean_iu == pytest.approx(float(rows(finished)[-1]["val_mean_iu"]), abs=0.05)
    same = evaluate(finished, open_source("shapes:48x64:n=30", "val"))
    assert scores.mean_iu == same.mean_iu  # n=30 has three validation scenes


def test_the_data_is_checked(tmp_path):
    class Broken(Scenes):
        def __getitem__(self, index):
            sample = self.source[index]
            return Sample(sample.name, sample.image, sample.mask[: 48 - 8 * (index == 4)])

    with refused("the data cannot be used: shapes-train-00004: the mask is 64 x 40"):
        start(tmp_path / "run", Broken("train", 6))
    assert not (tmp_path / "run").exists()


def test_without_val_the_last_weights_are_kept_and_that_is_said(tmp_path, capsys):
    run = start(tmp_path / "run", changes={"schedule.steps": 1}, quiet=False)
    assert "warning: no val= was handed in; the last weights" in capsys.readouterr().out
    assert load(run).origin["photos"] == {"train": 6}


def test_a_resume_with_the_same_objects_is_exact(tmp_path):
    """Stopped after two of four steps: the same bits as the run that was not."""
    changes = {"optimizer.lr_schedule": "fixed", "optimizer.warmup": 0, "optimizer.ema": None}
    whole = start(tmp_path / "whole", val=Scenes("val", 3), changes=changes)
    changes |= {"schedule.steps": 2}
    cut = start(tmp_path / "cut", val=Scenes("val", 3), changes=changes)
    again = {"resume": True, "overrides": {"schedule.steps": 4}, "quiet": True}
    train(Scenes("train", 6), cut, val=Scenes("val", 3), **again)
    for name in ("log.csv", "resume/state.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name


class StoppedAt(Scenes):
    """Sends a signal to this process where photo ``index`` is read, once it is ``armed``."""

    armed = None

    def __init__(self, split, count, index):
        super().__init__(split, count)
        self.index = index

    def __getitem__(self, index):
        if self.armed and index == self.index:
            number, self.armed = self.armed, None
            os.kill(os.getpid(), number)
        return super().__getitem__(index)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_signal_in_the_middle_of_a_validation_saves_and_resumes_to_the_same_bits(tmp_path, index):
    """The validation after step 2 is cut; it is made whole, and its row written, at the resume."""
    photos = []  # the first one for its size, then two in each step

    def second_step_arms(sample, rng):
        photos.append(sample.name)
        val.armed = signal.SIGTERM if len(photos) == 1 + 2 * 2 else None
        return sample

    val = StoppedAt("val", 3, index)
    options = {"augment": second_step_arms, "val": val}
    with pytest.raises(Interrupted) as stopped:
        start(tmp_path / "cut", **options)
    assert stopped.value.number == signal.SIGTERM
    assert len(photos) == 1 + 2 * 2
    assert rows(tmp_path / "cut") == []
    train(Scenes("train", 6), tmp_path / "cut", resume=True, quiet=True, **options)
    whole = start(tmp_path / "whole", **options)  # armed no more: the photos are counted on
    assert [row["step"] for row in rows(whole)] == ["2", "4"]
    for name in ("log.csv", "resume/state.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes()


def test_a_resume_without_its_objects_is_one_clear_line(copied):
    with refused("was trained on .*Scenes, handed in from Python", "resume=True. resumes it"):
        train(None, copied, resume=True, quiet=True)
    with refused("handed in from Python"):
        train("shapes:48x64:n=30", copied, resume=True, quiet=True)
    with refused(r"trained on 6 and 3 photos .* not on 5 and 3"):
        train(Scenes("train", 5), copied, val=Scenes("val", 3), resume=True, quiet=True)
    with refused(r"not on 6:"):
        train(Scenes("train", 6), copied, resume=True, quiet=True)


def test_a_run_on_a_path_takes_no_object_at_its_resume(tmp_path):
    run = train("shapes:48x64:n=30", tmp_path / "run", recipe="scratch",
                overrides=QUICK | {"schedule.steps": 1}, quiet=True)  # fmt: skip
    with refused("was trained on shapes:48x64:n=30: leave the data set out"):
        train(Scenes("train", 6), run, resume=True, quiet=True)
    with refused("built-in augmentation: leave augment= out"):
        train(None, run, augment=mirrored, resume=True, quiet=True)


def test_a_config_of_a_run_on_objects_asks_for_them(finished, tmp_path):
    with refused("data.object: .*Scenes was handed in"):
        train(None, tmp_path / "run", config=read_config(finished / "config.toml"), quiet=True)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("shapes", {"val": Scenes("val", 3)}, "val= is for a data set object"),
        (Scenes("train", 6), {"val": "photos"}, "val='photos'"),
        (Scenes("train", 0), {}, "the data set has no photos"),
        ([1, 2], {}, "list has no classes"),
        (Scenes("train", 6), {"augment": "flip"}, "augment= is a callable"),
        (
            Scenes("train", 6),
            {"config": make_config("scratch", {"data.inputs": ["color+depth"]})},
            "data.inputs: the data set shows color",
        ),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_made(
    tmp_path, data, options, message
):
    with refused(message):
        train(data, tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


def test_stages_train_on_objects_too(tmp_path):
    run = start(tmp_path / "run", changes={"stages": [32, 16], "schedule.steps": 1})
    assert read_config(run / "stage-16s" / "config.toml").data.photos == (6,)
    assert load(run).net.spec.name == "fcn16s-resnet18"


# An augmentation of the user's own.


def test_an_augmentation_of_ones_own_is_used_kept_by_name_and_resumed_exactly(tmp_path, capsys):
    changes = {"schedule.half_size": 0.5, "optimizer.lr_schedule": "fixed", "optimizer.warmup": 0}
    changes |= {"optimizer.ema": None}
    options = {"val": Scenes("val", 3), "augment": mirrored}
    whole = start(tmp_path / "whole", changes=changes, quiet=False, **options)
    assert f"augmentation: {__name__}.mirrored, in place of all" in capsys.readouterr().out
    config = read_config(whole / "config.toml")
    assert config.augment.callable == f"{__name__}.mirrored"
    assert config.augment.crop == (48, 64)  # what it made of the first photo
    assert (config.augment.hflip, config.schedule.half_size) == (False, 0.0)
    plain = start(tmp_path / "plain", changes=changes, val=Scenes("val", 3))
    assert rows(plain)[0]["loss"] != rows(whole)[0]["loss"]

    cut = start(tmp_path / "cut", changes=changes | {"schedule.steps": 2}, **options)
    with refused("with the augmentation .*mirrored, handed in"):
        train(Scenes("train", 6), cut, val=Scenes("val", 3), resume=True, quiet=True)
    train(
        Scenes("train", 6), cut, resume=True, overrides={"schedule.steps": 4}, quiet=True, **options
    )
    for name in ("log.csv", "resume/state.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_faulty_augmentation_is_said_before_the_first_step(tmp_path):
    with refused("shapes-train-.* the augmentation gave a NoneType"):
        start(tmp_path / "run", augment=lambda sample, rng: None)
    assert not (tmp_path / "run").exists()


def test_a_given_time_plans_one_size_with_an_augmentation_of_ones_own():
    changes = {key: value for key, value in QUICK.items() if key != "schedule.steps"}
    changes |= {"augment.callable": "mine", "schedule.time": "1m"}
    config = make_config("scratch", changes)
    seen = []
    speed = measured(config, Scenes("train", 6), seen.append, lambda: 1.0, mirrored)
    assert speed.half_size_step == speed.step
    assert {tuple(batch.images.shape) for batch in seen} == {(2, 48, 64, 3)}
