"""The page: a graph, its classes and ONNX Runtime Web in one HTML file that asks no server."""

import base64
import gzip
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fullconv.classes.class_set import Output
from fullconv.errors import UserError
from fullconv.exporting.onnx_graph import OnnxGraph
from fullconv.exporting.web.runtime import Runtime
from fullconv.files.atomic import write_atomically
from fullconv.inference.export_metadata import CLASSES, INPUT, Description

_EXPORT = re.compile(rb"export\{([\w$]+ as \w+(?:,[\w$]+ as \w+)*)\};")
MOST_BYTES = 256 * 2**20
"""The largest graph: as base64 it is one string of JavaScript, of which Chromium holds 0.5 GB."""


class WebPage:
    """The page of a ``graph`` that has been compared with its net.

    UserError for one of more than `MOST_BYTES`.
    """

    def __init__(self, graph: OnnxGraph, description: Description, runtime: Runtime) -> None:
        if graph.bytes > MOST_BYTES:
            raise UserError(
                f"the net has {graph.bytes >> 20} MiB and a page holds {MOST_BYTES >> 20}: use "
                "--half, --int8 --calibrate PHOTOS, or a smaller net",
                "FC-EXPORT-007",
            )
        self.graph, self.description, self.runtime = graph, description, runtime

    def write(self, path: Path) -> list[Path]:
        """Write the page, whole or not at all; the paths written."""
        write_atomically(path, self.html(path.stem).encode())
        return [path]

    def html(self, title: str) -> str:
        """The page under a ``title``."""
        known = self.description
        environment = Environment(autoescape=True, undefined=StrictUndefined)
        return environment.from_string(_file("page.html")).render(
            title=title,
            net=known.spec.name,
            mebibytes=f"{self.graph.bytes / 2**20:.1f}",
            version=self.runtime.version,
            style=Markup(_file("page.css")),
            script=Markup(_file("png.js") + _file("page.js")),
            facts=Markup(json.dumps(facts(known)).replace("<", "\\u003c")),
            worker=packed(worker_script(self.runtime)),
            binary=packed(self.runtime.binary),
            graph=packed(self.graph.content),
        )


def refuse_net(description: Description, run: str | Path) -> None:
    """UserError for a net to which a photo alone cannot be shown, or not as it is."""
    if not description.preprocess or description.size is not None:
        raise UserError(
            "a page takes photos of any size as they are: leave --no-preprocess and --size out",
            "FC-EXPORT-001",
        )
    if description.classes.is_overlapping:
        raise UserError(
            f"{run}: its classes may overlap, and a page shows one class a pixel: export to onnx",
            "FC-EXPORT-007",
        )
    if description.dtype != "uint8":
        inputs = "+".join(description.preprocessing.inputs)
        raise UserError(
            f"{run}: takes {inputs}, and a page has RGB photos alone: export to onnx",
            "FC-EXPORT-007",
        )


def facts(description: Description) -> dict[str, Any]:
    """The facts about the graph for the page's scripts, in plain types."""
    return {
        "input": INPUT,
        "result": description.output,
        "is_classes": description.output == CLASSES,
        "outputs": [_output(output) for output in description.classes.outputs],
    }


def _output(output: Output) -> dict[str, Any]:
    """An output: its name, its first channel, and its classes with the palette of their masks."""
    palette = output.classes.palette()
    return {
        "name": output.name,
        "first": output.first,
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(output.classes.names, output.classes.colors, strict=True)
        ],
        "palette": palette.flatten().tolist() if len(palette) == 256 else None,
    }


def worker_script(runtime: Runtime) -> bytes:
    """The worker as one classic script, as a page on the disk may not start one of modules.

    So what the runtime exports becomes the object `ort`, and its own address that of the worker.
    """
    names = _EXPORT.search(runtime.script)
    if names is None:
        raise ValueError(f"ONNX Runtime Web {runtime.version} has no export statement")
    pairs = (name.split(b" as ") for name in names[1].split(b","))
    exported = b",".join(b"%s:%s" % (public, own) for own, public in pairs)
    script = _EXPORT.sub(b"self.ort={%s};" % exported, runtime.script)
    script = script.replace(b"import.meta.url", b"self.location.href")
    return b'"use strict";(()=>{' + script + b"\n})();\n" + _file("worker.js").encode()


def packed(content: bytes) -> str:
    """Bytes as the page holds them: gzip, then base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _file(name: str) -> str:
    return files("fullconv.exporting.web").joinpath(name).read_text("utf-8")
