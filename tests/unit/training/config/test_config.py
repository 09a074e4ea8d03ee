import re
import tomllib

import pytest

from fullconv.errors import UserError
from fullconv.models import NetSpec
from fullconv.training import keys, make_config, read_config, recipe_names, recipe_text
from fullconv.training.config.config import Config
from fullconv.training.config.config_keys import flat
from fullconv.training.recipes import RECIPES


def error(*arguments, **options):
    """The one line that ``make_config`` refuses these with."""
    with pytest.raises(UserError) as error:
        make_config(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_all_faults_at_once():
    message = error(
        "default",
        {
            "optimizer.rat": 0.1,
            "net.name": "fcn8-vgg16",
            "schedule.batch_size": 0,
            "augment.crop": "[0, 10]",
            "colour": "red",
            "stages": [8, 32],
            "loss.cross_entropy.reduction": "median",
            "optimizer.lr": 0,
        },
    )
    assert message.startswith("recipe default: ")
    for part in (
        "optimizer.rat: no such key, did you mean optimizer.lr?",
        "net.name: no net is called 'fcn8-vgg16': did you mean fcn8s-vgg16",
        "schedule.batch_size: ",
        "augment.crop: a crop has two",
        "colour: no such key",
        "optimizer.lr: Input should be greater than 0 or 'auto' (it is 0)",
        "stages: stages are strides from coarse to fine",
        "loss.cross_entropy.reduction: ",
        "(it is 'median')",
    ):
        assert part in message
    assert message.count("; ") == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schedule.steps", 0),
        ("schedule.steps", 1.5),
        ("schedule.epochs", -1),
        ("schedule.epochs", "inf"),
        ("schedule.epochs", "nan"),
        ("optimizer.lr", 0),
        ("optimizer.lr", "inf"),
        ("optimizer.lr", "fast"),
        ("optimizer.momentum", 1.0),
        ("optimizer.ema", 1.0),
        ("optimizer.kind", "adam"),
        ("optimizer.lr_schedule", "step"),
        ("net.width", 0),
        ("net.padding", "none"),
        ("net.dropout", 1.0),
        ("augment.scale", "[2, 1]"),
        ("augment.crop", "[256]"),
        ("augment.hue", 400),
        ("augment.blur", -1),
        ("augment.paste", 1.5),
        ("data.workers", -1),
        ("compute.precision", "fp16"),
        ("loss.cross_entropy.class_weights", "balanced"),
        ("seed", -1),
    ],
)
def test_values_that_make_no_run(key, value):
    assert key.split(".")[-1] in error("default", {key: value})


def test_keys_in_the_wrong_place():
    assert "is no section" in error("default", {"optimizer.lr.first": 1})
    assert "net" in error("default", {"net": 5})


def test_steps_and_epochs_replace_one_another():
    assert "epochs" in recipe_text("scratch")
    by_steps = make_config("scratch", {"schedule.steps": 7}).schedule
    assert (by_steps.steps, by_steps.epochs) == (7, None)
    assert "steps" in recipe_text("demo")
    by_epochs = make_config("demo", {"schedule.epochs": "2.5"}).schedule
    assert (by_epochs.steps, by_epochs.epochs) == (None, 2.5)
    both = error("scratch", {"schedule.steps": 7, "schedule.epochs": 2})
    assert "only one of steps, epochs and time" in both


def test_stages_must_fit():
    assert make_config("scratch", {"stages": "[32, 16, 8]"}).stages == (32, 16, 8)
    assert "one factor for each" in error("scratch", {"stages": [32, 8], "stage_rates": [1.0]})
    for stages in ([32, 32], [8, 16], [64], [1]):
        assert "coarse to fine" in error("scratch", {"stages": stages})
    message = error("scratch", {"stages": [32, 8], "net.name": "fcn8s-atonce-vgg16"})
    assert "at once" in message
    message = error("scratch", {"stages": [32, 8], "net.name": "fpn8s-resnet18"})
    assert "fpn8s-resnet18 fuses features" in message


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe(name):
    config = make_config(name)
    assert config.recipe == name
    assert config.spec(21).classes == 21
    head = [line for line in recipe_text(name).partition("\n[")[0].splitlines() if line]
    comment = "\n".join(line for line in head if line.startswith("#"))
    words = re.findall(r"^# (Paper|Command|Cost|Expected):", comment, re.MULTILINE)
    assert words == ["Paper", "Command", "Cost", "Expected"]
    command = next(line for line in head if line.startswith("# Command:"))
    assert "fullconv train" in command
    assert f"--recipe {name}" in command or name == "default"


def test_recipes_are_the_papers():
    """Long et al. 2015, section 4.3, and the solvers of the heavy form."""
    for backbone, rate in (("caffenet", 1e-3), ("vgg16", 1e-4), ("googlenet", 5e-5)):
        config = make_config(f"paper-{backbone}")
        o, schedule = config.optimizer, config.schedule
        assert config.net.name == f"fcn32s-{backbone}"
        assert (o.kind, o.lr, o.momentum, o.weight_decay) == ("sgd", rate, 0.9, 5e-4)
        assert (o.bias_lr, o.lr_schedule, o.warmup) == (2.0, "fixed", 0)
        assert schedule.batch_size * schedule.accumulate == 20
        assert (config.loss[0].reduction, config.loss[0].class_weights) == ("mean", "none")
    heavy = make_config("heavy-vgg16")
    assert heavy.stages == (32, 16, 8)
    rates = [heavy.optimizer.lr * factor for factor in heavy.stage_rates]
    assert rates == pytest.approx([1e-10, 1e-12, 1e-14])
    assert (heavy.optimizer.momentum, heavy.schedule.batch_size) == (0.99, 1)
    assert (heavy.loss[0].reduction, heavy.schedule.steps) == ("sum", 100_000)
    once = make_config("heavy-vgg16-atonce")
    assert (once.schedule.steps, once.optimizer.lr) == (300_000, 1e-10)
    assert once.spec(21).scales == {32: 1.0, 16: 0.01, 8: 0.0001}


def test_unknown_recipe_names_near_ones():
    assert "did you mean paper-vgg16" in error("paper-vgg")
    message = error("../../etc/passwd")
    assert "no recipe is called '../../etc/passwd'" in message


@pytest.mark.parametrize("name", recipe_names())
def test_a_saved_config_reads_back_equal(name, tmp_path):
    changes = {"stages": [32, 8], "stage_rates": [1, 0.1], "augment.crop": [64, 96]}
    if make_config(name).net.name.startswith("fpn"):  # which has no stages
        changes["net.name"] = "fcn8s-resnet18"
    changes |= {
        "loss.cross_entropy.class_weights": [1.0, 0.5],
        "data.path": 'my "photos"\\ü',
        "data.classes": "c",
    }
    changes |= {} if "atonce" not in name else {"stages": [], "stage_rates": []}
    for overrides in ({}, changes, {"augment.crop": None, "optimizer.ema": None}):
        config = make_config(name, overrides)
        path = tmp_path / "config.toml"
        path.write_text(config.to_toml(), encoding="utf-8")
        assert read_config(path) == config
        assert tomllib.loads(config.to_toml())["recipe"] == name


def test_read_config_with_changes(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(make_config("scratch").to_toml())
    assert read_config(path, {"schedule.steps": 9}).schedule.steps == 9
    assert read_config(path, {"schedule.steps": 9}).schedule.epochs is None


@pytest.mark.parametrize("content", [b"seed = ", b"\x81\xff", b"[data\n", b"seed = 1\nseed = 2"])
def test_a_config_that_is_no_toml(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert error.value.code == "FC-CONFIG-002"
    with pytest.raises(UserError, match="is this the folder of a run"):
        read_config(tmp_path / "nowhere" / "config.toml")
    with pytest.raises(UserError) as error:
        read_config(tmp_path)
    assert error.value.code == "FC-FILE-004"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("optimizer.lr", "1e-3", 1e-3),
        ("optimizer.lr", "1", 1.0),
        ("schedule.batch_size", "4", 4),
        ("augment.crop", "[256, 320]", (256, 320)),
        ("augment.crop", "none", None),
        ("augment.hflip", "True", True),
        ("augment.hflip", "false", False),
        ("optimizer.kind", "sgd", "sgd"),
        ("optimizer.kind", '"sgd"', "sgd"),
        ("optimizer.clip", "None", None),
        ("loss.cross_entropy.class_weights", "softened", "softened"),
        ("loss.cross_entropy.class_weights", "[1, 2.5]", (1.0, 2.5)),
        ("loss.cross_entropy.class_weights", "none", "none"),
        ("stages", "[32,16]", (32, 16)),
        # Paths stay the text that was typed, also where TOML would read a number or a date.
        ("data.path", "2024", "2024"),
        ("data.path", "2024-05-01", "2024-05-01"),
        ("data.path", "true", "true"),
        ("data.path", "shapes:48x64", "shapes:48x64"),
        ("data.split", "1", "1"),
        ("data.classes", "7", "7"),
        ("data.classes", "none", None),
        ("net.weights", "1e5", "1e5"),
        ("net.weights", "none", "none"),
        ("net.weights", "Imagenet", "imagenet"),
    ],
)
def test_typed_values(key, text, value):
    found = flat(make_config("scratch", {key: text}))[key]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_those_of_a_saved_config():
    dotted = set(keys())
    assert {"seed", "stages", "optimizer.lr", "augment.crop", "compute.precision"} <= dotted
    assert set(flat(Config())) <= dotted
    assert {"loss.cross_entropy.reduction", "loss.dice.weight", "loss.focal.gamma"} <= dotted


CROSS_ENTROPY = {"kind": "cross_entropy"}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"loss.dice.weight": "0.5"}, {"cross_entropy": 1.0, "jaccard": 1.0, "dice": 0.5}),
        ({"loss.jaccard.weight": 0.5}, {"cross_entropy": 1.0, "jaccard": 0.5}),
        ({"loss.jaccard": "none"}, {"cross_entropy": 1.0}),
        ({"loss.lovasz": None}, {"cross_entropy": 1.0, "jaccard": 1.0}),
        ({"loss": '[{kind = "focal", gamma = 1.5}]'}, {"focal": 1.0}),
        ({"loss": [CROSS_ENTROPY], "loss.lovasz.weight": 2}, {"cross_entropy": 1.0, "lovasz": 2.0}),
    ],
)
def test_terms_of_the_loss_are_changed_added_and_left_out(changes, kinds, tmp_path):
    config = make_config("default", changes)
    assert {term.kind: term.weight for term in config.loss} == kinds
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert read_config(path) == config


def test_a_term_is_added_to_the_loss_of_a_recipe_that_names_none():
    assert [term.kind for term in make_config("scratch").loss] == ["cross_entropy"]
    added = make_config("scratch", {"loss.jaccard.weight": 1}).loss
    assert [term.kind for term in added] == ["cross_entropy", "jaccard"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"loss.reduction": "sum"}, "did you mean loss.cross_entropy.reduction?"),
        ({"loss.keep": 0.5}, "did you mean loss.cross_entropy.keep?"),
        ({"loss.jaccard": 0.5}, "loss.jaccard.weight=0.5"),
        ({"loss.jaccard.wait": 0.5}, "loss.jaccard.wait: no such key, did you mean"),
        ({"loss.jaccard.weight": 0}, "loss.jaccard.weight: Input should be greater than 0"),
        ({"loss.focal.gamma": -1}, "loss.focal.gamma: "),
        ({"loss.ohem.threshold": 2}, "loss.ohem.threshold: "),
        ({"loss.dise.weight": 1}, "no such key"),
        ({"loss.jaccard": None, "loss.cross_entropy": None}, "give a list of one or more terms"),
        ({"loss": [CROSS_ENTROPY, CROSS_ENTROPY]}, "twice"),
        ({"loss": [{"kind": "dise"}]}, "no loss is called 'dise': did you mean dice?"),
        ({"loss": [{"weight": 1}]}, "no loss is called None"),
        ({"loss": "dice"}, "give a list of one or more terms"),
        ({"loss": {"reduction": "sum"}}, "[loss] is now a list of terms: write [[loss]]"),
    ],
)
def test_losses_that_are_none(changes, says):
    assert says in error("default", changes)


def test_a_config_of_an_older_version_is_told_how_the_loss_is_written_now(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[loss]\nreduction = "sum"\njaccard = 1.0\n')
    for changes in ({}, {"loss.jaccard.weight": 1}):
        with pytest.raises(UserError, match=r"write \[\[loss\]\].*reduction, jaccard"):
            read_config(path, changes)


def test_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        make_config("scratch").seed = 3


def test_spec_takes_everything_of_the_net():
    changes = {"net.name": "fcn16s-vgg16", "net.padding": "paper", "net.width": 0.5}
    changes |= {"net.dropout": 0.1, "net.learn_upsampling": True}
    spec = make_config("scratch", changes).spec(7)
    assert spec == NetSpec(
        "fcn16s-vgg16", 7, padding="paper", width=0.5, dropout=0.1, learn_upsampling=True
    )


def test_recipes_hold_nothing_but_recipes():
    assert {path.stem for path in RECIPES.glob("*.toml")} == set(recipe_names())


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("loss.cross_entropy.class_weights", "[-1.0, 2.0]", "FC-CONFIG-003"),
        ("loss.cross_entropy.class_weights", "[0.0, 0.0]", "FC-CONFIG-003"),
        ("augment.scale", "[1.0, 1e9]", "FC-CONFIG-003"),
        ("augment.scale", "[1e-9, 1.0]", "FC-CONFIG-003"),
        ("schedule.epochs", "1e300", "FC-CONFIG-003"),
        ("schedule.epochs", "inf", "FC-CONFIG-003"),
        ("schedule.steps", "9" * 5000, "FC-CONFIG-003"),
        ("schedule.time", "nanh", "FC-CONFIG-003"),
        ("optimizer.lr", "nan", "FC-CONFIG-003"),
        ("optimizer.lr", "-inf", "FC-CONFIG-003"),
        ("seed", "1" + "0" * 30, "FC-CONFIG-003"),
        ("net.name", "x" * 5000, "FC-CONFIG-003"),
        ("y" * 5000, "1", "FC-CONFIG-004"),
        ("data.path.x", "1", "FC-CONFIG-004"),
        ("seed.x", "1", "FC-CONFIG-004"),
    ],
    ids=lambda value: value[:30],
)
def test_nonsense_is_one_short_line(key, value, code):
    with pytest.raises(UserError) as error:
        make_config("scratch", {"data.path": "photos", "seed": 1, key: value})
    assert error.value.code == code
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("lr", "optimizer.lr"),
        ("learning_rate", "optimizer.lr"),
        ("optimizer.learning_rate", "optimizer.lr"),
        ("batch_size", "schedule.batch_size"),
        ("bs", "schedule.batch_size"),
        ("epochs", "schedule.epochs"),
        ("model", "net.name"),
        ("workers", "data.workers"),
        ("train.weight_decay", "optimizer.weight_decay"),
        ("wd", "optimizer.weight_decay"),
        ("imgsz", "augment.crop"),
        ("schedule.epoch", "schedule.epochs"),
        ("optimizr.lr", "optimizer.lr"),
        ("device", "compute.device"),
    ],
)
def test_usual_words_of_other_tools_get_the_key_that_is_meant(word, key):
    with pytest.raises(UserError, match=f"did you mean {re.escape(key)}[?]") as error:
        make_config("scratch", {word: "1"})
    assert error.value.code == "FC-CONFIG-004"


@pytest.mark.parametrize(
    "text",
    [
        "seed = " + "1" * 5000,
        "seed = 1\rrecipe = 2",
        "a = " + "[" * 5000 + "]" * 5000,
        "seed = \xff",
        "[schedule\nsteps = 3",
        "schedule = 3",
        "changes = [{step = 1}]",
        "changes = [{step = 2, set = {}}, {step = 1, set = {}}]",
        "loss = [[1]]",
        "[net]\nname = 7",
        "[data]\ninputs = [1e999]",
    ],
    ids=lambda text: text[:20],
)
def test_a_damaged_config_is_one_short_line_naming_the_file(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert error.value.code.startswith("FC-CONFIG-")


@pytest.mark.parametrize("key", ["device", "devices", "nodes", "precision", "memory"])
def test_the_section_machine_of_earlier_versions_is_told_its_new_name(key):
    with pytest.raises(UserError, match=f"machine.{key}: no such key, it is now compute.{key}"):
        make_config("scratch", {f"machine.{key}": "1"})


def test_a_config_file_with_the_old_section_too(tmp_path):
    (tmp_path / "config.toml").write_text('[machine]\ndevice = "cpu"\n')
    with pytest.raises(UserError, match="it is now compute"):
        read_config(tmp_path / "config.toml")
