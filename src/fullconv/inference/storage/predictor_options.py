"""How a Predictor is opened, as plain values: for another process, and to know a job again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fullconv.classes.palettes import Palette
from fullconv.device import Precision
from fullconv.inference.engines.registry import AUTO, Say, engine_for, exported_graph, is_exported
from fullconv.inference.net_checksums import net_checksums
from fullconv.inference.prediction import DrawOptions
from fullconv.inference.predictor import Predictor
from fullconv.inference.tiled_prediction import Tile
from fullconv.modalities import MAX_MEGAPIXELS
from fullconv.version import __version__


@dataclass(frozen=True)
class PredictorOptions:
    """The arguments of a `Predictor`; ``tta`` as a text."""

    path: str
    device: str = "auto"
    precision: Precision = "fp32"
    engine: str = AUTO
    tile: Tile | None = None
    palette: Palette = "classes"
    borders: bool = True
    tta: str | None = None
    bands: tuple[int, ...] | None = None
    range: tuple[float, ...] | None = None
    max_megapixels: float = MAX_MEGAPIXELS
    threshold: tuple[float, ...] | None = None

    def open(self, say: Say | None = None) -> Predictor:
        """The predictor; UserError as it raises."""
        values = asdict(self)
        threshold: Sequence[float] | None = values.pop("threshold")
        only = threshold[0] if threshold and len(threshold) == 1 else threshold
        return Predictor(**values, threshold=only, say=say)

    def decides(self, drawn: DrawOptions) -> dict[str, Any]:
        """All options that decide the bytes of a result, to rounding: not the device."""
        values = asdict(self)
        del values["device"], values["path"]
        values["engine"] = engine_for(Path(self.path), self.engine).name
        return {
            **values,
            "net": net_checksums(Path(self.path)),
            "drawn": dict(drawn),
            "version": __version__,
        }

    def net_file(self, say: Say) -> Path:
        """The file of the net for another machine: its own, or the graph exported from it."""
        from fullconv.checkpoints.open_weights import located

        path = Path(self.path)
        entry = engine_for(path, self.engine)
        if entry.form is not None and not is_exported(path):
            return exported_graph(path, entry, say)
        return located(path)
