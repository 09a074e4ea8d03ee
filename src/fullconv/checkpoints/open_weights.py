"""One way to open weights, whoever wrote them: this project's checkpoints, foreign files, names."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from fullconv.checkpoints import checkpoint
from fullconv.checkpoints import exported_program as program
from fullconv.checkpoints.checkpoint import Checkpoint, find
from fullconv.checkpoints.checkpoint_file import is_checkpoint_file
from fullconv.checkpoints.conversion import convert
from fullconv.checkpoints.foreign.recognize_net import format_of
from fullconv.checkpoints.hub import fetch_from_hub, is_hub_name
from fullconv.checkpoints.registry import (
    Published,
    fetch,
    file_here,
    find_published,
    preprocessings,
    published,
)
from fullconv.download.request import Progress
from fullconv.errors import UserError
from fullconv.python_arguments import as_path

EXPORTED = (".onnx", ".xml")
"""Endings of files that `fullconv.predict` runs and nothing else can use."""


@dataclass(frozen=True, eq=False, repr=False)
class Weights:
    """A checkpoint from anywhere.

    ``missing`` names the arrays that its source did not have, ``not_needed`` those of the source
    that have no place in the net, with the reason. ``warning`` is what the file cannot tell and
    only the user knows; `load` puts it into the checkpoint's origin.
    """

    checkpoint: Checkpoint
    missing: frozenset[str] = frozenset()
    not_needed: dict[str, str] = field(default_factory=dict)
    is_classifier: bool = False
    warning: str = ""

    def __repr__(self) -> str:
        return f"Weights({self.checkpoint!r}, {len(self.missing)} arrays missing)"


_PICTURE = "is called as a picture, and the net comes first: a run folder or its file, then photos"
_NO_WEIGHTS = {
    ".html": "is a page: open it in a browser; export --to onnx writes what predict takes",
    ".pt2": "is damaged, or no file of torch.export: export it again",
    ".toml": "is a text: name the run folder",
    ".csv": "is a text: name the run folder",
    ".json": "is a text: name the run folder",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"), _PICTURE),
}
"""What a file is that holds no weights, by its ending, and what to name instead."""


def _what_else(path: Path) -> str:
    """What a file is that holds no weights, and what to name; "" where nothing speaks for it."""
    if path.suffix == ".bin" and path.with_suffix(".xml").is_file():
        return f"belongs to {path.with_suffix('.xml').name}: name that one"
    return _NO_WEIGHTS.get(path.suffix.lower(), "")


def load(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The checkpoint in ``path``: a run folder, a file of this project or a foreign one, or a name.

    The net is in evaluation mode. Raises UserError when there is none, when it is damaged, and for
    a classifier, which has nothing to predict with.
    """
    weights = open_weights(path)
    if weights.is_classifier:
        raise UserError(
            f"{path}: a classifier of whole photos, or a part of one: no scores of pixels to "
            f"predict with; train from it: fullconv train DATA --weights {path}",
            "FC-WEIGHTS-008",
        )
    weights.checkpoint.net.to(device)
    if weights.warning:
        weights.checkpoint.origin["warning"] = weights.warning
    return weights.checkpoint


def open_weights(path: str | Path) -> Weights:
    """As `load`, classifiers too, with the account of what the source lacked and had too much."""
    path = located(path)
    if path.suffix.lower() in EXPORTED:
        raise UserError(
            f"{path}: an exported graph, to predict and evaluate with; name the run it is from",
            "FC-WEIGHTS-009",
        )
    if program.looks_like(path):
        return Weights(program.load(path))
    if is_checkpoint_file(path) or format_of(path) is None:
        if what := _what_else(path):
            raise UserError(f"{path}: {what}", "FC-WEIGHTS-010")
        own = checkpoint.load(path)
        return Weights(own, is_classifier=own.origin.get("classifier") is True)
    conversion = convert(path)
    return Weights(
        _prepared(conversion.checkpoint, path),
        frozenset(row.ours for row in conversion.missing),
        {row.theirs: row.note for row in conversion.not_needed},
        conversion.is_classifier,
        conversion.warning,
    )


def is_name(weights: str | Path) -> bool:
    """Whether ``weights`` can only be a name: of published weights, or on the Hub."""
    path = Path(weights)
    if is_hub_name(weights):
        return True
    return path.name == str(weights) and not path.suffix and not path.exists()


def found_under(weights: str | Path) -> Published | None:
    """The published weights that ``weights`` names; None for a file, a folder, an unknown name."""
    known = published()
    if not is_name(weights) or is_hub_name(weights):
        return None
    if not any(name == str(weights) or name.startswith(f"{weights}-") for name in known):
        return None
    return find_published(str(weights))


def located(weights: str | Path, progress: Progress | None = None) -> Path:
    """The file of ``weights``: a run folder's, the file itself, or that of published weights.

    Published weights lie in an installed package or in the cache, else they are downloaded;
    ``progress`` as in ``fetch``. Names of the Hub are those of `checkpoints.hub`. Raises UserError
    when there is neither a file nor such a name, or they cannot be had.
    """
    as_path(weights, "a net")
    if not is_name(weights):
        return find(weights)
    if is_hub_name(weights):
        return fetch_from_hub(weights)
    if found_under(weights) is None:
        raise UserError(
            f"{weights}: no such file or run folder, nor are published weights called so "
            "('fullconv weights' lists them)",
            "FC-WEIGHTS-001",
        )
    return fetch(str(weights), progress=progress)


def _prepared(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The weights with the registry's preprocessing, if ``path`` is a published file."""
    for entry in published().values():
        if len(entry.preprocessing) == 1 and path == file_here(entry):
            return replace(checkpoint, preprocessing=preprocessings()[entry.preprocessing[0]])
    return checkpoint
