import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.device import pick_device
from fullconv.errors import UserError
from fullconv.inference import TorchEngine
from fullconv.models import CAFFE, NetSpec, build
from fullconv.models.paper_padding.border import BorderOnce


def test_against_the_plain_net(checkpoint, picture):
    image = picture()
    engine = TorchEngine(checkpoint, "cpu")
    scores = engine.scores(image)
    with torch.no_grad():
        expected = checkpoint.net(checkpoint.preprocessing(torch.from_numpy(image)[None]))[0]
    assert scores.dtype == np.float32
    assert scores.shape == (4, 37, 53)
    assert np.allclose(scores, expected.numpy(), atol=1e-4)
    mask = engine.class_map(image)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, scores.argmax(0))
    assert len(np.unique(mask)) > 1


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_any_size(checkpoint, height, width):
    image = np.full((height, width, 3), 120, np.uint8)
    assert TorchEngine(checkpoint, "cpu").class_map(image).shape == (height, width)


def test_bf16_is_close(checkpoint, picture):
    image = picture(64, 96)
    exact = TorchEngine(checkpoint, "cpu").class_map(image)
    rounded = TorchEngine(checkpoint, "cpu", "bf16")
    assert rounded.scores(image).dtype == np.float32
    assert np.mean(rounded.class_map(image) == exact) > 0.95


def test_leaves_training_mode(checkpoint, picture):
    net = build(NetSpec("fcn32s-resnet18", 3, width=0.0625)).train()
    engine = TorchEngine((net, checkpoint.preprocessing), "cpu")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    engine.class_map(picture())
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_more_than_256_classes(checkpoint, picture):
    net = build(NetSpec("fcn32s-resnet18", 300, width=0.0625))
    net.score_modules()["score.32"].bias.data[299] = 1.0  # pyright: ignore
    mask = TorchEngine((net, checkpoint.preprocessing), "cpu").class_map(picture())
    assert mask.dtype == np.uint16
    assert (mask == 299).all()


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(checkpoint, image):
    with pytest.raises(UserError, match="uint8 array"):
        TorchEngine(checkpoint, "cpu").class_map(image)


def test_bad_choices_are_refused(checkpoint):
    with pytest.raises(UserError, match="fp16"):
        TorchEngine(checkpoint, "cpu", "fp16")  # pyright: ignore
    for device in ("nonsense", "cuda:77"):
        with pytest.raises(UserError, match=device):
            pick_device(device)


def test_padding_paper_is_predicted_with_the_border_once(picture):
    torch.manual_seed(0)
    net = build(NetSpec("fcn8s-vgg16", 4, padding="paper", width=1 / 32)).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    image = picture(70, 97)
    with torch.no_grad():
        plain = net(CAFFE(torch.from_numpy(image)[None]))[0].numpy()
    engine = TorchEngine((net, CAFFE), "cpu")
    assert isinstance(engine.run, BorderOnce)
    assert np.allclose(engine.scores(image), plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    net.train()  # as a training does between validations
    with torch.no_grad():
        next(net.parameters()).mul_(-1)
    scores = engine.scores(image)
    assert not net.training
    assert np.allclose(scores, TorchEngine((net, CAFFE), "cpu").scores(image))
    assert not np.allclose(scores, plain, rtol=0, atol=0.01 * np.abs(plain).max())
