"""The five confusions of docs/confusions: each test fails if the package falls into its own."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.classes import ClassSet
from fullconv.cli import main
from fullconv.data import Augmentation, Sample, augment, read_photo, resize_mask
from fullconv.errors import UserError
from fullconv.geometry import Map, centred_upsampling, tent
from fullconv.inference import Predictor, TorchEngine
from fullconv.models import CAFFE, TORCH, NetSpec, available, build
from fullconv.models.analysis.cost import costs, meta_net
from fullconv.models.analysis.explain import crops, explain
from fullconv.models.fcn import placements_of

PET = ClassSet(("ground", "cat", "dog"), ((10, 20, 30), (200, 0, 0), (0, 0, 200)))


def small_net(name="fcn8s-resnet18", classes=3, width=1 / 16, **options):
    torch.manual_seed(0)
    net = build(NetSpec(name, classes, width=width, **options)).eval()
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    return net


@pytest.fixture
def photo():
    """Coarse colours, so that neither channel order nor place is a matter of chance."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return coarse.repeat(11, 0).repeat(12, 1)


# 1: RGB or BGR, and which mean


def test_a_red_photo_reaches_a_caffe_net_as_bgr_minus_the_mean(tmp_path):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "red.png")
    image = read_photo(tmp_path / "red.png")
    blue, green, red = CAFFE(torch.from_numpy(image)[None])[0, :, 0, 0].tolist()
    expected = (-104.00698793, -116.66876762, 255 - 122.67891434)
    assert (blue, green, red) == pytest.approx(expected, abs=1e-4)


def test_the_net_is_given_what_its_preprocessing_says(photo):
    net = small_net("fcn8s-caffenet")
    found = TorchEngine((net, CAFFE), "cpu").scores(photo)
    bgr = photo[..., ::-1].astype(np.float32) - np.float32(CAFFE.mean)
    with torch.inference_mode():
        expected = net(torch.from_numpy(bgr.transpose(2, 0, 1).copy())[None])[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    exchanged = TorchEngine((net, CAFFE), "cpu").scores(photo[..., ::-1].copy())
    assert np.abs(exchanged - found).max() > 0.01 * np.abs(found).max()


@pytest.mark.parametrize("preprocessing", [CAFFE, TORCH])
def test_the_checkpoint_brings_its_preprocessing_along(tmp_path, photo, preprocessing):
    net = small_net()
    save(tmp_path / "net.safetensors", Checkpoint(net, PET, preprocessing))
    assert load(tmp_path / "net.safetensors").preprocessing == preprocessing
    found = Predictor(tmp_path / "net.safetensors", "cpu")(photo).scores
    with torch.inference_mode():
        expected = net(preprocessing(torch.from_numpy(photo)[None]))[0].numpy()
    # Predicting folds the batch norms into the convolutions, which rounds otherwise.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


# 2: label images must never be averaged


@pytest.fixture
def trap():
    """Classes 1 and 5 side by side with an ignored line: averaging makes 2, 3, 4 and 100s."""
    mask = np.full((60, 80), 1, np.uint8)
    mask[:, 33:] = 5
    mask[20:23] = 255
    return mask


def test_averaging_the_trap_would_invent_classes(trap):
    averaged = np.asarray(Image.fromarray(trap).resize((27, 19), Image.Resampling.BILINEAR))
    assert {2, 3, 4} & set(np.unique(averaged).tolist())


@pytest.mark.parametrize("how", ["nearest", "majority"])
@pytest.mark.parametrize("size", [(19, 27), (60, 79), (7, 200), (113, 151), (1, 1)])
def test_a_resized_mask_holds_only_values_of_its_source(trap, size, how):
    resized = resize_mask(trap, size, how)
    assert resized.shape == size
    assert set(np.unique(resized)) <= {1, 5, 255}


@pytest.mark.parametrize("how", ["nearest", "majority"])
def test_no_augmentation_invents_a_class(trap, how):
    everything = Augmentation(
        crop=(48, 56), scale=(0.3, 2.5), hflip=True, rotate=30, brightness=0.5, contrast=0.5,
        saturation=0.5, hue=90, mask_resize=how,
    )  # fmt: skip
    image = np.repeat(trap[..., None], 3, 2)
    for seed in range(40):
        augmented = augment(Sample("trap", image, trap), everything, np.random.default_rng(seed))
        assert augmented.mask is not None
        assert set(np.unique(augmented.mask)) <= {1, 5, 255}


def test_no_averaging_way_is_offered():
    with pytest.raises(UserError, match="'nearest' or 'majority'"):
        Augmentation(mask_resize="bilinear")  # pyright: ignore[reportArgumentType]


# 3: kernel, stride and pad of the last deconvolution


def upsample(score, kernel, stride, pad, weights):
    axis = torch.tensor([float(w) for w in weights], dtype=score.dtype)
    return F.conv_transpose2d(
        score, torch.outer(axis, axis)[None, None], stride=stride, padding=pad
    )


def test_kernel_64_stride_32_pad_16_is_centred_bilinear():
    layer = centred_upsampling(32)
    assert (layer.kernel, layer.stride, layer.pad) == (64, 32, 16)
    score = torch.randn(1, 1, 7, 9, dtype=torch.float64)
    fine = upsample(score, 64, 32, 16, tent(64))
    assert fine.shape == (1, 1, 224, 288)
    expected = F.interpolate(score, scale_factor=32, mode="bilinear", align_corners=False)
    inside = (..., slice(16, -16), slice(16, -16))
    torch.testing.assert_close(fine[inside], expected[inside])


def test_a_kernel_that_merely_fits_is_not_bilinear():
    """A straight slope of scores must come back as a straight slope; kernel 32 makes steps."""
    slope = torch.arange(9, dtype=torch.float64).expand(1, 1, 9, 9)
    right = (torch.arange(288, dtype=torch.float64) - 15.5) / 32
    inside = slice(16, -16)
    good = upsample(slope, 64, 32, 16, tent(64))[0, 0, 100]
    torch.testing.assert_close(good[inside], right[inside])
    fits = upsample(slope, 32, 32, 0, [1] * 32)[0, 0, 100]
    assert fits.shape == right.shape
    assert (fits - right)[inside].abs().max() > 0.4


@pytest.mark.parametrize("padding", ["same", "paper"])
def test_no_net_has_a_kernel_of_another_kind(padding):
    for name in available():
        _, placements = placements_of(NetSpec(name, 2, padding=padding))
        for placement in placements.values():
            factor = placement.factor
            assert factor > 1
            assert placement.kernel in (2 * factor - 1, 2 * factor)


@pytest.mark.parametrize("padding", ["same", "paper"])
@pytest.mark.parametrize(
    "name", ["fcn32s-vgg16", "fcn8s-vgg16", "fcn16s-googlenet", "fcn8s-caffenet", "fcn4s-resnet18"]
)
def test_a_score_comes_out_where_the_algebra_puts_it(name, padding):
    """One coarse score of 1: the centre of mass of what it becomes is its coordinate."""
    net = small_net(name, classes=1, width=1 / 64, padding=padding).double()
    images = torch.zeros(1, 3, 352, 320, dtype=torch.float64)
    with torch.no_grad():
        maps = {stride: torch.zeros_like(score) for stride, score in net.scores(images).items()}
        maps[32][..., 5, 4] = 1
        net.scores = lambda _: maps
        fine = net(images)[0, 0]
    assert fine.shape == (352, 320)
    total = fine.sum()
    position = net.spec.definition.map()
    row = (fine.sum(1) * torch.arange(352)).sum() / total
    column = (fine.sum(0) * torch.arange(320)).sum() / total
    assert float(row) == pytest.approx(float(position(5)), abs=1e-9)
    assert float(column) == pytest.approx(float(position(4)), abs=1e-9)


# 4: why the original pads by 100, and what that costs


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("fcn32s-vgg16", [19]),
        ("fcn16s-vgg16", [5, 27]),
        ("fcn8s-vgg16", [5, 9, 31]),
        ("fcn32s-caffenet", [18]),
    ],
)
def test_the_magic_crops_follow_from_the_layers(name, pixels):
    assert [crop.pixels for crop in crops(NetSpec(name, 21, padding="paper"))] == pixels


def test_same_padding_puts_scores_where_plain_upsampling_does():
    definition = NetSpec("fcn32s-vgg16", 21).definition
    layer = centred_upsampling(32)
    assert definition.map().then(layer.map()) == Map()


def test_paper_padding_computes_2_15_times_the_pixels():
    first = {
        padding: costs(meta_net(NetSpec("fcn8s-vgg16", 21, padding=padding)), 375, 500)
        for padding in ("same", "paper")
    }
    computed = {k: found["backbone.conv1_1"].multiply_adds for k, found in first.items()}
    assert computed["paper"] / computed["same"] == pytest.approx(2.15, abs=0.02)


def test_224_pixels_and_an_unpadded_fc6_localise_nothing_and_explain_says_so():
    squeezed = explain(NetSpec("fcn32s-vgg16", 21, padding="none"), (224, 224))
    assert squeezed.score_size == (1, 1)
    assert any("nothing can be localised" in warning for warning in squeezed.warnings)
    net = small_net("fcn32s-vgg16", width=1 / 64)
    with torch.no_grad():
        scores = net.scores(torch.zeros(1, 3, 224, 224))
    assert scores[32].shape[-2:] == (7, 7)


# 5: how a snapshot becomes a prediction


def test_the_checkpoint_alone_predicts_as_the_net_did(tmp_path, photo, monkeypatch, capsys):
    net = small_net()
    with torch.inference_mode():
        expected = net(TORCH(torch.from_numpy(photo)[None])).argmax(1)[0].numpy()
    assert len(np.unique(expected)) > 1
    save(tmp_path / "only" / "net.safetensors", Checkpoint(net, PET, TORCH))
    Image.fromarray(photo).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    command = "fullconv predict only/net.safetensors photo.png --out out --device cpu"
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code, capsys.readouterr()
    mask = Image.open("out/photo.png")
    np.testing.assert_array_equal(np.asarray(mask), expected)
    assert mask.getpalette()[: 3 * len(PET)] == [value for color in PET.colors for value in color]


def test_bare_weights_are_refused(tmp_path):
    save_file(small_net().state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(UserError, match="holds none of"):
        Predictor(tmp_path / "bare.safetensors")
