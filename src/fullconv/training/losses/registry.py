"""The losses by kind: a new one is a file beside this one, and its line here."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import Field

from fullconv.errors import did_you_mean
from fullconv.training.losses.base import Term
from fullconv.training.losses.cross_entropy import CrossEntropy
from fullconv.training.losses.dice import Dice
from fullconv.training.losses.focal import Focal
from fullconv.training.losses.from_python import FromPython
from fullconv.training.losses.jaccard import Jaccard
from fullconv.training.losses.lovasz import Lovasz
from fullconv.training.losses.ohem import Ohem
from fullconv.training.losses.sigmoid import BinaryCrossEntropy, SigmoidDice, SigmoidJaccard

Named = (
    CrossEntropy
    | Jaccard
    | Dice
    | Focal
    | Lovasz
    | Ohem
    | BinaryCrossEntropy
    | SigmoidJaccard
    | SigmoidDice
)
"""The losses that a config can name."""
AnyTerm = Annotated[Named | FromPython, Field(discriminator="kind")]

KINDS: dict[str, type[Term]] = {loss.model_fields["kind"].default: loss for loss in get_args(Named)}
"""The losses that a config can name, by kind."""

OLD = '[loss] is now a list of terms: write [[loss]], kind = "cross_entropy", then its options'


def checked(terms: Any) -> Any:
    """The value of `loss` in a config, before the options of each term are validated.

    Raises ValueError for the form of older versions, for an unknown kind, and for a kind twice.
    """
    if isinstance(terms, Mapping):
        raise ValueError(f"{OLD} (here {', '.join(map(str, terms))})")
    if not isinstance(terms, Sequence) or isinstance(terms, str) or not terms:
        raise ValueError('give a list of one or more terms, as [{kind = "cross_entropy"}]')
    seen: set[tuple[Any, Any]] = set()
    for term in terms:
        kind, name = (_value(term, key) for key in ("kind", "name"))
        if kind not in (*KINDS, "python"):
            hint = did_you_mean(str(kind), KINDS) or f"there are {', '.join(KINDS)}"
            raise ValueError(f"no loss is called {kind!r}: {hint}")
        if (kind, name) in seen:
            raise ValueError(f"{kind} is given twice: give it once, with its weight")
        seen.add((kind, name))
    return terms


def _value(term: Any, key: str) -> Any:
    return term.get(key) if isinstance(term, Mapping) else getattr(term, key, None)
