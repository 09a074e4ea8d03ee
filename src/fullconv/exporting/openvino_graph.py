"""The OpenVINO form: read from the ONNX model, which OpenVINO does by itself."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from fullconv.checkpoints.export_checksum import xml_with_checksum
from fullconv.exporting.torch_graph import Array
from fullconv.files.atomic import write_atomically
from fullconv.geometry import Layer, Window, sizes
from fullconv.inference.engines.graph_engine import KEY
from fullconv.inference.engines.openvino_engine import compiled, core_of, read_model
from fullconv.inference.export_metadata import INPUT, Description
from fullconv.models import NetSpec


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
    return not isinstance(layer, Window) or layer.kernel <= n + sum(layer.pads)


def _inputs(windows: list[Window], n: int) -> Iterator[tuple[Layer, int]]:
    """Each layer with the size of its input, for an image of ``n`` pixels."""
    for layer, after in sizes(windows, n):
        yield layer, n
        n = after


def from_onnx(model: bytes) -> Any:
    """OpenVINO's model of an ONNX one."""
    return core_of().read_model(model)


def fold_constants(model: Any) -> Any:
    """``model`` itself, with its constant subgraphs computed.

    OpenVINO's reader computes the shape of a bias in the graph; NNCF corrects plain constants only.
    """
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
    return model


class OpenVinoGraph:
    """A model of OpenVINO, in files of its own for now; of precision fp16 with halved weights."""

    def __init__(self, model: Any, description: Description) -> None:
        import openvino

        model.set_rt_info(description.to_json(), KEY)
        self.folder = tempfile.TemporaryDirectory(prefix="fullconv-export-")
        self.xml = Path(self.folder.name) / "model.xml"
        half = description.precision == "fp16"
        openvino.save_model(model, str(self.xml), compress_to_fp16=half)
        self.compiled = compiled(core_of(), self.read())  # as a user will

    def redescribed(self, description: Description) -> "OpenVinoGraph":
        """The same graph with another description."""
        return OpenVinoGraph(self.read(), description)

    def read(self) -> Any:
        """The model, read anew."""
        return read_model(core_of(), self.xml)

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in (self.xml, self.xml.with_suffix(".bin")))

    def run(self, batch: Array) -> Array:
        return self.compiled({INPUT: batch})[0]

    def write(self, path: Path) -> list[Path]:
        """Write the ``.bin`` and then the ``.xml``, without which it is no model."""
        weights, saved = path.with_suffix(".bin"), self.xml.with_suffix(".bin")
        path.unlink(missing_ok=True)  # an old one must not be met with the new .bin
        with saved.open("rb") as content:
            write_atomically(weights, partial(copyfileobj, content))
        write_atomically(path, xml_with_checksum(self.xml.read_bytes(), saved))
        return [path, weights]
