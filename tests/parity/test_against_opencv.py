"""The reference's nets as OpenCV's own Caffe importer runs them, against the same files read here.

Prototxt and caffemodel are written from the project's description of each net, with random
weights; the caffemodel is then read by the real reader. OpenCV shares no code with that: layers,
paddings, pooling, LRN, deconvolution, crops are its own. Both sum in single precision in another
order (OpenCV by Winograd's algorithm where it can), hence the tolerance.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import caffe_writer
from fullconv.checkpoints import load
from fullconv.inference import TorchEngine
from fullconv.models import NetSpec
from table import difference, record

HERE = Path(__file__).parent
PYTHON = os.environ.get("FULLCONV_OPENCV", str(HERE.parents[1] / ".venv-opencv/bin/python"))
SIZES = ((67, 93), (131, 60), (101, 163))
TOLERANCE = 1e-4
CAFFE_MEAN = (104.00698793, 116.66876762, 122.67891434)
# The reference's data layers: siftflow_layers.py, nyud_layers.py.
SIFT_MEAN = (114.578, 115.294, 108.353)
NYUD_MEAN, DEPTH_MEAN, HHA_MEAN = (116.190, 97.203, 92.318), 7.844, (132.431, 94.076, 118.477)


@dataclass(frozen=True)
class Case:
    """A net of the reference: its inputs and score blobs there, and the mean of each channel."""

    net: str
    width: float
    classes: int = 21
    inputs: tuple[tuple[str, int], ...] = (("data", 3),)
    outputs: tuple[tuple[str, int], ...] = (("", 21),)
    mean: tuple[float, ...] = CAFFE_MEAN
    what: str = ""

    @property
    def spec(self) -> NetSpec:
        streams = tuple(channels for _, channels in self.inputs)
        return NetSpec(self.net, self.classes, padding="paper", width=self.width, streams=streams)

    def layers(self) -> list[caffe_writer.Layer]:
        if len(self.inputs) > 1:
            return caffe_writer.late_fusion(self.spec)
        return caffe_writer.fcn(self.spec, outputs=dict(self.outputs))


SIFT = {"classes": 36, "outputs": (("_sem", 33), ("_geo", 3)), "mean": SIFT_MEAN}
NYUD = {"classes": 40, "outputs": (("", 40),)}
CASES = (
    Case("fcn32s-vgg16", 1.0),
    Case("fcn16s-vgg16", 1 / 4),
    Case("fcn8s-vgg16", 1.0),
    Case("fcn8s-atonce-vgg16", 1 / 4),
    Case("fcn32s-caffenet", 1.0),
    Case("fcn32s-alexnet", 1.0),
    Case("fcn32s-googlenet", 1.0),
    Case("fcn16s-vgg16", 1 / 4, what="two outputs, ", **SIFT),
    Case("fcn8s-vgg16", 1 / 4, what="two outputs, ", **SIFT),
    Case(
        "fcn32s-vgg16", 1 / 4, what="colour and depth, ", mean=(*NYUD_MEAN, DEPTH_MEAN),
        inputs=(("data", 4),), **NYUD,
    ),
    Case(
        "fcn32s-vgg16", 1 / 4, what="colour, HHA, ", mean=(*NYUD_MEAN, *HHA_MEAN),
        inputs=(("color", 3), ("hha", 3)), **NYUD,
    ),
)  # fmt: skip


def picture(case: Case, height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """What the net is shown: uint8 RGB, then the other inputs; depth as a logarithm."""
    channels = case.spec.in_channels
    image = random.integers(0, 256, (height, width, channels), np.uint8)
    if channels != 4:
        return image
    depth = np.log(random.uniform(800, 9000, (height, width, 1)))
    return np.concatenate([image[..., :3], depth], 2).astype(np.float32)


def by_opencv(case: Case, weights: Path, photos: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of photos, prepared as the reference does: BGR, minus the mean."""
    if not Path(PYTHON).exists():
        pytest.fail(f"{PYTHON} is missing: `make parity` builds it (or set FULLCONV_OPENCV)")
    order = [2, 1, 0, *range(3, case.spec.in_channels)]
    mean = np.array(case.mean, np.float32)
    inputs = {
        name: np.ascontiguousarray((photo[..., order] - mean).transpose(2, 0, 1)[None])
        for name, photo in photos.items()
    }
    np.savez(weights.with_name("in.npz"), **inputs)  # pyright: ignore
    subprocess.run(
        [PYTHON, HERE / "run_opencv.py", weights.with_suffix(".prototxt"), weights,
         weights.with_name("in.npz"), weights.with_name("out.npz"),
         ",".join(f"{name}:{channels}" for name, channels in case.inputs),
         ",".join(f"score{ending}" for ending, _ in case.outputs)],
        check=True,
    )  # fmt: skip
    return dict(np.load(weights.with_name("out.npz")))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.what}{case.net}".replace(" ", "-"))
def test_scores_are_those_of_opencv(case: Case, tmp_path: Path) -> None:
    weights = caffe_writer.write(tmp_path, case.layers(), inputs=dict(case.inputs))
    random = np.random.default_rng(1)
    photos = {f"{h}x{w}": picture(case, h, w, random) for h, w in SIZES}
    theirs = by_opencv(case, weights, photos)
    checkpoint = load(weights)
    assert checkpoint.net.spec == case.spec
    weights.unlink()  # half a gigabyte
    engine = TorchEngine(checkpoint, "cpu", "fp32")
    for size, photo in photos.items():
        ours = engine.scores(photo)
        assert theirs[size].std() > 1  # the activations have neither vanished nor exploded
        assert np.abs(theirs[size]).max() < 1e5
        compared = difference(ours, theirs[size])
        what = f"{case.what}{size}, width {case.width:g}"
        record("Against OpenCV", f"`{case.net}`", what, compared)
        assert compared.relative < TOLERANCE, what
        assert compared.argmax is not None
        assert compared.argmax > 0.999
