"""One way to open weights, whoever wrote them: this project's checkpoints and foreign files."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from fullconv.errors import UserError
from fullconv.weights import checkpoint
from fullconv.weights.checkpoint import Checkpoint, find, is_own
from fullconv.weights.convert import convert
from fullconv.weights.formats import format_of


@dataclass(frozen=True, eq=False)
class Weights:
    """A checkpoint from anywhere.

    ``missing`` names the arrays that its source did not have, ``not_needed`` those of the source
    that have no place in the net, with the reason.
    """

    checkpoint: Checkpoint
    missing: frozenset[str] = frozenset()
    not_needed: dict[str, str] = field(default_factory=dict)
    is_classifier: bool = False


def load(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The checkpoint in ``path``: a run folder, a file of this project, or a foreign one.

    The net is in evaluation mode. Raises UserError when there is none, when it is damaged, and for
    a classifier, which has nothing to predict with.
    """
    found = open_weights(path)
    if found.is_classifier:
        raise UserError(
            f"{path}: a classifier of whole photos, which has no scores of pixels to predict with; "
            f"train from it: fullconv train DATA --weights {path}"
        )
    found.checkpoint.net.to(device)
    return found.checkpoint


def open_weights(path: str | Path) -> Weights:
    """As `load`, classifiers too, with the account of what the source lacked and had too much."""
    path = find(path)
    if is_own(path) or format_of(path) is None:
        own = checkpoint.load(path)
        return Weights(own, is_classifier=own.origin.get("classifier") is True)
    found = convert(path)
    return Weights(
        found.checkpoint,
        frozenset(row.ours for row in found.missing),
        {row.theirs: row.note for row in found.not_needed},
        found.is_classifier,
    )
