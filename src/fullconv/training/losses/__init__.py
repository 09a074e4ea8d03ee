"""Losses: what they are, those that a config can name, and how one of your own is handed in."""

from fullconv.training.losses.base import IGNORE, Loss, PixelLoss, RegionLoss, Term, can_be_banded
from fullconv.training.losses.cross_entropy import CrossEntropy
from fullconv.training.losses.dice import Dice
from fullconv.training.losses.focal import Focal
from fullconv.training.losses.from_python import FromPython, WeightedLoss, loss_for, terms_of
from fullconv.training.losses.jaccard import Jaccard
from fullconv.training.losses.lovasz import Lovasz
from fullconv.training.losses.ohem import Ohem
from fullconv.training.losses.registry import KINDS, AnyTerm, checked
from fullconv.training.losses.sigmoid import (
    BinaryCrossEntropy,
    SigmoidDice,
    SigmoidJaccard,
    SigmoidTerm,
    binary_cross_entropy,
)

__all__ = [
    "IGNORE",
    "KINDS",
    "AnyTerm",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Dice",
    "Focal",
    "FromPython",
    "Jaccard",
    "Loss",
    "Lovasz",
    "Ohem",
    "PixelLoss",
    "RegionLoss",
    "SigmoidDice",
    "SigmoidJaccard",
    "SigmoidTerm",
    "Term",
    "WeightedLoss",
    "binary_cross_entropy",
    "can_be_banded",
    "checked",
    "loss_for",
    "terms_of",
]
