"""Which format a foreign file is in, told from its bytes, and which published net it holds.

A format is a module with ``looks_like(path, head)``, ``read(path)`` and ``LINEAGES``.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from fullconv.checkpoints.foreign import caffe, chainer, keras, pytorch
from fullconv.checkpoints.foreign.foreign_arrays import ForeignFile, Lineage, Shape
from fullconv.errors import UserError, listed
from fullconv.models import BACKBONES, NetSpec
from fullconv.models.analysis.cost import meta_net
from fullconv.models.registry import coarsest_net
from fullconv.parsing import parser_errors


def recognized_net(
    file: ForeignFile, lineages: Iterable[Lineage], backbone: str | None = None
) -> tuple[Lineage, float]:
    """The lineage whose backbone is all there, and its width; UserError naming the nearest else."""
    known = [lineage for lineage in lineages if lineage.format == file.format]
    for lineage in known:
        for array, what in lineage.unsupported.items():
            if array in file.arrays:
                raise UserError(f"{file.path}: {what}", "FC-WEIGHTS-010")
    candidates = [lineage for lineage in known if backbone in (None, lineage.backbone)]
    _refuse_part(file, known, backbone)
    if not candidates:
        raise UserError(
            f"{file.path}: no {backbone} is known in {file.format}'s form", "FC-WEIGHTS-010"
        )
    # Names first: to know the shapes of a net costs a tenth of a second.
    named = [lineage for lineage in candidates if _has_names(file, lineage)]
    fitting = {lineage.title: _fitting(file, lineage) for lineage in named}
    complete = [lineage for lineage in named if not fitting[lineage.title][1]]
    # The one with the most arrays is meant: a ResNet-34 has all of a ResNet-18 too.
    complete.sort(key=lambda lineage: -len(lineage.origins) - len(lineage.required))
    if not complete:
        fitting |= {
            lineage.title: _fitting(file, lineage) for lineage in candidates if lineage not in named
        }
        raise UserError(f"{file.path}: {_nearest(file, candidates, fitting)}", "FC-WEIGHTS-010")
    ordered = [lineage for lineage in complete if _runs_as(file, lineage) is not False]
    if not ordered:
        order = " before ".join(name for name in file.layers if name in complete[0].order)
        raise UserError(
            f"{file.path}: has {order}, so it is no {complete[0].title}", "FC-WEIGHTS-010"
        )
    if len(ordered) > 1 and _runs_as(file, ordered[0]) is None:
        nets = " or ".join(coarsest_net(lineage.backbone) for lineage in ordered)
        raise UserError(
            f"{file.path}: its arrays fit several nets and it does not say in which order its "
            f"layers run; say which it is: --net {nets}",
            "FC-WEIGHTS-011",
        )
    return ordered[0], fitting[ordered[0].title][0]


def _refuse_part(file: ForeignFile, known: Iterable[Lineage], backbone: str | None) -> None:
    """UserError where the file has a part of the wanted ``backbone``, which is enough to train."""
    if backbone is None:
        return
    for lineage in known:
        is_other = lineage.is_part and lineage.backbone != backbone
        begins = is_other and BACKBONES[backbone].begins_as(BACKBONES[lineage.backbone])
        if begins and not _fitting(file, lineage)[1]:
            raise UserError(
                f"{file.path}: has only a part of {backbone}, {lineage.backbone}, so no {backbone} "
                "can be converted from it; name it in a training, where the rest starts at random: "
                f"fullconv train DATA --net {coarsest_net(backbone)} --weights {file.path}",
                "FC-WEIGHTS-011",
            )


@cache
def shapes_of(spec: NetSpec, prefix: str = "") -> dict[str, Shape]:
    """The shapes of a net's arrays below ``prefix``, by their names without it."""
    state = meta_net(spec).state_dict()
    return {
        k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)
    }


def _runs_as(file: ForeignFile, lineage: Lineage) -> bool | None:
    """Whether the file's layers run in the lineage's order; None where that is not known."""
    there = [name for name in file.layers if name in lineage.order]
    if not lineage.order:
        return True
    return there == list(lineage.order) if set(there) == set(lineage.order) else None


def _has_names(file: ForeignFile, lineage: Lineage) -> bool:
    return all(origin.name in file.arrays for origin in lineage.origins.values())


def _fitting(file: ForeignFile, lineage: Lineage) -> tuple[float, list[str]]:
    """The width at which the file fits best, and what is missing then."""
    published = 1.0, _missing(file, lineage, 1.0)
    width = _width(file, lineage) if published[1] else None
    if width is None:
        return published
    return min(published, (width, _missing(file, lineage, width)), key=lambda fit: len(fit[1]))


def _missing(file: ForeignFile, lineage: Lineage, width: float) -> list[str]:
    """The arrays of the net that are missing or have another shape, as texts.

    Of a part of other nets (`Lineage.is_part`) also what the file has besides.
    """
    if not any(origin.name in file.arrays for origin in lineage.origins.values()):
        return [f"{origin.name} is missing" for origin in lineage.origins.values()]
    shapes = shapes_of(lineage.coarsest(width), "backbone.")
    missing = []
    for ours, origin in lineage.origins.items():
        if origin.name not in file.arrays:
            missing.append(f"{origin.name} is missing")
            continue
        try:
            origin.turn(file.arrays[origin.name], shapes[ours])
        except ValueError as error:
            missing.append(f"{origin.name} is {error}")
    missing += [f"{name} is missing" for name in lineage.required if name not in file.arrays]
    return missing + (_besides(file, lineage) if lineage.is_part else [])


def _besides(file: ForeignFile, lineage: Lineage) -> list[str]:
    """The arrays of a file beyond those of a net that is a part of others."""
    own = {origin.name for origin in lineage.origins.values()}
    known = tuple(lineage.not_needed)
    return [
        f"{name} is no part of it"
        for name in file.arrays
        if name not in own and not name.startswith(known)
    ]


def _width(file: ForeignFile, lineage: Lineage) -> float | None:
    """By how much the net is thinner or wider than published, judged by its widest layer."""
    shapes = shapes_of(lineage.coarsest(), "backbone.")
    channels = {
        origin.name: shapes[ours][0]
        for ours, origin in lineage.origins.items()
        if origin.name in file.arrays and len(shapes[ours]) == 1
    }
    if not channels:
        return None
    widest = max(channels, key=lambda name: channels[name])
    width = file.arrays[widest].size / channels[widest]
    return width if 0 < width <= 8 else None


def _nearest(
    file: ForeignFile, candidates: list[Lineage], fitting: dict[str, tuple[float, list[str]]]
) -> str:
    """The net that the file resembles most, and what is missing from it."""
    best = min(
        candidates, key=lambda lineage: len(fitting[lineage.title][1]) / len(lineage.origins)
    )
    lacks = fitting[best.title][1]
    if len(lacks) < len(best.origins):
        return (
            f"looks like {best.title}, but {len(lacks)} of {len(best.origins)} arrays do not fit: "
            f"{'; '.join(lacks[:3])}"
        )
    titles = listed([lineage.title for lineage in candidates], 8)
    return f"holds none of {titles}; its arrays are {listed(file.arrays)}"


FORMATS: tuple[ModuleType, ...] = (caffe, chainer, pytorch, keras)
HEAD = 512  # bytes that tell a format


def format_of(path: Path) -> ModuleType | None:
    """The format of a file, or None; UserError when it cannot be read."""
    with parser_errors(path, "cannot be read", "FC-WEIGHTS-002"), path.open("rb") as file:
        head = file.read(HEAD)
    return next((module for module in FORMATS if module.looks_like(path, head)), None)


def read_foreign(path: Path) -> ForeignFile:
    """The arrays of a foreign file; UserError when it is in no known format or damaged."""
    module = format_of(path)
    if module:
        return module.read(path)
    raise UserError(
        f"{path}: no weights in a known format (Caffe .caffemodel, Chainer .npz, PyTorch .pth or "
        ".safetensors, Keras .h5)",
        "FC-WEIGHTS-010",
    )


def lineages() -> tuple[Lineage, ...]:
    """The known nets of all formats."""
    return tuple(lineage for module in FORMATS for lineage in module.LINEAGES)
