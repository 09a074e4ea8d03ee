"""The sections of a config: keys, plain defaults, and the values that each key can have.

A recipe overrides the plain defaults: ``fullconv train`` without ``--recipe`` takes the learning
rate, batch size and so on of ``recipes/default.toml``.
"""

import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

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
MOST = 10**9  # of steps, photos and the like: more is a typing error
LOADED_LR = 1.4e-3  # the learning rate 'auto' where weights were loaded

Count = Annotated[int, Field(ge=1, le=MOST)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
CountFromZero = Annotated[int, Field(ge=0, le=MOST)]


class Section(BaseModel):
    """A part of the config: frozen, and a misspelt key is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False
    )


class Data(Section):
    """The training data; ``split`` and ``val`` name splits of ``path`` (or `shapes`).

    ``inputs`` are the inputs of the net, one text for each of its streams (`fullconv.modalities`),
    as ["color", "hha"] or ["color+depth"]. ``outputs`` are the label maps to learn jointly, where
    the data has several.

    ``bands`` and ``range`` say what the values in the photos' files mean (`ReadOptions`); without
    them the data's classes.toml or the measured values decide. Photos of more than
    ``max_megapixels`` are refused.

    Samples of shards behind a URL are cached in the folder ``cache`` up to ``cache_size``; the
    least recently used are removed, and "0" caches nothing. A plain folder behind a URL is copied
    there, if it is not larger.

    ``object`` is the type of data handed in from Python. Every run writes ``photos``, the number of
    training and validation photos, ``photos_digest``, a checksum of their names, and
    ``class_names``: a resume refuses other photos, and matches the data's classes by name.
    """

    path: str = ""
    object: str | None = None
    photos: tuple[int, ...] = ()
    photos_digest: str = ""
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
        """The cache for samples that come over a network."""
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
    """The net, and its initial weights.

    ``weights`` is a file, a run folder or a name; or several, one for each stream. `imagenet` are
    the backbone's ImageNet weights, `none` random ones, and `auto` the backbone's weights where
    they are on this machine: the config of a run keeps their name.
    ``freeze_batch_norm`` keeps the statistics of the backbone's batch norms as they were loaded:
    right for batches too small to estimate them, and quicker; 'auto': if weights were loaded.
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
        """The weights to load before the first step; empty for random ones."""
        if self.weights in (AUTO, NONE):  # auto is resolved before, but in runs of older versions
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
    """Length, batch size, validations: ``epochs`` are passes through the data, ``steps`` updates.

    ``time``, as 15m or 1h, is how long the run should take on this machine. Without any of the
    three the epochs follow from the number of photos (`training.config.data_defaults`). One step
    takes ``batch_size`` x ``accumulate`` photos. ``validate_every`` 0 is ten times per run;
    ``patience`` ends the run after so many validations without a better score.
    ``half_size`` is the share of the steps, from the first, with photos and crops at half size: two
    to four times as many photos in the same time (progressive resizing).
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
    """The optimizer. Biases and norms have the learning rate ``lr`` x ``bias_lr``, and no decay.

    ``lr`` 'auto' is 1.4e-3 if weights were loaded, and higher for batch-normalised nets that start
    from random ones (`training.config.resolve_config`). The learning rate of the backbone is
    ``backbone_lr`` x ``lr``; 'auto' is 0.3 if weights were loaded for it, else 1. ``warmup`` is the
    share of the run in which the learning rate rises, ``ema`` the time constant of the average of
    the weights, as a share of the run; both within limits (`training.optimizer`).
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: Annotated[float, Field(gt=0)] | Literal["auto"] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    bias_lr: Annotated[float, Field(gt=0)] = 1.0
    backbone_lr: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = 1.0
    lr_schedule: Literal["fixed", "poly", "cosine"] = "poly"
    power: Annotated[float, Field(gt=0)] = 0.9
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip: Annotated[float | None, Field(gt=0)] = None
    ema: Annotated[float | None, Field(gt=0, lt=1)] = None

    @property
    def full_lr(self) -> float:
        """The learning rate after the warm-up; that of loaded weights while ``lr`` is 'auto'."""
        return LOADED_LR if self.lr == "auto" else self.lr


if TYPE_CHECKING:

    class _AugmentationKeys(Section):
        def __getattr__(self, name: str) -> Any: ...

else:
    _AugmentationKeys = create_model(
        "_AugmentationKeys",
        __base__=Section,
        **{key.name: (key.type, key.default) for key in fields(Augmentation)},
    )


class Augment(_AugmentationKeys):
    """The augmentation of training photos: the keys are those of `fullconv.data.Augmentation`.

    The crop 'auto' follows from the size of the photos (`training.config.data_defaults`).
    ``scale_until`` is the share of the steps, from the first, in which photos are scaled at random;
    in the last ones they have their own size, as they will have in prediction. 'auto' follows from
    the length of the run.
    ``callable`` names the augmentation that was handed in from Python in place of all of these; the
    crop is then the size of its first result.
    """

    callable: str | None = None
    crop: tuple[int, int] | Literal["auto"] | None = None
    scale_until: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = 1.0

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

    def scaled_steps(self, steps: int) -> int:
        """How many of the ``steps``, from the first, see photos scaled at random.

        'auto' must be resolved before.
        """
        assert self.scale_until != "auto"
        return round(self.scale_until * steps)

    def build(self) -> Augmentation:
        """The augmentation with these values; a crop 'auto' must be resolved before its use."""
        values = self.model_dump(exclude={"callable", "scale_until"})
        if values["crop"] == "auto":  # any: what else is given must go with a crop
            values["crop"] = (GRID, GRID)
        try:
            return Augmentation(**values)
        except UserError as error:
            raise ValueError(str(error)) from error


class Logging(Section):
    """The loggers of a run beside log.csv: `to` names them (`training.loggers`)."""

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
    """The task: one class per pixel or masks that may overlap (docs/tasks.md).

    'semantic' is one class per pixel, 'binary' one class against the rest, 'multilabel' a mask for
    each class; 'auto' follows from the masks. ``foreground`` names the classes of the last two, if
    not all. A pixel has a class from the probability ``threshold`` on: one number, or one each.
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
    """Device, precision and memory. ``devices`` and ``nodes`` go to Lightning Fabric.

    The precision ``auto`` is bf16 where the hardware computes in it, else fp32; a run's config
    keeps the one that was chosen. ``memory``, as 4GB, is the memory budget of a device:
    ``activation_checkpointing``, and ``schedule`` with the same photos in a step, are then chosen
    to fit it (`training.memory.memory_budget`). ``activation_checkpointing`` is how many
    segments of the backbone, from the first, save no activations and are computed again in the
    backward pass (`models.backbones.backbone`). ``cpu_kernels`` ``auto`` takes the project's own
    kernels for convolutions where they are faster than torch's: equal to rounding
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
