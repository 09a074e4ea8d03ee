"""The checkpoint's round trip, and every file that is none: one line that names it."""

import copy
import json
import math
import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import refusals
from fullconv.checkpoints import Checkpoint, load, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import CAFFE, TORCH, NetSpec, Preprocessing, build

CLASSES = ClassSet(("sky", "road", "car"), ((1, 2, 3), (90, 0, 0), (0, 90, 0)), 250, (9, 9, 9))
ORIGIN = {"recipe": "default", "step": 12, "val_mean_iu": 0.25, "data": "photos/ä"}


def made(name="fcn8s-resnet18", width=1 / 16, **options):
    """A checkpoint whose arrays are all random."""
    torch.manual_seed(3)
    net = build(NetSpec(name, len(CLASSES), width=width, **options))
    for tensor in net.state_dict().values():
        if tensor.dtype.is_floating_point:
            tensor.normal_()
    return Checkpoint(net, CLASSES, TORCH, ORIGIN)


@pytest.fixture
def path(tmp_path):
    """A good file."""
    save(tmp_path / "model.safetensors", made())
    return tmp_path / "model.safetensors"


def rewrite(path, change):
    """The file again, with what ``change(header, tensors)`` made of its two parts."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["fullconv"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    changed = change(header, tensors)
    header = header if changed is None else changed
    save_file(tensors, path, {"fullconv": json.dumps(header)})


def refused(path, *says):
    return refusals.refused(lambda: load(path), path, *says)


@pytest.mark.parametrize(
    ("name", "options", "preprocessing"),
    [
        ("fcn8s-resnet18", {}, TORCH),
        ("fcn32s-vgg16", {"width": 1 / 64, "padding": "paper"}, CAFFE),
        ("fcn8s-atonce-vgg16", {"width": 1 / 64, "learn_upsampling": True, "dropout": 0.2}, CAFFE),
        (
            "fcn4s-resnet18",
            {"streams": [4]},
            Preprocessing("RGB", 0.1, (1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 0.5, 0.3)),
        ),
    ],
)
def test_round_trip(tmp_path, name, options, preprocessing):
    checkpoint = made(name, **options)
    checkpoint.preprocessing = preprocessing
    save(tmp_path / "net.safetensors", checkpoint)
    loaded = load(tmp_path / "net.safetensors")
    assert loaded.net.spec == checkpoint.net.spec
    assert loaded.classes == CLASSES  # names, colours, the ignored value and its colour
    assert loaded.preprocessing == preprocessing
    assert loaded.origin == ORIGIN
    assert not loaded.net.training
    before, after = checkpoint.net.state_dict(), loaded.net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_run_folder_is_as_good_as_its_file(path):
    one, other = load(path).net.state_dict(), load(path.parent).net.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_memory_layout_does_not_reach_the_file(tmp_path):
    """The same weights give the same bytes, whatever order they had in memory."""
    plain, last = made(), made()
    last.net = last.net.to(memory_format=torch.channels_last)
    save(tmp_path / "plain", plain)
    save(tmp_path / "last", last)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "last").read_bytes()


@pytest.mark.parametrize("part", [0, 4, 8, 100, 0.5, -1])
def test_truncated(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: part if isinstance(part, int) else int(part * len(content))])
    refused(path, "truncated")


@pytest.mark.parametrize(
    "content", [b"hello", b"\x89PNG\r\n\x1a\n" + bytes(2000), b"\xff" * 4096, b"{}" * 500]
)
def test_no_safetensors_at_all(path, content):
    path.write_bytes(content)
    refused(path, "not a safetensors file")


def test_foreign_safetensors(path):
    """Another's net that is not known; those that are known are read (test_pytorch)."""
    save_file({"conv.weight": torch.zeros(3, 3)}, path, {"format": "pt"})
    refused(path, "holds none of", "its arrays are conv.weight")
    save_file({"conv.weight": torch.zeros(3, 3)}, path)
    refused(path, "holds none of")


class Dangerous:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_and_never_executed(tmp_path, zipped):
    trap = tmp_path / "executed"
    path = tmp_path / "model.safetensors"
    content = {"net": torch.zeros(2), "bad": Dangerous(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    refused(path, "wants 'builtins.getattr' to be called", "not read")
    assert not trap.exists()
    torch.load(path.rename(tmp_path / "model.pt"), weights_only=False)
    assert trap.exists()  # else the trap proves nothing


def test_newer_format(path):
    rewrite(path, lambda header, _: header | {"format": 2})
    refused(path, "format 2", "reads 1")
    rewrite(path, lambda header, _: {k: v for k, v in header.items() if k != "format"})
    refused(path, "format None")


@pytest.mark.parametrize("text", ["not json", "", "[1, 2]", "7", "[" * 100_000])
def test_header_that_is_no_object(path, text):
    save_file({"a": torch.zeros(1)}, path, {"fullconv": text})
    refused(path, "header")


def test_wrong_shape(path):
    def widen(_, tensors):
        tensors["score.32.weight"] = torch.zeros(3, 99, 1, 1)

    rewrite(path, widen)
    refused(path, "score.32.weight", "(3, 99, 1, 1)", "(3, 32, 1, 1)")


def test_missing_array(path):
    rewrite(path, lambda _, tensors: tensors.__delitem__("score.16.bias"))
    refused(path, "no score.16.bias")


def test_surplus_array(path):
    rewrite(path, lambda _, tensors: tensors.update(extra=torch.zeros(2)))
    refused(path, "unknown extra")


@pytest.mark.parametrize("key", ["net", "classes", "preprocessing"])
def test_missing_part_of_the_header(path, key):
    rewrite(path, lambda header, _: {k: v for k, v in header.items() if k != key})
    refused(path, "header", key)


def test_option_of_a_later_version(path):
    rewrite(path, lambda header, _: header | {"net": header["net"] | {"dilation": 2}})
    refused(path, "dilation")


def test_classes_that_contradict_the_net(path):
    fewer = {"names": ["sky", "road"], "colors": [[0, 0, 0], [1, 1, 1]]}
    rewrite(path, lambda header, _: header | {"classes": header["classes"] | fewer})
    refused(path, "2 classes", "net of 3")


JUNK = [None, "x", -1, 0, 1.5, 1e99, math.nan, True, [], {}, ["x", "y", "z"], [[1, 2]]]


@pytest.mark.parametrize("part", ["net", "classes", "preprocessing"])
def test_any_damage_of_the_header_is_one_line_or_harmless(path, part):
    good = path.read_bytes()
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["fullconv"])
    cases = [(None, junk) for junk in JUNK]
    cases += [(key, junk) for key in header[part] for junk in JUNK]
    for key, junk in cases:
        damaged = copy.deepcopy(header)
        if key is None:
            damaged[part] = junk
        else:
            damaged[part][key] = junk
        path.write_bytes(good)
        rewrite(path, lambda *_, damaged=damaged: damaged)
        try:
            load(path)
        except UserError as error:
            assert str(error).startswith(f"{path}: "), (key, junk)
            assert "\n" not in str(error)
        except Exception as error:
            pytest.fail(f"{part}.{key} = {junk!r} raised {error!r}")


def test_nothing_there(tmp_path):
    refused(tmp_path / "nowhere", "no such checkpoint")
    refused(tmp_path, "no model.safetensors in this folder")


@pytest.fixture
def full_disk():
    """Makes every further write beyond 4000 bytes of a file fail, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_the_old_file(path, full_disk):
    old = path.read_bytes()
    other = made()
    other.net.state_dict()["score.32.bias"].zero_()
    full_disk()
    with pytest.raises(OSError, match="too large"):
        save(path, other)
    assert path.read_bytes() == old
    assert [p.name for p in path.parent.iterdir()] == [path.name]
