"""A net explained for an image size: a table of layers, the crops, the costs, the warnings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from html import escape

from fullconv.geometry import (
    Deconv,
    GeometryError,
    Map,
    Window,
    chain,
    crop,
    minimal_pad,
    place,
    receptive_field,
    size_after,
)
from fullconv.metrics.display import html_table
from fullconv.models.analysis.cost import Cost, costs, meta_net, total
from fullconv.models.backbones.definition import PAPER_PAD, Definition, Padding
from fullconv.models.fcn import placements_of, tile_geometry
from fullconv.models.spec import NetSpec


@dataclass(frozen=True)
class Row:
    """One step: its output's size, what one of its pixels sees, where the first one lies.

    ``field`` is None for a global receptive field.
    """

    name: str
    height: int
    width: int
    channels: int
    stride: int
    field: int | None
    offset: Fraction
    bytes: int
    multiply_adds: int


@dataclass(frozen=True)
class Crop:
    """One deconvolution of the reference form, and the crop that then aligns ``cropped``."""

    deconv: Deconv
    cropped: str
    pixels: int


@dataclass(frozen=True)
class Explanation:
    """All that `fullconv explain` prints. ``cost_ratio`` is paper's multiply-adds by same's.

    It and ``least_pad`` are None for a net that has no padding `paper`.
    """

    spec: NetSpec
    size: tuple[int, int]
    rows: list[Row]
    score_map: Map
    score_size: tuple[int, int]
    crops: list[Crop]
    fuses_on_the_way: bool
    cost: Cost
    cost_ratio: float | None
    least_pad: int | None
    warnings: list[str]

    def _repr_html_(self) -> str:
        rows = [
            [row.name, f"{row.height} x {row.width}", str(row.channels), str(row.stride),
             "all" if row.field is None else str(row.field), f"{row.multiply_adds / 1e6:,.0f}"]
            for row in self.rows
        ]  # fmt: skip
        head = ["layer", "size", "channels", "stride", "receptive field", "million multiply-adds"]
        height, width = self.size
        caption = f"{self.spec.name} on {height} x {width}, padding {self.spec.padding}"
        crops = [f"crop of {crop.cropped}: {crop.pixels} pixels" for crop in self.crops]
        notes = "".join(f"<li>{escape(text)}</li>" for text in (*crops, *self.warnings))
        return html_table(head, rows, caption) + (f"<ul>{notes}</ul>" if notes else "")


def explain(spec: NetSpec, size: tuple[int, int]) -> Explanation:
    """Explain ``spec`` for an image of ``size`` (H, W).

    GeometryError (a UserError) when a layer has no room at that size.
    """
    definition = spec.definition
    windows = definition.windows()
    scored = definition.windows(spec.strides[0])
    score_size = (size_after(scored, size[0]), size_after(scored, size[1]))
    by_module = costs(meta_net(spec), *size)
    cost_ratio, least_pad = (None, None) if not definition.steps else _of_paper(spec, size)
    return Explanation(
        spec=spec,
        size=size,
        rows=_rows(spec, definition, size, by_module),
        score_map=definition.map(spec.strides[0]),
        score_size=score_size,
        crops=crops(spec),
        fuses_on_the_way=placements_of(spec)[0],
        cost=total(by_module),
        cost_ratio=cost_ratio,
        least_pad=least_pad,
        warnings=_warnings(spec, windows, size),
    )


def _of_paper(spec: NetSpec, size: tuple[int, int]) -> tuple[float, int]:
    """The cost of padding `paper` as a multiple of `same`, and the least pad that would do."""
    ratio = _multiply_adds(spec, "paper", size) / _multiply_adds(spec, "same", size)
    return ratio, minimal_pad(replace(spec, padding="none").definition.windows())


def _multiply_adds(spec: NetSpec, padding: Padding, size: tuple[int, int]) -> int:
    return total(costs(meta_net(replace(spec, padding=padding)), *size)).multiply_adds


def _rows(
    spec: NetSpec, definition: Definition, size: tuple[int, int], by_module: dict[str, Cost]
) -> list[Row]:
    rows: list[Row] = []
    seen: list[Window] = []
    channels = spec.in_channels
    for step in definition.steps:
        seen.extend(step.windows())
        channels = step.out_channels(channels)
        if not step.windows():
            continue
        cost, position = total(by_module, f"backbone.{step.name}"), chain(seen)
        rows.append(
            Row(
                name=step.name,
                height=size_after(seen, size[0]),
                width=size_after(seen, size[1]),
                channels=channels,
                stride=int(position.scale),
                field=receptive_field(seen),
                offset=position.offset,
                bytes=cost.activation_bytes,
                multiply_adds=cost.multiply_adds,
            )
        )
    if not definition.steps:
        rows = list(_tap_rows(spec, definition, size, by_module))
    return [*rows, *_pyramid_rows(spec, definition, size, by_module)]


def _tap_rows(
    spec: NetSpec, definition: Definition, size: tuple[int, int], by_module: dict[str, Cost]
) -> Iterator[Row]:
    """Of a backbone that is not described step by step the maps that are used, finest first.

    Each counts what runs from the finer map to it.
    """
    channels, names = meta_net(spec).backbone.channels, list(by_module)
    names = [name for name in names if name.startswith("backbone.")]
    for stride in sorted(spec.tapped):
        windows = definition.windows(stride)
        end = _last(names, definition.taps[stride]) if stride < definition.coarsest else len(names)
        layers, names = names[:end], names[end:]
        yield Row(
            name=definition.taps[stride],
            height=size_after(windows, size[0]),
            width=size_after(windows, size[1]),
            channels=channels[stride],
            stride=stride,
            field=None if definition.has_global_field(stride) else receptive_field(windows),
            offset=definition.map(stride).offset,
            bytes=sum(by_module[name].activation_bytes for name in layers),
            multiply_adds=sum(by_module[name].multiply_adds for name in layers),
        )


def _last(names: list[str], module: str) -> int:
    """How many of the layers, in the order of running, are run when ``module`` has been."""
    flat = [name.replace(".", "_") for name in names]
    part = re.compile(rf"backbone_(\d+_)?net_{module.replace('.', '_')}(_|$)")
    return max((n for n, name in enumerate(flat, 1) if part.match(name)), default=0)


def _pyramid_rows(
    spec: NetSpec, definition: Definition, size: tuple[int, int], by_module: dict[str, Cost]
) -> Iterator[Row]:
    """The maps of a pyramid: each has the receptive field of the coarser one and a little more."""
    geometry = tile_geometry(spec)
    has_global_field = geometry.has_global_field
    for number, stride in enumerate(spec.tapped if spec.is_pyramid else (), 1):
        windows, position = definition.windows(stride), definition.map(stride)
        parts = [f"lateral.{stride}", f"narrow.{2 * stride}", f"blend.{stride}"]
        layers = [total(by_module, f"pyramid.{part}") for part in parts]
        yield Row(
            name=f"pyramid_{stride}",
            height=size_after(windows, size[0]),
            width=size_after(windows, size[1]),
            channels=spec.pyramid_channels[stride],
            stride=stride,
            field=None
            if has_global_field
            else replace(geometry, scored=geometry.scored[:number]).field,
            offset=position.offset,
            bytes=sum(layer.activation_bytes for layer in layers),
            multiply_adds=sum(layer.multiply_adds for layer in layers),
        )


def crops(spec: NetSpec) -> list[Crop]:
    """The deconvolutions and crops of the reference form (Caffe: pad 0, then a Crop layer).

    A skip's score is cropped to the upsampled coarser one; the last upsampling is cropped to the
    image. In `same` padding the same algebra gives the crop that a deconvolution of kernel 2f
    (or 2f - 1) and pad 0 would need: f / 2 of it is the pad of the usual kernel 64, stride 32.
    """
    definition = spec.definition
    here = definition.map(spec.strides[0])
    crops: list[Crop] = []
    if spec.is_deconv:
        crops, here = _crops_at_finest(spec), definition.map(spec.strides[-1])
    for stride in () if spec.is_deconv else spec.strides[1:]:
        skip = definition.map(stride)
        deconv = place(here, skip).deconv(f"upscore{here.scale // skip.scale}")
        here = here.then(deconv.map())
        crops.append(Crop(deconv, f"score_{definition.taps[stride]}", crop(skip, here)))
    deconv = place(here, Map()).deconv(f"upscore{here.scale}")
    crops.append(Crop(deconv, "score", crop(here.then(deconv.map()), Map())))
    return crops


def _crops_at_finest(spec: NetSpec) -> list[Crop]:
    """The crops of the coarser scores, each of which is upsampled to the finest at once."""
    definition = spec.definition
    *coarser, finest = spec.strides
    fine, name = definition.map(finest), f"score_{definition.taps[finest]}"
    crops: list[Crop] = []
    for stride in coarser:
        coarse = definition.map(stride)
        deconv = place(coarse, fine).deconv(f"upscore{stride // finest}")
        crops.append(Crop(deconv, name, crop(coarse.then(deconv.map()), fine)))
    return crops


def _warnings(spec: NetSpec, windows: list[Window], size: tuple[int, int]) -> list[str]:
    warnings: list[str] = []
    coarsest = (size_after(windows, size[0]), size_after(windows, size[1]))
    if max(coarsest) == 1:
        warnings.append(
            "the coarsest map is 1x1: one pixel for the whole image, so nothing can be "
            "localised by it; use a larger image" + _unless_same(spec)
        )
    elif min(coarsest) <= 2:
        warnings.append(f"the coarsest map is only {coarsest[0]}x{coarsest[1]}")
    field = tile_geometry(spec).field
    if tile_geometry(spec).has_global_field:
        warnings.append(
            "its scores depend on all of the photo: cut into tiles it is an approximation"
        )
    elif min(size) < field / 2:
        warnings.append(
            f"the receptive field ({field}) is over twice the image's shorter side ({min(size)}): "
            "most of what a score sees is padding"
        )
    if spec.padding == "none":
        warnings.append(
            "padding 'none' leaves the border of the image without scores of its own; the original "
            f"pads {PAPER_PAD} at the first layer for this, fullconv trains with 'same'"
        )
    return warnings


def _unless_same(spec: NetSpec) -> str:
    """The other way out, where there is one."""
    return "" if spec.padding == "same" else " or padding 'same', which pads fc6"


__all__ = ["Crop", "Explanation", "GeometryError", "Row", "crops", "explain"]
