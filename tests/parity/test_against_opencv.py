"""The reference's nets as OpenCV's own Caffe importer runs them, against the same files read here.

Prototxt and caffemodel are written from the project's description of each net, with random
weights; the caffemodel is then read by the real reader. OpenCV shares no code with that: layers,
paddings, pooling, LRN, deconvolution, crops are its own. Both sum in single precision in another
order (OpenCV by Winograd's algorithm where it can), hence the tolerance.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import caffe_writer
from fullconv.nets import CAFFE, NetSpec
from fullconv.predict import TorchEngine
from fullconv.weights import load
from table import difference, record

HERE = Path(__file__).parent
PYTHON = os.environ.get("FULLCONV_OPENCV", str(HERE.parents[1] / ".venv-parity/bin/python"))
SIZES = ((67, 93), (131, 60), (101, 163))
TOLERANCE = 1e-4
NETS = (
    ("fcn32s-vgg16", 1.0),
    ("fcn16s-vgg16", 1 / 4),
    ("fcn8s-vgg16", 1.0),
    ("fcn8s-atonce-vgg16", 1 / 4),
    ("fcn32s-caffenet", 1.0),
    ("fcn32s-alexnet", 1.0),
    ("fcn32s-googlenet", 1.0),
)


def by_opencv(weights: Path, photos: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of uint8 RGB photos, prepared as the reference does: BGR, minus the mean."""
    if not Path(PYTHON).exists():
        pytest.fail(f"{PYTHON} is missing: `make parity` builds it (or set FULLCONV_OPENCV)")
    mean = np.array(CAFFE.mean, np.float32)
    inputs = {
        name: np.ascontiguousarray((photo[:, :, ::-1] - mean).transpose(2, 0, 1)[None])
        for name, photo in photos.items()
    }
    np.savez(weights.with_name("in.npz"), **inputs)  # pyright: ignore
    subprocess.run(
        [PYTHON, HERE / "run_opencv.py", weights.with_suffix(".prototxt"), weights,
         weights.with_name("in.npz"), weights.with_name("out.npz")],
        check=True,
    )  # fmt: skip
    return dict(np.load(weights.with_name("out.npz")))


@pytest.mark.slow
@pytest.mark.parametrize(("net", "width"), NETS)
def test_scores_are_those_of_opencv(net: str, width: float, tmp_path: Path) -> None:
    spec = NetSpec(net, 21, padding="paper", width=width)
    weights = caffe_writer.write(tmp_path, caffe_writer.fcn(spec))
    random = np.random.default_rng(1)
    photos = {f"{h}x{w}": random.integers(0, 256, (h, w, 3), np.uint8) for h, w in SIZES}
    theirs = by_opencv(weights, photos)
    checkpoint = load(weights)
    assert checkpoint.net.spec == spec
    weights.unlink()  # half a gigabyte
    engine = TorchEngine(checkpoint, "cpu", "fp32")
    for size, photo in photos.items():
        ours = engine.scores(photo)
        assert theirs[size].std() > 1  # the activations have neither vanished nor exploded
        assert np.abs(theirs[size]).max() < 1e5
        found = difference(ours, theirs[size])
        what = f"{size}, width {width:g}"
        record("Against OpenCV", f"`{net}`", what, found)
        assert found.relative < TOLERANCE, what
        assert found.argmax is not None
        assert found.argmax > 0.999
