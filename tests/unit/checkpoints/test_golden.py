"""The built-in picture, and what a net makes of it, kept in its file."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.checkpoints.golden import SIZE, TIE, Golden, golden_of, picture, places
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import TORCH, NetSpec, build
from small_runs import small_net

CLASSES = ClassSet(("sky", "road", "car"))
JOINT = ClassSet.joint({"kinds": ClassSet(("a", "b")), "slope": ClassSet(("c", "d", "e"))})


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint(small_net(3), CLASSES, TORCH)


@pytest.fixture
def file(checkpoint, tmp_path):
    save(tmp_path / "model.safetensors", checkpoint)
    return tmp_path / "model.safetensors"


def header_of(file):
    with safe_open(file, "pt") as content:
        return json.loads(content.metadata()["fullconv"])


def rewrite(file, change):
    with safe_open(file, "pt") as content:
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    header = header_of(file)
    change(header)
    save_file(tensors, file, {"fullconv": json.dumps(header)})


@pytest.mark.parametrize(
    ("kinds", "channels", "digest"),
    [
        (("color",), 3, "74bd40178590d29f5a76ecafee5c4479c01ab11120a848bada0961c30e743fe9"),
        (("color", "depth"), 4, "b94a2dde0e02ce30abc44e9a1a7f768f69af85b6ed9f54039dfdf29f71bfcb78"),
        (("color", "hha"), 6, "c6643d3e7403c0c2ec74199d8b99e9ab9766113eafbf198af0e046127d8393af"),
        (("depth",), 1, "66249ff6712b7f33b6d1183e4db9d36e83c2d2487c39e6c9460f01c85b2f1b84"),
    ],
)
def test_the_picture_is_the_same_in_every_version(kinds, channels, digest):
    drawn = picture(kinds)
    assert drawn.shape == (*SIZE, channels)
    assert drawn.dtype == (np.uint8 if channels == 3 else np.float32)
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == digest


def test_further_channels_leave_the_colours_as_they_are():
    assert np.array_equal(picture(("color", "depth"))[..., :3], picture(("color",)))


def test_a_file_holds_what_its_net_makes_of_the_picture(checkpoint, file):
    kept = load(file).golden
    with torch.no_grad():
        image = torch.from_numpy(picture(("color",)).copy())[None]
        logits = checkpoint.net.eval()(TORCH(image))[0].numpy()
    first, second = np.sort(logits, 0)[::-1][:2]
    sure = first - second > TIE * np.abs(logits).max()
    assert 0.3 < sure.mean() < 1
    assert np.array_equal(kept.classes, np.where(sure, logits.argmax(0), 255))
    wanted = [logits[:, y, x] for y, x in places(SIZE)]
    assert np.allclose(kept.logits, wanted, rtol=1e-5, atol=1e-5)
    assert len(json.dumps(header_of(file)["golden"])) < 12_000


def test_it_agrees_with_itself_and_not_with_another_net(checkpoint, file):
    kept = load(file).golden
    logits = _logits(checkpoint.net)
    same = kept.compare(logits.argmax(0), logits)
    assert same.same == 1
    assert kept.holds(same, exact=True)
    for other in (logits * 1.01, logits[::-1], logits + np.nan):
        assert not kept.holds(kept.compare(other.argmax(0), other), exact=True)
    assert not kept.holds(kept.compare(logits[::-1].argmax(0)), exact=False)
    rounded = logits + np.abs(logits).max() * 0.005  # all the same: no class changes
    assert kept.holds(kept.compare(rounded.argmax(0), rounded), exact=False)


def _logits(net):
    with torch.no_grad():
        return net.eval()(TORCH(torch.from_numpy(picture(("color",)).copy())[None]))[0].numpy()


def test_saving_leaves_the_net_and_the_random_numbers_as_they_were(tmp_path):
    net = build(NetSpec("fcn8s-vgg16", 3, width=1 / 32)).train()
    net.backbone.eval()
    score = net.score_modules()["score.8"].weight
    score.grad = torch.ones_like(score)
    modes = [module.training for module in net.modules()]
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    save(tmp_path / "net.safetensors", Checkpoint(net, CLASSES, TORCH))
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert torch.equal(score.grad, torch.ones_like(score))
    assert next(net.backbone.parameters()).grad is None
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())
    assert torch.is_grad_enabled()


def test_several_outputs_and_inputs():
    seen = TORCH.of_inputs(("color", "depth"))
    net = build(NetSpec("fcn32s-resnet18", 5, width=1 / 16, streams=(3, 1)))
    torch.nn.init.normal_(net.score_modules()["score.32"].weight)
    kept = golden_of(net, JOINT, seen)
    assert kept.classes.shape == (*SIZE, 2)
    assert set(np.unique(kept.classes[..., 0])) <= {0, 1, 255}
    assert set(np.unique(kept.classes[..., 1])) <= {2, 3, 4, 255}
    header = {"net": net.spec.to_dict(), "classes": JOINT.to_dict(), "golden": kept.to_dict()}
    again = Golden.from_header(Path("net"), json.loads(json.dumps(header)))
    assert np.array_equal(again.classes, kept.classes)
    assert np.allclose(again.logits, kept.logits, rtol=1e-5)
    for other in ({"classes": ClassSet(("a", "b")).to_dict()}, {"net": {"classes": 4}}):
        with pytest.raises(UserError, match="header is damaged"):
            Golden.from_header(Path("net"), header | other)


def test_more_than_255_classes_take_16_bits():
    net = small_net(300, "fcn32s-resnet18")
    classes = ClassSet(tuple(map(str, range(300))), ignore=65535)
    kept = golden_of(net, classes, TORCH)
    assert kept.classes.dtype == np.uint16
    header = {"net": net.spec.to_dict(), "classes": classes.to_dict(), "golden": kept.to_dict()}
    again = Golden.from_header(Path("net"), header)
    assert np.array_equal(again.classes, kept.classes)


def test_a_net_that_gives_no_numbers_is_saved_without(tmp_path):
    net = small_net(3)
    net.score_modules()["score.8"].bias.data[0] = float("nan")
    save(tmp_path / "net.safetensors", Checkpoint(net, CLASSES, TORCH))
    assert "golden" not in header_of(tmp_path / "net.safetensors")


def test_files_without_it_or_with_that_of_another_formula_say_nothing(file):
    rewrite(file, lambda header: header["golden"].update(picture=99))
    assert load(file).golden is None
    rewrite(file, lambda header: header.pop("golden"))
    assert load(file).golden is None


@pytest.mark.parametrize(
    "damage",
    [
        {"classes": "no base64!"},
        {"classes": "eJwDAAAAAAE="},  # nothing, packed
        {"shape": [96]},
        {"shape": [10**9, 10**9]},
        {"shape": [-96, -128]},
        {"dtype": "object"},
        {"logits": [[1.0]]},
        {"logits": "many"},
        {"largest": None},
    ],
)
def test_a_damaged_one_is_one_line(file, damage):
    rewrite(file, lambda header: header["golden"].update(damage))
    with pytest.raises(UserError, match="its header is damaged") as error:
        load(file)
    assert "\n" not in str(error.value)
