"""PyTorch's files: nets of plain torch.nn, saved by torch, give the same outputs here."""

import argparse
import os
import pickle
import zipfile
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference_nets import (
    FCNResNet,
    GoogLeNet,
    ResNet,
    TorchFCN,
    adopted,
    alexnet,
    shaken,
    trainers,
    vgg16,
)
from safetensors.torch import save_file
from torch import nn

import refusals
from fullconv.checkpoints import convert
from fullconv.checkpoints.foreign.pickles import LARGEST
from fullconv.checkpoints.foreign.recognize_net import lineages, read_foreign
from fullconv.classes import VOC
from fullconv.errors import UserError
from fullconv.geometry import Placement
from fullconv.inference import Predictor
from fullconv.models import CAFFE, TORCH, NetSpec
from fullconv.models.analysis.cost import meta_net
from fullconv.models.preprocessing import HALVES
from fullconv.models.upsample import AlignedResize, Upsampling

CLASSIFIERS = {
    "vgg16": (vgg16, 26, 1),  # a size from which 7x7 pixels are left for fc6, and conv1's pad
    "alexnet_owt": (alexnet, 27, 2),
    "googlenet_bn": (GoogLeNet, 33, 3),
    "resnet18": (lambda: ResNet((2, 2, 2, 2), deep=False), 33, 3),
    "resnet34": (lambda: ResNet((3, 4, 6, 3), deep=False), 33, 3),
    "resnet50": (lambda: ResNet((3, 4, 6, 3), deep=True), 33, 3),
}


@pytest.mark.parametrize("backbone", CLASSIFIERS)
def test_against_classifiers_of_torch_nn(backbone, tmp_path):
    """With 100 pixels of zeros around the photo the convolutional net is the classifier."""
    make, size, pad = CLASSIFIERS[backbone]
    reference = shaken(make())
    torch.save(reference.state_dict(), tmp_path / "net.pth")
    taken, net = adopted(tmp_path / "net.pth", padding="paper")
    assert taken.is_classifier
    assert taken.spec.name == f"fcn32s-{backbone}"
    assert taken.preprocessing == (HALVES if backbone == "googlenet_bn" else TORCH)
    images = torch.randn(1, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        found = net.double().backbone(images)[32]
        expected = reference.double()(F.pad(images, [100 - pad] * 4))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert set(taken.used.values()) | set(taken.not_needed) == set(reference.state_dict())
    assert all(why and "no layer here" not in why for why in taken.not_needed.values())


def test_against_fcn_resnet_of_torch_nn(tmp_path):
    """The same scores at every pixel, the enlarged border included."""
    reference = shaken(FCNResNet())
    torch.save(reference.state_dict(), tmp_path / "fcn_resnet50.pth")
    taken, net = adopted(tmp_path / "fcn_resnet50.pth")
    assert taken.spec == NetSpec("fcn8s-resnet50_dilated", 21, width=taken.spec.width)
    assert taken.preprocessing == TORCH
    assert "training only" in taken.not_needed["aux_classifier.0.weight"]
    for size in [(64, 48), (33, 71), (1, 1)]:
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            found, expected = net.double()(images), reference.double()(images)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_an_fcn_resnet_predicts_a_photo_at_once(tmp_path):
    """From the file to VOC's classes of every pixel, prepared as torchvision does."""
    reference = shaken(FCNResNet())
    torch.save(reference.state_dict(), tmp_path / "net.pth")
    photo = np.random.default_rng(0).integers(0, 256, (41, 67, 3), np.uint8)
    prediction = Predictor(tmp_path / "net.pth", device="cpu")(photo)
    x = torch.from_numpy(photo).permute(2, 0, 1) / 255  # to_tensor, then normalize
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    with torch.no_grad():
        expected = reference(x[None])[0].numpy()
    np.testing.assert_allclose(prediction.scores, expected, rtol=1e-4, atol=1e-4)
    assert (prediction.mask == expected.argmax(0)).mean() > 0.999
    assert prediction.classes == VOC


def test_an_fcn_resnet_is_not_put_into_another_padding(tmp_path):
    torch.save(FCNResNet().state_dict(), tmp_path / "net.pth")
    with pytest.raises(UserError, match="padding 'same'"):
        adopted(tmp_path / "net.pth", padding="paper")


def test_no_file_has_a_pyramid(tmp_path):
    torch.save(ResNet((2, 2, 2, 2), deep=False).state_dict(), tmp_path / "net.pth")
    with pytest.raises(UserError, match="no pyramid, which fpn8s-resnet18 fuses features in"):
        adopted(tmp_path / "net.pth", name="fpn8s-resnet18")


def test_resizing_lies_half_a_stride_beside_the_coordinate_map():
    score = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    placed = Upsampling(Placement(8, Fraction(7, 2)), 2, "replicate", learn=False)
    torch.testing.assert_close(AlignedResize()(score, (32, 40)), placed(score, (32, 40)))
    slope = torch.arange(5, dtype=torch.float64).expand(1, 1, 1, 5)
    for width in (33, 37, 40):
        fine = AlignedResize()(slope, (1, width))[0, 0, 0]
        for i in range(1, 4):  # pixel i lies at (i + 1/2) W/w - 1/2
            at = (i + 0.5) * width / 5 - 0.5
            low = int(at)
            value = fine[low] + (fine[low + 1] - fine[low]) * (at - low)
            assert value == pytest.approx(i, abs=1e-9)


@pytest.mark.parametrize(
    ("net", "count"),  # of torchvision's pages, less classifier or auxiliary, with 21 scores
    [
        ("fcn8s-resnet50_dilated", 35322218 - 2365205),
        ("fcn8s-resnet101_dilated", 54314346 - 2365205),
        ("fcn32s-googlenet_bn", 6624904 - 1025000 + 21 * 1025),
        ("fcn32s-alexnet_owt", 61100840 - 4097000 + 21 * 4097),
    ],
)
def test_parameters_are_torchvisions(net, count):
    assert sum(p.numel() for p in meta_net(NetSpec(net, 21)).parameters()) == count


def test_a_net_that_resizes_its_scores_has_no_kernel_to_learn():
    with pytest.raises(UserError, match="leave out learn_upsampling"):
        NetSpec("fcn8s-resnet50_dilated", 2, learn_upsampling=True)
    with pytest.raises(UserError, match="no net is called"):
        NetSpec("fcn32s-resnet50_dilated", 2)
    with pytest.raises(UserError, match="no net is called"):
        NetSpec("fcn8s-atonce-resnet50_dilated", 2)


def test_googlenets_preprocessing_is_what_it_makes_of_torchs():
    """transform_input undoes mean and deviation of ImageNet and takes halves instead."""
    (known,) = (x for x in lineages() if x.backbone == "googlenet_bn")
    photo = torch.randint(0, 256, (1, 5, 4, 3), dtype=torch.uint8)
    x = TORCH(photo)
    std, mean = torch.tensor(TORCH.std), torch.tensor(TORCH.mean)
    turned = x * (std / 0.5)[:, None, None] + ((mean - 0.5) / 0.5)[:, None, None]
    torch.testing.assert_close(known.preprocessing(photo), turned, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lineage", lineages(), ids=lambda known: known.title)
def test_every_array_of_the_backbone_has_an_origin(lineage):
    state = meta_net(lineage.coarsest()).state_dict()
    ours = {k.removeprefix("backbone.") for k in state if k.startswith("backbone.")}
    counters = {name for name in ours if name.endswith("num_batches_tracked")}
    assert set(lineage.origins) == ours - counters


@pytest.mark.parametrize(
    ("arch", "net", "scales"),
    [("FCN8s", "fcn8s-vgg16", (1, 1)), ("FCN8sAtOnce", "fcn8s-atonce-vgg16", (0.01, 0.0001))],
)
def test_against_pytorch_fcn_through_its_trainers_checkpoint(arch, net, scales, tmp_path):
    reference = shaken(TorchFCN(scales=scales))
    torch.save(trainers(reference, arch), tmp_path / "model_best.pth.tar")
    taken, made = adopted(tmp_path / "model_best.pth.tar")
    assert (taken.spec.name, taken.spec.padding, taken.spec.classes) == (net, "paper", 4)
    assert taken.preprocessing == CAFFE
    assert "computed here" in taken.not_needed["upscore8.weight"]
    assert "trainer's" in taken.not_needed["optim_state_dict"]
    images = torch.randn(1, 3, 37, 50, dtype=torch.float64)
    with torch.no_grad():
        found, expected = made.double()(images), reference.double()(images)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_an_at_once_net_is_told_by_its_files_name(tmp_path):
    torch.save(TorchFCN().state_dict(), tmp_path / "fcn8s-atonce_from_caffe.pth")
    assert adopted(tmp_path / "fcn8s-atonce_from_caffe.pth")[0].spec.head == "fcn8s-atonce"


def test_caffes_vgg16_in_torchvisions_form_is_told_by_its_files_name(tmp_path):
    for name, preprocessing in [("vgg16-397923af.pth", TORCH), ("vgg16_from_caffe.pth", CAFFE)]:
        torch.save(vgg16().state_dict(), tmp_path / name)
        assert adopted(tmp_path / name)[0].preprocessing == preprocessing


def tiny():
    """A state dict with all that occurs in one."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return shaken(net).state_dict()


def same(file, state):
    assert file.arrays.keys() == state.keys()
    assert all(np.array_equal(file.arrays[k], v.float().numpy()) for k, v in state.items())
    assert all(array.dtype == np.float32 for array in file.arrays.values())


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_both_forms_and_all_kinds_of_numbers(new, kind, tmp_path):
    state = {k: v.to(kind) if v.ndim else v for k, v in tiny().items()}
    torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=new)
    same(read_foreign(tmp_path / "net.pt"), state)


def test_counters_of_batch_norm_are_taken_over_where_there_are_any(tmp_path):
    state = shaken(ResNet((2, 2, 2, 2), deep=False)).state_dict()
    torch.save(state, tmp_path / "new.pth")
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    found = convert(tmp_path / "new.pth").checkpoint.net.state_dict()
    assert found["backbone.layer2_0.shortcut.norm.num_batches_tracked"].item() == 7
    torch.save({name: state[name] for name in state if name not in counters}, tmp_path / "old.pth")
    converted = convert(tmp_path / "old.pth")
    missing = {row.ours for row in converted.missing}
    assert len(counters) == len([name for name in missing if "num_batches" in name]) == 20
    counter = converted.checkpoint.net.state_dict()["backbone.conv1.norm.num_batches_tracked"]
    assert (counter.item(), counter.dtype) == (0, torch.int64)


def test_safetensors_of_others(tmp_path):
    save_file(tiny(), tmp_path / "net.safetensors", {"format": "pt"})
    same(read_foreign(tmp_path / "net.safetensors"), tiny())


@pytest.mark.parametrize(
    "holder", [("state_dict",), ("model",), ("checkpoint", "model_state_dict"), ()]
)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_the_state_dict_is_found_and_prefixes_are_taken_off(holder, prefix, tmp_path):
    content = {prefix + name: tensor for name, tensor in tiny().items()}
    for name in reversed(holder):
        content = {"epoch": 3, name: content, "best": torch.tensor(0.5), "args": OPTIONS}
    torch.save(content, tmp_path / "net.pth.tar")
    if holder[:1] == ("checkpoint",):
        with pytest.raises(UserError, match="no state dict"):
            read_foreign(tmp_path / "net.pth.tar")
        return
    file = read_foreign(tmp_path / "net.pth.tar")
    same(file, tiny())
    assert ("DataParallel" in str(file.left_out)) == ("module." in prefix)
    assert ("epoch" in file.left_out) == bool(holder)


OPTIONS = argparse.Namespace(rate=0.1, mean=np.zeros(3))


def refused(path, *says):
    return refusals.refused(lambda: adopted(path), path, *says)


class Harm:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("new", [True, False, None])
def test_code_is_refused_and_not_run(new, tmp_path):
    content = {"conv.weight": torch.zeros(2, 2), "more": Harm(tmp_path / "ran")}
    path = tmp_path / "net.pth"
    if new is None:
        path.write_bytes(pickle.dumps(content, 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=new)
    refused(path, "not of torch.save" if new is None else "'posix.system'", "not read")
    assert not (tmp_path / "ran").exists()
    torch.load(path, weights_only=False) if new else None  # what a careless reader would do
    assert (tmp_path / "ran").exists() == bool(new)


def test_a_whole_module_is_refused_by_the_name_of_its_class(tmp_path):
    torch.save(TorchFCN(), tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "'reference_nets.TorchFCN'", "save model.state_dict()")


def test_sizes_that_do_not_fit_are_refused_before_anything_is_made(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"a": torch.zeros(1).expand(10**10)}, path)
    refused(path, "do not fit")
    torch.save({"a": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f"))  # 1000 as 2147483647
    refused(path, "do not fit")


def rezipped(path, change):
    """The archive again, each entry as ``change(name, content)`` gives it and how it is packed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            content, packing = change(name.partition("/")[2], content)
            archive.writestr(name, content, packing)


def test_a_packed_archive_is_not_unpacked(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(tiny(), path)
    rezipped(path, lambda name, content: (content, zipfile.ZIP_DEFLATED))
    refused(path, "not unpacked")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"c_codecs\nencode\nC\x02abU\x03hex\x86R.", "encodes"),  # doubles; repeated, a bomb
        (b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "'builtins.bytearray'"),
        (b"]" * (LARGEST + 1), "more than any net needs"),
        (b"(((", "truncated"),
    ],
)
def test_pickles_that_grow(body, says, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(tiny(), path)
    rezipped(
        path,
        lambda name, content: (
            b"\x80\x02" + body if name == "data.pkl" else content,
            zipfile.ZIP_STORED,
        ),
    )
    refused(path, says)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_named(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "net.pt")
    refused(tmp_path / "net.pt", "TorchScript")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([torch.zeros(2)], "no state dict, but a list"),
        ({"lr": 0.1}, "no state dict"),
        ({"conv1_1.bias": torch.zeros(8)}, "looks like pytorch-fcn's VGG16, but 29 of 30"),
        ({"strange": torch.zeros(2)}, "holds none of"),
        ({"lines\nof names": torch.zeros(2)}, "no name of an array"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "no tensors by name"),
    ],
)
def test_what_is_no_net_is_said(content, says, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", says)


def test_a_missing_array_is_named(tmp_path):
    state = shaken(vgg16()).state_dict()
    del state["features.5.bias"]
    torch.save(state, tmp_path / "vgg16.pth")
    refused(tmp_path / "vgg16.pth", "torchvision's VGG16", "1 of 30", "features.5.bias is missing")


@pytest.mark.parametrize("form", ["new", "old", "safetensors"])
def test_damaged_files_give_one_line(form, tmp_path):
    """Cut anywhere or with any byte changed, a file is read or refused, and nothing else."""
    path = tmp_path / "net.pth"
    if form == "safetensors":
        save_file(tiny(), path)
    else:
        torch.save(tiny(), path, _use_new_zipfile_serialization=form == "new")
    whole, random = path.read_bytes(), np.random.default_rng(0)
    fates = {"read": 0, "refused": 0}
    for turn in range(150):
        content = bytearray(whole)
        if turn % 3:
            for place in random.integers(0, len(whole), random.integers(1, 4)):
                content[place] = random.integers(256)
        else:
            del content[random.integers(len(whole)) :]
        path.write_bytes(content)
        try:
            read_foreign(path)
            fates["read"] += 1
        except UserError as error:
            assert "\n" not in str(error)
            fates["refused"] += 1
    assert fates["refused"] > 40
