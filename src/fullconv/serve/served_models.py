"""The nets that a service answers with, each under a name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet, Output
from fullconv.device import Precision
from fullconv.errors import UserError, printable
from fullconv.inference import Predictor, Tile
from fullconv.inference.engines.registry import AUTO
from fullconv.modalities import AS_STORED, ReadOptions, is_of_photo
from fullconv.serve.request_errors import RequestError

WARMING = (64, 64)


@dataclass(frozen=True, eq=False)
class Model:
    """A net that photos can be shown to; ``name`` is what requests call it."""

    name: str
    predictor: Predictor

    @property
    def net(self) -> str:
        """Name of its structure, as ``fullconv nets`` lists it."""
        return self.predictor.spec.name

    @property
    def classes(self) -> ClassSet:
        """All its classes, of all outputs."""
        return self.predictor.classes

    def output(self, name: str | None) -> Output:
        """The output called ``name``, the first by default; RequestError (404) for another.

        An overlapping class is an output; by default it is all of them, without a name.
        """
        outputs = self.classes.outputs
        if name is None:
            return replace(outputs[0], name="") if self.classes.is_overlapping else outputs[0]
        for output in outputs:
            if output.name == name:
                return output
        known = ", ".join(output.name for output in outputs if output.name) or "one without a name"
        message = f"{self.name} has no output {printable(name)!r}; it has {known}"
        raise RequestError(404, message, "FC-SERVE-005")

    def without_path(self, message: str) -> str:
        """``message`` with the model's name in place of its path, which strangers need not know."""
        return message.replace(str(self.predictor.path), self.name)


class Models:
    """Models by name, in the order given; the first answers who names none."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = {model.name: model for model in models}

    def __iter__(self):
        return iter(self._models.values())

    def pick(self, name: str | None) -> Model:
        """The model called ``name``; RequestError (404) where there is none."""
        if name is None:
            return next(iter(self))
        if name not in self._models:
            known = ", ".join(self._models)
            message = f"no model is called {printable(name)!r}; there are {known}"
            raise RequestError(404, message, "FC-SERVE-005")
        return self._models[name]


def open_models(
    paths: Sequence[str | Path],
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    tile: Tile | None = "auto",
    options: ReadOptions = AS_STORED,
    threshold: Sequence[float] | None = None,
) -> Models:
    """Open what ``paths`` name, all that ``fullconv predict`` takes.

    ``options`` say which bands of photos are shown to the nets and what range their values have,
    where not as in the training; ``threshold`` is that of binary and multi-label nets
    (`Predictor`). A small photo goes through each net, so that the first request finds it warm.
    Raises UserError as `Predictor` does, and for a net that sees more than a photo (depth, ...).
    """
    models: list[Model] = []
    for path in map(Path, paths):
        predictor = Predictor(
            path, device, precision, engine, tile, bands=options.bands, range=options.range,
            threshold=threshold,
        )  # fmt: skip
        other_inputs = [kind for kind in predictor.inputs if not is_of_photo(kind)]
        if other_inputs:
            message = f"{path}: needs {', '.join(other_inputs)} too, and the service takes photos"
            raise UserError(message, "FC-SERVE-022")
        models.append(Model(_name(path, {model.name for model in models}), predictor))
        _warm(models[-1])
    return Models(models)


def _name(path: Path, taken: set[str]) -> str:
    """A short name that no other has: of the run's folder, or of the file."""
    place = path if path.exists() else Path(path.name)
    is_run_file = place.is_file() and place.stem == "model"
    base = place.resolve().parent.name if is_run_file else place.resolve().name
    if place.is_file() and not is_run_file:
        base = place.stem
    tries = [base, f"{base}{place.suffix}" if place.is_file() else base]
    tries += [f"{base}-{number}" for number in range(2, len(taken) + 3)]
    return next(name for name in tries if name not in taken)


def _warm(model: Model) -> None:
    try:
        model.predictor(np.zeros((*WARMING, model.predictor.spec.in_channels), np.uint8))
    except UserError:  # an exported net may take one size only, and says so to who sends another
        return
