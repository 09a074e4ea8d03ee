"""The OpenVINO form: read from the ONNX model, which OpenVINO does by itself."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shutil import copyfileobj

import numpy as np
import numpy.typing as npt

from fullconv.export.draft import Array
from fullconv.files import write_atomically
from fullconv.geometry import Layer, Window, sizes
from fullconv.nets import NetSpec
from fullconv.predict.description import INPUT, OUTPUT, Description
from fullconv.predict.graph_engine import KEY
from fullconv.predict.openvino_engine import compiled, core_of, read_model


def smallest_side(spec: NetSpec) -> int:
    """The least height and width: OpenVINO wants every pooling to find a whole window.

    torch and ONNX Runtime let the last window of a pooling that rounds up hang over the border.
    """
    windows = spec.definition.windows()
    n = 1
    while not all(_finds_a_window(layer, before) for layer, before in _inputs(windows, n)):
        n += 1
    return n


def _finds_a_window(layer: Layer, n: int) -> bool:
    return not isinstance(layer, Window) or layer.kernel <= n + 2 * layer.pad


def _inputs(windows: list[Window], n: int) -> Iterator[tuple[Layer, int]]:
    """Each layer with the size of its input, for an image of ``n`` pixels."""
    for layer, after in sizes(windows, n):
        yield layer, n
        n = after


class OpenVinoDraft:
    """A model that OpenVINO has made of an ONNX one, in files of its own for now."""

    def __init__(self, onnx: bytes, description: Description) -> None:
        import openvino

        core = core_of()
        model = core.read_model(onnx)
        model.set_rt_info(description.to_json(), KEY)
        self.folder = tempfile.TemporaryDirectory(prefix="fullconv-export-")
        self.draft = Path(self.folder.name) / "model.xml"
        openvino.save_model(model, str(self.draft), compress_to_fp16=False)
        self.compiled = compiled(core, read_model(core, self.draft))  # as a user will

    def run(self, batch: Array) -> npt.NDArray[np.float32]:
        return self.compiled({INPUT: batch})[OUTPUT]

    def write(self, path: Path) -> list[Path]:
        """Write the ``.bin`` and then the ``.xml``, without which it is no model."""
        weights = path.with_suffix(".bin")
        path.unlink(missing_ok=True)  # an old one must not be met with the new .bin
        for target, draft in ((weights, self.draft.with_suffix(".bin")), (path, self.draft)):
            with draft.open("rb") as content:
                write_atomically(target, partial(copyfileobj, content))
        return [path, weights]
