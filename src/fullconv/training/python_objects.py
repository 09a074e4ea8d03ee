"""The objects from Python that no config can hold: data, augmentation, loggers, losses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullconv.data import (
    Dataset,
    DatasetSource,
    Source,
    Transform,
    as_source,
    in_order_of,
    kinds_shown,
    loader,
    outputs_of,
)
from fullconv.errors import UserError
from fullconv.modalities import AS_STORED, COLOR, channels_of, is_of_photo, kinds_of
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Augment
from fullconv.training.loggers import Logger
from fullconv.training.losses import Loss, Term, WeightedLoss, terms_of
from fullconv.training.run.console import Screen


@dataclass(frozen=True, eq=False)
class PythonObjects:
    """The objects of one call of ``train``; None and empty where the config says it all."""

    data: Source | None = None
    val: Source | None = None
    augment: Transform | None = None
    loggers: tuple[Logger, ...] = ()
    terms: tuple[Term, ...] = ()
    """The terms of the loss, for the config."""
    losses: Mapping[str, Loss] = field(default_factory=dict)
    """The losses from Python, by name."""

    @classmethod
    def of(
        cls,
        data: Dataset | Source | str | Path | None,
        val: Dataset | Source | None,
        augment: Transform | None,
        loggers: Sequence[Logger],
        loss: WeightedLoss | Sequence[WeightedLoss] | None = None,
    ) -> "PythonObjects":
        """The objects of a caller; UserError for a wrong data set or a wrong combination."""
        is_object = data is not None and not isinstance(data, str | Path)
        if val is not None and not is_object:
            raise UserError(
                "val= is for a data set object; for a path, data.val names the split",
                "FC-TRAIN-010",
            )
        if isinstance(val, str | Path):
            raise UserError(
                f"val={str(val)!r}: with a data set object, val is another one, or None",
                "FC-TRAIN-010",
            )
        if augment is not None and not callable(augment):
            raise UserError(
                f"augment= is a callable of (sample, generator), not {augment!r}", "FC-TRAIN-010"
            )
        source = as_source(data, "train") if is_object else None  # pyright: ignore[reportArgumentType]
        held_out = None if val is None else as_source(val, "val")
        for name, part in (("the data set", source), ("val", held_out)):
            if part is not None and len(part) == 0:
                raise UserError(f"{name} has no photos", "FC-TRAIN-010")
        if source and held_out:
            which = ("the data set", "val")
            held_out = in_order_of(held_out, source.classes.names, which)
        terms, losses = ((), {}) if loss is None else terms_of(loss)
        return cls(source, held_out, augment, tuple(loggers), terms, losses)

    @property
    def photos(self) -> tuple[int, ...]:
        """How many there are to train and to validate on."""
        return tuple(len(source) for source in (self.data, self.val) if source is not None)

    def recorded(self, config: Config, screen: Screen) -> Config:
        """The config with what can be written of the objects, checked against what it says."""
        return self._recorded_augment(self._recorded_data(config), screen)

    def _recorded_data(self, config: Config) -> Config:
        data = config.data
        if self.data is None:
            if data.object and not data.path:
                raise UserError(
                    f"data.object: {data.object} was handed in from Python; hand it in again, "
                    "fullconv.train(dataset, val=...), or name a data set on the disk",
                    "FC-TRAIN-011",
                )
            if data.object is None:
                return config
            return config.model_copy(
                update={"data": data.model_copy(update={"object": None, "photos": ()})}
            )
        if data.classes is not None or data.outputs:
            raise UserError(
                "data.classes and data.outputs are for data on the disk: leave them out",
                "FC-TRAIN-010",
            )
        record: dict[str, Any] = {}
        if data.inputs == (COLOR,):
            record = _reading_of(self.data)
        elif kinds_of(data.inputs) != kinds_shown(self.data):
            shown = ", ".join(kinds_shown(self.data))
            raise UserError(
                f"data.inputs: the data set shows {shown}, not {', '.join(data.inputs)}",
                "FC-TRAIN-010",
            )
        record |= {"path": "", "object": name_of(self.data), "photos": self.photos}
        return config.model_copy(update={"data": data.model_copy(update=record)})

    def _recorded_augment(self, config: Config, screen: Screen) -> Config:
        if self.augment is None:
            if config.augment.callable:
                raise UserError(
                    f"augment.callable: {config.augment.callable} was handed in from Python; hand "
                    "it in again, fullconv.train(..., augment=...)",
                    "FC-TRAIN-011",
                )
            return config
        name = name_of(self.augment)
        screen.say(f"augmentation: {name}, in place of all of augment.* and of schedule.half_size")
        schedule = config.schedule.model_copy(update={"half_size": 0.0})
        return config.model_copy(update={"augment": Augment(callable=name), "schedule": schedule})

    def sized(self, config: Config, source: Source) -> Config:
        """The config with the size of the first augmented photo as its crop."""
        if self.augment is None:
            return config
        first = next(loader(source, batch_size=1, augmentation=self.augment, stop_step=1))
        crop = first.images.shape[1], first.images.shape[2]
        return config.model_copy(
            update={"augment": config.augment.model_copy(update={"crop": crop})}
        )

    def check_resumed(self, saved: Config, out: Path, moved: bool) -> None:
        """UserError unless the run in ``out`` was trained on these; ``moved``: a path is given."""
        dataset, again = saved.data.object, f"out={str(out)!r}, resume=True"
        if dataset and (self.data is None or moved):
            raise UserError(
                f"{out}: was trained on {dataset}, handed in from Python: "
                f"fullconv.train(dataset, val=..., {again}) resumes it",
                "FC-TRAIN-011",
            )
        if self.data is not None and not dataset:
            raise UserError(
                f"{out}: was trained on {saved.data.path}: leave the data set out", "FC-TRAIN-011"
            )
        if self.data is not None and self.photos != saved.data.photos:
            before = " and ".join(map(str, saved.data.photos))
            now = " and ".join(map(str, self.photos))
            raise UserError(
                f"{out}: was trained on {before} photos (train and val), not on {now}: their "
                "order would differ; hand in the same data, or start a new run",
                "FC-TRAIN-011",
            )
        if (self.augment is None) != (saved.augment.callable is None):
            raise UserError(
                f"{out}: was trained with the augmentation {saved.augment.callable}, handed in "
                f"from Python: fullconv.train(..., augment=..., {again}) resumes it"
                if self.augment is None
                else f"{out}: was trained with the built-in augmentation: leave augment= out",
                "FC-TRAIN-011",
            )


NO_OBJECTS = PythonObjects()
"""The objects of a training that its config describes completely."""


def _reading_of(data: Source) -> dict[str, Any]:
    """The keys of the config that describe the inputs of the net and how files of them are read.

    Images of N channels from a Dataset object: bands 1 to N, one stream.
    """
    options = getattr(outputs_of(data)[0], "options", AS_STORED)
    kinds, bands = kinds_shown(data), options.bands
    if all(map(is_of_photo, kinds)) and (count := channels_of(kinds)) != options.channels:
        bands = tuple(range(1, count + 1))
    inputs = kinds if len(kinds) == 1 else ("+".join(kinds),)
    return {"inputs": inputs, "bands": bands, "range": options.range}


def name_of(obj: Source | Callable[..., Any]) -> str:
    """The module and name of a function, or of an object's class."""
    obj = obj.dataset if isinstance(obj, DatasetSource) else obj  # pyright: ignore
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    return f"{named.__module__}.{named.__qualname__}"  # pyright: ignore[reportAttributeAccessIssue]
