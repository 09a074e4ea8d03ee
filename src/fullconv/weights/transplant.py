"""From a foreign file to a net of this project: which net it is, and every array accounted for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fullconv.errors import UserError
from fullconv.nets import BACKBONES, NetSpec, Preprocessing
from fullconv.nets.backbone import Padding
from fullconv.nets.cost import meta_net
from fullconv.nets.spec import AT_ONCE_SCALES, coarsest_net
from fullconv.weights.foreign import Array, ForeignFile, Lineage, Shape, Turn


@dataclass(frozen=True, eq=False)
class Transplant:
    """A foreign net in this project's terms.

    ``tensors`` by our names; ``used`` gives for each the foreign name; ``not_needed`` the foreign
    arrays without a place here, and why. ``is_classifier``: it has no score layers, so they start
    at zero.
    """

    title: str
    spec: NetSpec
    preprocessing: Preprocessing
    tensors: dict[str, Tensor]
    used: dict[str, str] = field(default_factory=dict)
    not_needed: dict[str, str] = field(default_factory=dict)
    is_classifier: bool = False


def transplant(
    file: ForeignFile,
    lineages: Iterable[Lineage],
    name: str | None = None,
    padding: Padding | None = None,
    classes: int | None = None,
    width: float = 1.0,
) -> Transplant:
    """Recognise the net in ``file`` and take its arrays over.

    ``name`` (as `fcn8s-vgg16`) asks for a net; else it is the one whose scores the file has, and
    for a classifier the 32s net. ``padding`` defaults to the one that the weights were trained
    with: the lineage's for an FCN, `same` for a classifier. ``classes`` counts a classifier's
    scores to come (21 where not given). ``width`` is `NetSpec`'s. Raises UserError when no known
    net's arrays are all there with the right shapes; it names the nearest and what is missing.
    """
    check_scales(file)
    backbone = NetSpec(name, 2).backbone if name else None
    lineage = _recognised(file, lineages, backbone, width)
    strides = {s: found for s in lineage.scores if (found := _score(file, lineage, s))}
    spec = NetSpec(
        name or _name(file, lineage, strides),
        _count(file, lineage, strides) if strides else classes or 21,
        padding=padding or (lineage.padding if strides else "same"),
        width=width,
    )
    if BACKBONES[spec.backbone].stretches and not spec.stretches:
        raise UserError(f"{file.path}: {lineage.title} was trained with padding 'same'; use that")
    return _taken(file, lineage, spec, {s: n for s, n in strides.items() if s in spec.strides})


def _recognised(
    file: ForeignFile, lineages: Iterable[Lineage], backbone: str | None, width: float
) -> Lineage:
    """The lineage whose backbone is all there; UserError naming the nearest otherwise."""
    candidates = [
        known
        for known in lineages
        if known.format == file.format and backbone in (None, known.backbone)
    ]
    if not candidates:
        raise UserError(f"{file.path}: no {backbone} is known in {file.format}'s form")
    missing = {known.title: _missing(file, known, width) for known in candidates}
    # The one with the most arrays: a ResNet-34 also has all of a ResNet-18.
    there = {known.title: len(known.origins) - len(missing[known.title]) for known in candidates}
    best = max(candidates, key=lambda known: (not missing[known.title], there[known.title]))
    lacks = missing[best.title]
    if not lacks:
        return best
    held = ", ".join(list(file.arrays)[:4]) or "nothing"
    if len(lacks) == len(best.origins):
        titles = ", ".join(known.title for known in candidates)
        raise UserError(f"{file.path}: holds none of {titles}; its arrays are {held}, ...")
    raise UserError(
        f"{file.path}: looks like {best.title}, but {len(lacks)} of {len(best.origins)} arrays do "
        f"not fit: {'; '.join(lacks[:3])}"
    )


def _missing(file: ForeignFile, lineage: Lineage, width: float) -> list[str]:
    """What of the backbone is not in the file, else what has another shape: a text for each."""
    names = [origin.name for origin in lineage.origins.values()]
    found = [f"{name} is missing" for name in names if name not in file.arrays]
    if found:
        return found
    shapes = _shapes(NetSpec(coarsest_net(lineage.backbone), 2, width=width), "backbone.")
    for ours, origin in lineage.origins.items():
        try:
            origin.turn(file.arrays[origin.name], shapes[ours])
        except ValueError as fault:
            found.append(f"{origin.name} is {fault}")
    return found


def _shapes(spec: NetSpec, prefix: str = "") -> dict[str, Shape]:
    state = meta_net(spec).state_dict()
    return {
        k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)
    }


def _score(file: ForeignFile, lineage: Lineage, stride: int) -> str | None:
    """The score layer of ``stride``, by the name it has in the file; None if there is none."""
    names = lineage.scores[stride]
    return next((n for n in names if lineage.array(n, "weight") in file.arrays), None)


def _name(file: ForeignFile, lineage: Lineage, strides: dict[int, str]) -> str:
    if not strides:
        return coarsest_net(lineage.backbone)
    finest = min(strides)
    says_so = file.at_once and finest == 8 and len(strides) > 1
    if says_so or any(array.startswith("scale_pool") for array in file.arrays):
        return f"fcn{finest}s-atonce-{lineage.backbone}"
    return f"fcn{finest}s-{lineage.backbone}"


def _count(file: ForeignFile, lineage: Lineage, strides: dict[int, str]) -> int:
    """Classes, from the length of the coarsest score's bias."""
    coarsest = strides[max(strides)]
    return int(file.arrays[lineage.array(coarsest, "bias")].size)


def _taken(
    file: ForeignFile, lineage: Lineage, spec: NetSpec, strides: dict[int, str]
) -> Transplant:
    sources = {f"backbone.{ours}": (o.name, o.turn) for ours, o in lineage.origins.items()}
    for stride, layer in strides.items():
        for kind in ("weight", "bias"):
            sources[f"score.{stride}.{kind}"] = (lineage.array(layer, kind), lineage.turn)
    shapes = _shapes(spec)
    result = Transplant(lineage.title, spec, lineage.preprocessing, {}, is_classifier=not strides)
    for ours, (theirs, turn) in sources.items():
        result.tensors[ours] = _turned(file, theirs, turn, shapes[ours])
        result.used[ours] = theirs
    used = set(result.used.values())
    result.not_needed.update(file.left_out)
    for theirs in file.arrays:
        if theirs not in used:
            result.not_needed[theirs] = _why(file.arrays[theirs], theirs, lineage, spec)
    return result


def _turned(file: ForeignFile, theirs: str, turn: Turn, shape: Shape) -> Tensor:
    if theirs not in file.arrays:
        raise UserError(f"{file.path}: {theirs} is missing; the file is not whole")
    try:
        return torch.from_numpy(np.ascontiguousarray(turn(file.arrays[theirs], shape)))
    except ValueError as fault:
        raise UserError(f"{file.path}: {theirs} is {fault}") from None


def _why(array: Array, name: str, lineage: Lineage, spec: NetSpec) -> str:
    """Why a foreign array has no place in the net."""
    for beginning, reason in lineage.not_needed.items():
        if name.startswith(beginning):
            return reason
    layer = re.split(r"[/.]", name)[0]
    if layer in lineage.upscores:
        return upsampling_reason(array)
    if layer in {n for names in lineage.scores.values() for n in names}:
        return f"{spec.name} does not score that stride"
    return "no layer here has such an array"


def upsampling_reason(array: Array) -> str:
    """What became of a deconvolution's kernel (C,C,k,k or C,1,k,k): it is computed here."""
    size = array.shape[-1]
    axis = bilinear(size)
    per_class = array[np.arange(len(array)), np.arange(len(array)) % array.shape[1]]
    others = np.abs(array).sum() - np.abs(per_class).sum()
    if others < 1e-4 and np.allclose(per_class, np.outer(axis, axis), atol=1e-4):
        return "bilinear upsampling, which is computed here"
    return (
        f"a {size}x{size} deconvolution that is not bilinear (trained, or never filled); "
        "upsampling here is bilinear, so scores will differ"
    )


def bilinear(size: int) -> Array:
    """The tent that Caffe's and the reference's upsampling kernels of ``size`` hold: (size,)."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    return (1 - np.abs(np.arange(size) - centre) / factor).astype(np.float32)


AT_ONCE = {16: "scale_pool4", 8: "scale_pool3"}
"""The reference's names of the constants that are `AT_ONCE_SCALES` here."""


def check_scales(file: ForeignFile) -> None:
    """UserError when an at-once net was made with other constants than the reference's."""
    for stride, layer in AT_ONCE.items():
        for name, array in file.arrays.items():
            if name.startswith(layer) and not np.allclose(array, AT_ONCE_SCALES[stride], rtol=1e-3):
                raise UserError(
                    f"{file.path}: {name} is {float(array.flat[0]):g}; the at-once net here has "
                    f"{AT_ONCE_SCALES[stride]:g}"
                )
