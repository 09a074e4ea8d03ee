"""The engines by name, once: `--engine`, its help, completion and every list of them read this.

To add an engine: a file beside this one with an `Engine` and a function that opens it, and a line
in `ENGINES`. Nothing heavy is imported before an engine is opened.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fullconv.errors import UserError

if TYPE_CHECKING:
    from fullconv.inference.open_predictor import OpenedNet

AUTO = "auto"

Say = Callable[[str], object]
"""Called with a line about what takes long or differs from what was asked for."""


@dataclass(frozen=True)
class EngineEntry:
    """An engine: its ``name``, ``what`` it is in a few words, and how it is opened.

    ``opens`` is the reference 'module:function' of a function (path, device, precision) ->
    `OpenedNet`. ``runs`` are the suffixes of the exported files that it takes, its own first.
    ``form`` is what a run is exported to for it (`fullconv export --to`); None: it takes the run
    itself. ``package`` is the package that it needs.
    """

    name: str
    what: str
    opens: str
    runs: tuple[str, ...] = ()
    form: str | None = None
    package: str | None = None

    def open(self, path: str | Path, device: str, precision: str) -> "OpenedNet":
        """The engine and the description in the file; UserError where it cannot run the file."""
        return function_at(self.opens)(path, device, precision)

    @property
    def is_installed(self) -> bool:
        """Whether its package can be loaded here."""
        try:
            importlib.import_module(self.package or "fullconv")
        except (ImportError, OSError):  # OSError: a library that it needs is not there
            return False
        return True


_HERE = "fullconv.inference.engines"
ENGINES = (
    EngineEntry("torch", "PyTorch", f"{_HERE}.torch_engine:open_torch"),
    EngineEntry(
        "winograd",
        "PyTorch with Winograd convolutions, on a CPU in fp32",
        f"{_HERE}.torch_engine:open_winograd",
    ),
    EngineEntry(
        "onnxruntime",
        "ONNX Runtime",
        f"{_HERE}.onnxruntime_engine:open_onnxruntime",
        runs=(".onnx",),
        form="onnx",
        package="onnxruntime",
    ),
    EngineEntry(
        "openvino",
        "OpenVINO",
        f"{_HERE}.openvino_engine:open_openvino",
        runs=(".xml", ".onnx"),
        form="openvino",
        package="openvino",
    ),
)
"""The engines in the order of lists; of several that run a file, the first is its own."""

EXPORTER = "fullconv.exporting.graph_cache:graph_for"
"""The function that exports the graph of a run: (run, engine, say) -> file.

As a reference, because it belongs to a layer above this one."""


def engine_names() -> tuple[str, ...]:
    """The values of `--engine`."""
    return AUTO, *(engine.name for engine in ENGINES)


def find_engine(name: str) -> EngineEntry:
    """The engine called ``name``; UserError with all names for another."""
    for engine in ENGINES:
        if engine.name == name:
            return engine
    raise UserError(
        f"engine {name!r} is unknown: use {', '.join(engine_names())}", "FC-PREDICT-009"
    )


def is_exported(path: Path) -> bool:
    """Whether a path names an exported graph, by its ending."""
    return not path.is_dir() and any(path.suffix.lower() in engine.runs for engine in ENGINES)


def engines_for(path: Path) -> list[EngineEntry]:
    """The engines that run what ``path`` names: an exported graph's, else all."""
    if not is_exported(path):
        return list(ENGINES)
    return [engine for engine in ENGINES if path.suffix.lower() in engine.runs]


def engine_for(path: Path, name: str = AUTO) -> EngineEntry:
    """The engine called ``name``, or by the rule of 'auto'; UserError where it does not run it.

    The rule: an exported graph goes by its own runtime, everything else by torch. It depends on
    nothing but the file, so the same file always gets the same classes on a machine.
    """
    engines = engines_for(path)
    if name == AUTO:
        return engines[0]
    engine = find_engine(name)
    if engine not in engines:
        known = " or ".join(engine.name for engine in engines)
        raise UserError(f"{path}: runs with --engine {known}, not {name}", "FC-PREDICT-009")
    return engine


def function_at(reference: str) -> Callable:
    """The function of a reference 'module:function'; its module is imported."""
    module, _, function = reference.partition(":")
    return getattr(importlib.import_module(module), function)


def exported_graph(run: Path, engine: EngineEntry, say: Say) -> Path:
    """The file of a run's graph for an ``engine`` that runs graphs, exported where there is none.

    ``say`` is called with a line about the export.
    """
    return function_at(EXPORTER)(run, engine, say)
