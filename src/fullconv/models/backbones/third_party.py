"""Any backbone of timm (PyTorch Image Models): named `timm.NAME`, its geometry traced.

timm builds the net and gives its feature maps; where these lie, and how far they look, follows from
its operations (`models.tracing.trace`). An image is filled with zeros behind, in the net's own
input, up to
a multiple of the coarsest stride: so a net whose padding depends on the size (TensorFlow's SAME),
or that takes whole patches or windows only, has one geometry for all sizes.

timm is imported only where such a net is named.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fullconv.errors import UserError, did_you_mean
from fullconv.geometry import Filled, GeometryError, Map, Window
from fullconv.models.backbones.backbone import Backbone, Segment
from fullconv.models.backbones.definition import PREFIX, Definition, MissingPackage, Padding
from fullconv.models.preprocessing import TORCH, Preprocessing
from fullconv.models.tracing.trace import traced
from fullconv.models.tracing.trails import Axis, Trail

# What a net needs to be told so that it takes images of any size; families have words of their own.
ANY_SIZE = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
TRACED = 8, 10
"""Rows and columns of the coarsest map while the geometry is traced; unequal, to be told apart."""

FAILURES = (
    RuntimeError,
    AssertionError,
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    IndexError,
)
"""The exceptions of timm for a net that it cannot build with these options."""


@dataclass(frozen=True)
class TimmDefinition(Definition):
    """A backbone of timm; ``indices`` are timm's numbers of the maps of each stride of ``taps``."""

    indices: tuple[int, ...] = ()
    normalised: bool = True
    batch_normalised: bool = True

    @property
    def is_normalised(self) -> bool:
        return self.normalised

    @property
    def has_batch_norms(self) -> bool:
        return self.batch_normalised

    @property
    def least(self) -> int:
        return self.fill.least

    def padded(self, padding: Padding) -> "TimmDefinition":
        if padding != "same":
            raise UserError(f"{self.name} has timm's own pads: padding {padding!r} is for the "
                            "nets of the paper, use 'same'", "FC-NET-003")  # fmt: skip
        return self

    def widened(self, width: float) -> "TimmDefinition":
        if width != 1:
            raise UserError(
                f"{self.name} has timm's own channels: leave out width {width:g}", "FC-NET-003"
            )
        return self

    def with_dropout(self, rate: float) -> "TimmDefinition":
        raise UserError(
            f"{self.name} has no dropout step of its own: leave out dropout {rate:g}", "FC-NET-003"
        )

    def windows(self, stride: int | None = None) -> list[Window]:
        """One window that sees what a pixel of the tap sees, behind the rows that are filled in.

        Of a net with a global receptive field it is that of its local paths.
        """
        stride = stride or self.coarsest
        axis, lost = self.axis(stride), self._lost(stride)
        window = Window(
            self.taps[stride],
            kernel=axis.field,
            stride=stride,
            pad=int(axis.before),
            pad_after=int(axis.behind) - lost * stride,
        )
        return [self.fill, window]

    @property
    def fill(self) -> Filled:
        """The padding to whole pixels of the coarsest map, at least one."""
        least = 1 + max(self._lost(stride) * stride for stride in self.taps)
        return Filled("fill", multiple=self.coarsest, least=least)

    def map(self, stride: int | None = None) -> Map:
        return self.axis(stride).map

    def has_global_field(self, stride: int | None = None) -> bool:
        return self._trail(stride).everything

    def axis(self, stride: int | None = None) -> Axis:
        """How far a pixel of the tap looks, and where it lies; the same along rows and columns."""
        return self._trail(stride).axes[0]

    def _trail(self, stride: int | None) -> Trail:
        return trails(self.name)[stride or self.coarsest]

    def _lost(self, stride: int) -> int:
        """Pixels of a map that are missing because convolutions have no pads (Inception's)."""
        rows = sum(f.size for f in self._trail(stride).dims[2])
        return TRACED[0] * self.coarsest // stride - rows

    def build(self, in_channels: int, strides: tuple[int, ...]) -> "TimmBackbone":
        return TimmBackbone(self, in_channels, strides)

    def published(self, in_channels: int, strides: tuple[int, ...]) -> dict[str, Tensor]:
        """The arrays of timm's own weights for the net of ``build``, downloaded by timm's means.

        Raises UserError, one line, where they cannot be had.
        """
        try:
            net = create(self.name, pretrained=True, **self.options(in_channels, strides))
        except Exception as error:  # whatever a download raises, it is no error of the net
            raise UserError(
                f"the weights of {self.name} cannot be had ({_line(error)}); timm downloads them, "
                "which needs a network and the package huggingface_hub",
                "FC-WEIGHTS-019",
            ) from error
        return net.state_dict()

    def options(self, in_channels: int, strides: tuple[int, ...]) -> dict[str, Any]:
        """The options of timm's `create_model` for the maps of these strides."""
        number = dict(zip(self.taps, self.indices, strict=True))
        return {"in_chans": in_channels, "out_indices": [number[s] for s in sorted(strides)]}


class TimmBackbone(Backbone):
    """The module of a `TimmDefinition`; it is one segment, ``net``, timm's own module."""

    def __init__(
        self, definition: TimmDefinition, in_channels: int, strides: tuple[int, ...]
    ) -> None:
        nn.Module.__init__(self)
        self.fill, self.strides = definition.fill, tuple(sorted(strides))
        self.net = create(definition.name, **definition.options(in_channels, self.strides))
        self.channels = dict(zip(self.strides, self.net.feature_info.channels(), strict=True))
        self.segments: tuple[Segment, ...] = (("net",),)
        self.recomputed = 0

    def segment(self, names: tuple[str, ...], x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The whole net on N,C,H,W: its coarsest map, and all that are wanted by stride."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, self.fill.size(width) - width, 0, self.fill.size(height) - height))
        features = dict(zip(self.strides, maps_of(self.net, x), strict=True))
        return features[self.strides[-1]], features


def maps_of(net: Any, x: Tensor) -> list[Tensor]:
    """The feature maps of one of timm's nets, each N,C,h,w."""
    maps = net(x)
    if str(getattr(net, "output_fmt", "")).endswith("NHWC"):
        return [feature_map.permute(0, 3, 1, 2) for feature_map in maps]
    return list(maps)


@cache
def definition_of(name: str) -> TimmDefinition:
    """The definition of `timm.NAME`; UserError where timm is missing or has no such net."""
    timm = package()
    known = name.removeprefix(PREFIX)
    if not timm.is_model(known):
        similar = did_you_mean(known.split(".")[0], timm.list_models())
        hint = similar or "'timm.list_models()' lists all"
        raise UserError(f"timm {timm.__version__} has no net {known!r}: {hint}", "FC-NET-004")
    net = _on_meta(name)
    info = net.feature_info
    # Of several maps of one stride the last, which knows the most.
    taps = {
        int(reduction): (module, index)
        for reduction, module, index in zip(
            info.reduction(), info.module_name(), info.out_indices, strict=True
        )
    }
    kinds = {type(module).__name__.lower() for module in net.modules()}
    return TimmDefinition(
        name=name,
        steps=(),
        taps={stride: module for stride, (module, _) in taps.items()},
        preprocessing=_preprocessing(timm, known),
        source=f"timm {timm.__version__}, {known}",
        indices=tuple(index for _, index in taps.values()),
        normalised=any("norm" in kind for kind in kinds),
        batch_normalised=any("batchnorm" in kind for kind in kinds),
    )


@cache
def trails(name: str) -> dict[int, Trail]:
    """The geometry of each tap of `timm.NAME`, traced; GeometryError where it is not known."""
    definition = definition_of(name)
    net = _on_meta(definition.name, out_indices=list(definition.indices))
    side = definition.coarsest
    image = torch.empty(1, 3, *(side * count for count in TRACED), device="meta")
    try:
        in_order = traced(lambda x: maps_of(net, x), image)
    except GeometryError as error:
        raise GeometryError(f"the geometry of {definition.name} is not known: {error}") from error
    except FAILURES as error:
        raise GeometryError(
            f"{definition.name} does not take photos of any size: {_line(error)}"
        ) from error
    for stride, trail in zip(definition.taps, in_order, strict=True):
        if trail.axes[0] != trail.axes[1] or trail.axes[0].scale != stride:
            raise GeometryError(
                f"the map of stride {stride} of {definition.name} has pixels of "
                f"{trail.axes[0].scale} x {trail.axes[1].scale}"
            )
    return dict(zip(definition.taps, in_order, strict=True))


def create(name: str, **options: Any) -> Any:
    """timm's net of feature maps, told to take images of any size; UserError where there is none.

    With ``pretrained`` timm downloads its weights, from the Hugging Face Hub for most nets.
    """
    timm = package()
    failure: Exception = RuntimeError("no way to build it")
    for more in ANY_SIZE:
        try:
            with _without_random_numbers():
                return timm.create_model(
                    name.removeprefix(PREFIX), features_only=True, **options, **more
                )
        except TypeError as error:
            failure = error
        except FAILURES as error:
            raise UserError(
                f"timm gives no feature maps of {name}: {_line(error)}", "FC-NET-004"
            ) from error
    raise UserError(
        f"timm gives no feature maps of {name}: {_line(failure)}", "FC-NET-004"
    ) from failure


def package() -> ModuleType:
    """timm itself; UserError where it is not installed."""
    try:
        import timm
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision that does not fit torch
        raise MissingPackage(
            f"a net named {PREFIX}NAME needs timm, which cannot be imported ({_line(error)}): "
            "pip install 'fullconv[timm]', with a torchvision that fits torch",
            "FC-NET-005",
        ) from error
    return timm


def _on_meta(name: str, **options: Any) -> Any:
    with torch.device("meta"):
        return create(name, **options).eval()


def _preprocessing(timm: ModuleType, known: str) -> Preprocessing:
    """RGB in 0..1, less the mean, by the deviation: those that the weights were trained with."""
    config = timm.models.get_pretrained_cfg(known)
    if config is None:
        return TORCH
    return Preprocessing("RGB", 1 / 255, tuple(config.mean), tuple(config.std))


def _line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return (str(error) or type(error).__name__).splitlines()[0]


class _NoRandom(TorchFunctionMode):
    """On the meta device random numbers are not drawn: that takes minutes the first time."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _RANDOM and args and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


_RANDOM = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)


@contextmanager
def _without_random_numbers() -> Iterator[None]:
    with ExitStack() as stack:
        if torch.get_default_device().type == "meta":
            stack.enter_context(_NoRandom())
        yield
