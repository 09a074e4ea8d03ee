"""Losses: what they are, those that a config can name, and how one of your own is handed in."""

from fullconv.train.losses.base import IGNORE, Loss, OverlapLoss, PixelLoss, Term, can_be_banded
from fullconv.train.losses.cross_entropy import CrossEntropy
from fullconv.train.losses.dice import Dice
from fullconv.train.losses.focal import Focal
from fullconv.train.losses.given import FromPython, Given, resolved, terms_of
from fullconv.train.losses.jaccard import Jaccard
from fullconv.train.losses.lovasz import Lovasz
from fullconv.train.losses.ohem import Ohem
from fullconv.train.losses.registry import KINDS, AnyTerm, checked

__all__ = [
    "IGNORE",
    "KINDS",
    "AnyTerm",
    "CrossEntropy",
    "Dice",
    "Focal",
    "FromPython",
    "Given",
    "Jaccard",
    "Loss",
    "Lovasz",
    "Ohem",
    "OverlapLoss",
    "PixelLoss",
    "Term",
    "can_be_banded",
    "checked",
    "resolved",
    "terms_of",
]
