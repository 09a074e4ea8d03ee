"""Chainer's .npz: a chain, a chain inside a Classifier, or the trainer's whole snapshot.

`chainer.serializers.save_npz` names an array by its way through the object: `conv1_1/W`,
`predictor/conv1_1/W` or `updater/model:main/predictor/conv1_1/W`. The nets are in `chainer_nets`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from fullconv.checkpoints.foreign.chainer_nets import (
    BODY,
    HEADS,
    KERNELS,
    LAYERS,
    LINEAGES,
    NEEDED,
    SCORES,
    array_name,
)
from fullconv.checkpoints.foreign.foreign_arrays import Array, ForeignFile
from fullconv.checkpoints.foreign.npz import TOTAL, Header, Npz, open_npz
from fullconv.errors import UserError, listed

__all__ = ["LINEAGES", "looks_like", "read"]

LARGEST = max(KERNELS.values())  # larger than any convolution's, too
ANCHOR = "conv1_1/W"  # where this is, there is the net


def looks_like(path: Path, head: bytes) -> bool:
    """Whether the file is a zip that begins with a .npy (torch's begins with a pickle)."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def read(path: Path) -> ForeignFile:
    """The net's arrays, named as in its chain; UserError when there is none, or more than one."""
    with open_npz(path) as file:
        prefix = find_prefix(path, file.names)
        left_out: dict[str, str] = {}
        wanted: list[str] = []
        for name in (n for n in file.names if n.startswith(prefix)):
            why = _unusable(path, name, name.removeprefix(prefix), file.header(name))
            if why:
                left_out[name] = why
            else:
                wanted.append(name)
        _refuse_large(path, file, wanted)
        arrays = {name.removeprefix(prefix): file.array(name) for name in wanted}
    for layer in KERNELS:
        bias = arrays.pop(array_name(layer, "bias"), None)
        if bias is not None:
            left_out[prefix + array_name(layer, "bias")] = _bias_reason(bias)
    left_out |= {n: _beside(n) for n in file.names if not n.startswith(prefix)}
    # Such a net has no pad of 100: its score map is 1x1, which is then upsampled as a whole.
    is_unpadded = any(why.endswith(ONE_SIZE) for why in left_out.values())
    return ForeignFile(path, "Chainer", arrays, left_out, padding="same" if is_unpadded else None)


def find_prefix(path: Path, names: Iterable[str]) -> str:
    """The prefix of the names of the net's layers: '', 'predictor/', 'updater/...'."""
    names = list(names)
    prefixes = [n.removesuffix(ANCHOR) for n in names if f"/{n}".endswith(f"/{ANCHOR}")]
    if not prefixes:
        raise UserError(
            f"{path}: an .npz without a net that is known (no {ANCHOR}); its arrays are "
            f"{listed(names)}",
            "FC-WEIGHTS-010",
        )
    if len(prefixes) > 1:
        raise UserError(
            f"{path}: holds {len(prefixes)} nets ({listed(p or 'the chain' for p in prefixes)}); "
            "save the one that you want by itself, with chainer.serializers.save_npz",
            "FC-WEIGHTS-010",
        )
    prefix = _outer(names, prefixes[0])
    _refuse_scattered(path, names, prefix)
    return prefix


def _outer(names: list[str], prefix: str) -> str:
    """The prefix of the whole net where VGG16 is a chain of its own beside the scores."""
    outer = prefix.removesuffix(BODY)
    is_whole = any(outer + array_name(layer, "weight") in names for layer in HEADS)
    return outer if f"/{prefix}".endswith(f"/{BODY}") and is_whole else prefix


def _refuse_scattered(path: Path, names: Iterable[str], prefix: str) -> None:
    """A net whose body is a chain of its own has a second fc6 or its scores elsewhere."""
    layers = (*LAYERS, *(layers[0] for layers in SCORES.values()), *HEADS)
    known = tuple(f"/{array_name(layer, 'weight')}" for layer in layers)
    for name in names:
        if not name.startswith(prefix) and f"/{name}".endswith(known):
            raise UserError(
                f"{path}: {name} lies outside {prefix}, where the net is; nets whose body is a "
                "chain of its own are not known",
                "FC-WEIGHTS-010",
            )


def _beside(name: str) -> str:
    """Why an array outside the net has no place here."""
    if name.startswith("updater/optimizer"):
        return "the optimizer's state"
    return "the trainer's state" if "/" in name or name.startswith("_") else "outside the net"


DIFFERS = "upsampling here is bilinear, so scores will differ"
ONE_SIZE = f"deconvolution, which makes pictures of one size only; {DIFFERS}"


def _unusable(path: Path, name: str, short: str, header: Header) -> str | None:
    """Why an array of the net is left out, by its header alone; UserError for a pickle."""
    shape = header.shape
    if header.is_object:
        if shape:
            raise UserError(
                f"{path}: {name} is an object array, a pickle, which can run code and is not read",
                "FC-WEIGHTS-007",
            )
        if short in NEEDED:
            raise UserError(
                f"{path}: {name} was never initialised (None) in Chainer; save the net after its "
                "first photo",
                "FC-WEIGHTS-012",
            )
        return "a Python object (None: never initialised), which is not opened"
    if not header.is_float:
        return f"no weights, but {header.kind}"
    if 0 in shape:
        return "empty"
    layer = re.split("[/.]", short)[0]
    if len(shape) == 4 and shape[2] == shape[3]:
        return _deconvolution_reason(layer, shape[3])
    if layer in KERNELS and short != array_name(layer, "bias"):
        return f"no deconvolution, with shape {shape}"
    return None


def _deconvolution_reason(layer: str, size: int) -> str | None:
    """Why a kernel of ``size`` x ``size`` is none that belongs to the net."""
    if size > LARGEST:
        return f"a {size}x{size} {ONE_SIZE}"
    if size != KERNELS.get(layer, size):
        return f"a {size}x{size} deconvolution, not {KERNELS[layer]}x{KERNELS[layer]}; {DIFFERS}"
    return None


def _refuse_large(path: Path, file: Npz, wanted: Iterable[str]) -> None:
    size = file.size(wanted)
    if size > TOTAL:
        raise UserError(
            f"{path}: its net declares {size / 1e9:.1f} GB, more than any known one; it is damaged "
            "or made to fill the memory",
            "FC-WEIGHTS-014",
        )


def _bias_reason(bias: Array) -> str:
    if not bias.any():
        return "a deconvolution's bias, all zero"
    return (
        f"a deconvolution's bias (up to {abs(bias).max():.2g}), which upsampling here does not "
        "have; scores will differ"
    )
