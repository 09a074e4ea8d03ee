"""The sections of a config: keys, defaults, and what each key may be."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from fullconv.checkpoints.pretrained import AUTO, IMAGENET, NONE
from fullconv.classes import THRESHOLD
from fullconv.data import Augmentation, CacheOptions, TaskChoice
from fullconv.data.shards.cache import size_in_bytes
from fullconv.device import bytes_of
from fullconv.duration import seconds_of
from fullconv.errors import UserError
from fullconv.modalities import (
    COLOR,
    MAX_MEGAPIXELS,
    ReadOptions,
    streams_of,
    with_bands,
)
from fullconv.models import NetSpec
from fullconv.training.loggers.registry import check_names

GRID = 32  # the coarsest stride: crops that are multiples of it leave nothing over
SCALES = (0.01, 100.0)  # beyond them a photo is a pixel, or larger than any memory
LARGEST_CROP = 100_000  # pixels a side
MOST = 10**9  # of steps, photos and the like: more is a slip of the finger

Count = Annotated[int, Field(ge=1, le=MOST)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST)]


class Section(BaseModel):
    """A part of the config: frozen, and a misspelt key is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False
    )


class Data(Section):
    """What is trained on; ``split`` and ``val`` name splits of ``path`` (or `shapes`).

    ``inputs`` are what the net sees, one text for each of its streams (`fullconv.modalities`), as
    ["color", "hha"] or ["color+depth"]. ``outputs`` are the label maps that it learns jointly,
    where the data has several.

    ``bands`` and ``range`` say what the values in the photos' files mean (`ReadOptions`); where
    they are not given, the data's classes.toml or the measured values do. Photos of more than
    ``max_megapixels`` are refused.

    Of data behind a URL, what was read is kept in the folder ``cache`` up to ``cache_size``, the
    least recently used removed; "0" keeps nothing.

    ``object`` and ``photos`` are written for data handed in from Python: what it was, and how many
    photos there were to train and to validate on. ``class_names`` are written by every run: a
    resume matches the data's classes with them by name.
    """

    path: str = ""
    object: str | None = None
    photos: tuple[int, ...] = ()
    split: str = "train"
    val: str = "val"
    classes: str | None = None
    class_names: tuple[str, ...] = ()
    inputs: tuple[str, ...] = (COLOR,)
    outputs: tuple[str, ...] = ()
    workers: Annotated[int | None, Field(ge=0, le=1024)] = None
    check: bool = True
    cache: str | None = None
    cache_size: str = "20GB"
    bands: tuple[int, ...] | None = None
    range: tuple[float, ...] | None = None
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def read_options(self) -> ReadOptions:
        """How photos are read."""
        return ReadOptions(self.bands, self.range, max_megapixels=self.max_megapixels)

    @property
    def cache_options(self) -> CacheOptions:
        """Where what comes over a network is kept."""
        folder = None if self.cache is None else Path(self.cache)
        return CacheOptions(folder, size_in_bytes(self.cache_size, "data.cache_size"))

    @field_validator("cache_size")
    @classmethod
    def _a_size(cls, size: str) -> str:
        try:
            size_in_bytes(size, "data.cache_size")
        except UserError as error:
            raise ValueError(str(error)) from error
        return size

    @model_validator(mode="before")
    @classmethod
    def _of_bands(cls, values: Any) -> Any:
        """The inputs of photos with other bands than a color photo has."""
        if not isinstance(values, dict) or not values.get("bands"):
            return values
        try:
            inputs = with_bands(values.get("inputs", (COLOR,)), values["bands"])
        except (UserError, TypeError, AttributeError):
            return values  # which the validation of the fields tells
        return {**values, "inputs": inputs}

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            self.read_options  # noqa: B018
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    @field_validator("inputs")
    @classmethod
    def _known(cls, inputs: tuple[str, ...]) -> tuple[str, ...]:
        try:
            streams_of(inputs)
        except UserError as error:
            raise ValueError(str(error)) from error
        return inputs


class Net(Section):
    """The net, and what it starts from.

    ``weights`` is a file, a run folder or a name; or several, one for each stream. `imagenet` are
    those of ImageNet that belong to the backbone, `none` starts at random, and `auto` takes the
    backbone's where they are on this machine: a run's config keeps the name of those it took.
    ``freeze_batch_norm`` keeps the statistics of the backbone's batch norms as they were loaded:
    right for batches too small to estimate them, and quicker; 'auto' where any were loaded.
    """

    name: str = "fcn8s-resnet18"
    padding: Literal["same", "paper"] = "same"
    width: Annotated[float, Field(gt=0, le=8)] = 1.0
    dropout: Annotated[float | None, Field(ge=0, lt=1)] = None
    learn_upsampling: bool = False
    weights: Literal["auto", "imagenet", "none"] | str | tuple[str, ...] = AUTO
    freeze_backbone: bool = False
    freeze_batch_norm: bool | Literal["auto"] = False

    @property
    def sources(self) -> tuple[str, ...]:
        """What is loaded before the first step; empty for a start at random."""
        if self.weights in (AUTO, NONE):  # auto is settled before, but in runs of older versions
            return ()
        return (self.weights,) if isinstance(self.weights, str) else self.weights

    @field_validator("weights", mode="before")
    @classmethod
    def _words(cls, weights: Any) -> Any:
        """None as `none`; the words in any case of letters."""
        if weights is None:
            return NONE
        words = isinstance(weights, str) and weights.lower() in (AUTO, IMAGENET, NONE)
        return weights.lower() if words else weights

    @field_validator("weights")
    @classmethod
    def _of_streams(cls, weights: Any) -> Any:
        alone = {AUTO, NONE} & set(weights) if isinstance(weights, tuple) else ()
        if alone:
            raise ValueError(
                f"{min(alone)!r} cannot be one of several: name weights for each stream"
            )
        return weights

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            NetSpec(name, 2)
        except UserError as error:
            raise ValueError(str(error)) from error
        return name


class Schedule(Section):
    """How long, and how often to look: ``epochs`` are passes through the data, ``steps`` updates.

    Where neither is given nor a ``time``, as 15m or 1h, in which the run should end on this
    machine, the epochs follow from the number of photos (`training.config.data_defaults`). One step
    takes ``batch_size`` x ``accumulate`` photos. ``validate_every`` 0 is ten times a run;
    ``patience`` ends the run after so many validations without a better score.
    ``half_size`` is the share of the steps, from the first, that see photos and crops at half their
    size: two to four times as many photos in the same time (progressive resizing).
    """

    steps: Count | None = None
    epochs: Annotated[float | None, Field(gt=0, le=1e6)] = None
    time: str | None = None
    half_size: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_size: Count = 8
    accumulate: Count = 1
    validate_every: CountFromZero = 0
    log_every: Count = 20
    save_minutes: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    patience: Count | None = None

    @field_validator("time")
    @classmethod
    def _readable(cls, time: str | None) -> str | None:
        try:
            seconds_of(time or "1h")
        except UserError as error:
            raise ValueError(str(error)) from error
        return time

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if sum(length is not None for length in (self.steps, self.epochs, self.time)) > 1:
            raise ValueError("give only one of steps, epochs and time")
        return self

    def photos_per_step(self, processes: int = 1) -> int:
        """Photos in one update, over all processes."""
        return self.batch_size * self.accumulate * processes

    def steps_for(self, photos: int, processes: int = 1) -> int:
        """Steps of the whole run; ``epochs`` or ``steps`` are settled by then."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * photos / self.photos_per_step(processes)))

    def half_size_steps(self, steps: int) -> int:
        """How many of the ``steps``, from the first, see photos of half the size."""
        return round(self.half_size * steps)


class Optimizer(Section):
    """The update. Biases learn at ``lr`` x ``bias_lr``; biases and norms never decay.

    The backbone learns at ``backbone_lr`` times ``lr``; 'auto' is 0.3 where weights were loaded
    for it, else 1. ``warmup`` is the share of the run in which the learning rate rises, ``ema`` the
    time constant, as a share of the run, with which the weights are averaged; both within limits
    (`training.optimizer`).
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    bias_lr: Annotated[float, Field(gt=0)] = 1.0
    backbone_lr: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = 1.0
    lr_schedule: Literal["fixed", "poly", "cosine"] = "poly"
    power: Annotated[float, Field(gt=0)] = 0.9
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip: Annotated[float | None, Field(gt=0)] = None
    ema: Annotated[float | None, Field(gt=0, lt=1)] = None


_AugmentationKeys: Any = create_model(  # Any: what it is made of is known at run time only
    "_AugmentationKeys",
    __base__=Section,
    **{key.name: (key.type, key.default) for key in fields(Augmentation)},  # pyright: ignore
)


class Augment(_AugmentationKeys):
    """Random changes of the training photos: the keys are those of `fullconv.data.Augmentation`.

    The crop 'auto' follows from the size of the photos (`training.config.data_defaults`).
    ``callable`` names the augmentation that was handed in from Python in place of all of these; the
    crop is then the size of what it made of the first photo.
    """

    callable: str | None = None
    crop: tuple[int, int] | Literal["auto"] | None = None

    @field_validator("scale")
    @classmethod
    def _of_photos(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not SCALES[0] <= min(scale) <= max(scale) <= SCALES[1]:
            raise ValueError(f"scales lie between {SCALES[0]:g} and {SCALES[1]:g}")
        return scale

    @field_validator("crop")
    @classmethod
    def _of_pixels(cls, crop: Any) -> Any:
        if isinstance(crop, tuple) and not 1 <= min(crop) <= max(crop) <= LARGEST_CROP:
            raise ValueError(f"a crop has two sizes of 1 to {LARGEST_CROP}, height and width")
        return crop

    @model_validator(mode="after")
    def _usable(self) -> Self:
        self.build()
        return self

    def build(self) -> Augmentation:
        """The augmentation of these values; its crop must be settled before it is used."""
        values = self.model_dump(exclude={"callable"})
        if values["crop"] == "auto":  # any: what else is given must go with a crop
            values["crop"] = (GRID, GRID)
        try:
            return Augmentation(**values)
        except UserError as error:
            raise ValueError(str(error)) from error


class Logging(Section):
    """Where the metrics of a run go beside log.csv: `to` names loggers (`training.loggers`)."""

    to: tuple[str, ...] = ()

    @field_validator("to", mode="before")
    @classmethod
    def _listed(cls, to: Any) -> Any:
        """One text with commas as several names."""
        return (
            [name.strip() for name in to.split(",") if name.strip()] if isinstance(to, str) else to
        )

    @field_validator("to")
    @classmethod
    def _known(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        try:
            check_names(to)
        except UserError as error:
            raise ValueError(str(error)) from error
        return to


class Task(Section):
    """What the net decides at each pixel: `kind` 'auto' is what the masks say (docs/tasks.md).

    'semantic' is one class of several, 'binary' whether the one class is there, 'multilabel' that
    for each of several classes, which may overlap. ``foreground`` names the classes for these two,
    where not all are meant. A class is there from its ``threshold`` on: one number, or one each.
    """

    kind: Literal["auto", "semantic", "binary", "multilabel"] = "auto"
    foreground: tuple[str, ...] = ()
    threshold: Threshold | tuple[Threshold, ...] = THRESHOLD

    @field_validator("foreground", mode="before")
    @classmethod
    def _listed(cls, names: Any) -> Any:
        """One text with commas as several names."""
        if isinstance(names, str):
            return [name.strip() for name in names.split(",") if name.strip()]
        return names

    @property
    def choice(self) -> TaskChoice:
        """As the data layer takes it."""
        return TaskChoice(self.kind, self.foreground, self.threshold)


class Compute(Section):
    """Where and how it computes. ``devices`` and ``nodes`` go to Lightning Fabric.

    The precision ``auto`` is bf16 where the machine computes in it, else fp32; a run's config keeps
    the one that was chosen. ``memory``, as 4GB, is what a device may use:
    ``activation_checkpointing``, and ``schedule`` with the same photos in a step, are then chosen
    so that it suffices (`training.memory.memory_budget`). ``activation_checkpointing`` is how many
    segments of the backbone, from the first, save no activations and are computed again in the
    backward pass (`models.backbones.backbone`). ``cpu_kernels`` ``auto`` lets them train with
    other kernels than torch's where those are faster: equal to rounding
    (`models.cpu_kernels.convolutions`). ``sync_batch_norm`` lets batch norm take the photos of all
    processes together; ``auto`` where each has fewer than 8 (`training.parallel.sync_batch_norm`).
    """

    device: str = "auto"
    devices: Count = 1
    nodes: Count = 1
    sync_batch_norm: bool | Literal["auto"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    memory: str | None = None
    activation_checkpointing: CountFromZero = 0
    cpu_kernels: Literal["auto", "torch"] = "auto"

    @field_validator("memory")
    @classmethod
    def _size(cls, memory: str | None) -> str | None:
        try:
            bytes_of(memory or "1GB")
        except UserError as error:
            raise ValueError(str(error)) from error
        return memory
