"""Losses that are handed in from Python: what a config keeps of them, and how they are called."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from fullconv.errors import UserError
from fullconv.training.losses.base import IGNORE, Loss, Term, can_be_banded

WeightedLoss = Loss | tuple[float, Loss]
"""A loss, or a weight with it."""


class FromPython(Term):
    """A loss from Python in a config: its name, and whether bands of rows can be summed.

    The loss itself is not in the config: a resume must be given it again.
    """

    kind: Literal["python"] = "python"
    name: str
    banded: bool = False


class CheckedLoss:
    """A callable as a loss: called for photos with labels only, and its result checked."""

    def __init__(self, loss: Loss, name: str) -> None:
        self.loss, self.name = loss, name

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """As `losses.Loss`; a photo without labels costs 0.

        A callable that gives one number for all photos is called photo by photo. Raises UserError
        for any other result, and for one that has no gradient.
        """
        shown = (masks != IGNORE).flatten(1).any(1)
        result = logits[..., :0].sum((1, 2, 3))  # N zeros with a gradient
        if not shown.any():
            return result
        losses = self._numbers(logits[shown], masks[shown])
        return result.index_put((shown.nonzero()[:, 0],), losses.to(result.dtype))

    def _numbers(self, logits: Tensor, masks: Tensor) -> Tensor:
        losses = self._checked(self.loss(logits, masks), len(logits))
        if losses.ndim:
            return losses
        if len(logits) == 1:
            return losses[None]
        photos = zip(logits.split(1), masks.split(1), strict=True)
        return torch.stack([self._checked(self.loss(*photo), 1).reshape(()) for photo in photos])

    def _checked(self, result: Any, photos: int) -> Tensor:
        if not isinstance(result, Tensor):
            raise UserError(
                f"loss {self.name}: it gives a {type(result).__name__}, not a tensor",
                "FC-TRAIN-012",
            )
        if tuple(result.shape) not in ((photos,), ()):
            raise UserError(
                f"loss {self.name}: it gives the shape {tuple(result.shape)} for {photos} photos; "
                "give one number for each, as losses.Loss says",
                "FC-TRAIN-012",
            )
        if torch.is_grad_enabled() and not result.requires_grad:
            raise UserError(
                f"loss {self.name}: it has no gradient by the logits, so nothing would be learnt",
                "FC-TRAIN-012",
            )
        return result


def terms_of(
    given: WeightedLoss | Sequence[WeightedLoss],
) -> tuple[tuple[Term, ...], dict[str, Loss]]:
    """The terms of losses that are handed in, for the config, and those of Python by their names.

    Raises UserError for what is no loss.
    """
    several = given if isinstance(given, list) else [given]
    terms: list[Term] = []
    losses: dict[str, Loss] = {}
    for one in several:
        weight, loss = one if isinstance(one, tuple) and len(one) == 2 else (None, one)
        if weight is not None and not (isinstance(weight, int | float) and 0 < weight < math.inf):
            raise UserError(f"loss: the weight {weight!r} must be a number above 0", "FC-TRAIN-012")
        if isinstance(loss, Term):
            terms.append(loss if weight is None else loss.model_copy(update={"weight": weight}))
            continue
        if not callable(loss):
            raise UserError(
                f"loss: {loss!r} is no loss; give a callable (logits, masks) -> one number a "
                "photo, one of fullconv.training.losses, or a list of them",
                "FC-TRAIN-012",
            )
        name = _name(loss, losses)
        losses[name] = loss
        terms.append(
            FromPython(
                weight=1.0 if weight is None else weight, name=name, banded=can_be_banded(loss)
            )
        )
    return tuple(terms), losses


def loss_for(term: Term, losses: Mapping[str, Loss]) -> Loss:
    """The loss of a term; UserError where it is Python's and was not handed in."""
    if not isinstance(term, FromPython):
        assert isinstance(term, Loss)
        return term
    if term.name not in losses:
        raise UserError(
            f"the loss {term.name} of this run is not in its config: hand it in again, from "
            "Python, by fullconv.train(..., loss=...)",
            "FC-TRAIN-011",
        )
    loss = losses[term.name]
    return loss if can_be_banded(loss) else CheckedLoss(loss, term.name)


def _name(loss: Any, taken: Mapping[str, Loss]) -> str:
    """The name of a loss from Python, package.module.function; with a number where it is taken."""
    kind = loss if hasattr(loss, "__qualname__") else type(loss)
    name, number = f"{kind.__module__}.{kind.__qualname__}", 1
    while (numbered := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return numbered
