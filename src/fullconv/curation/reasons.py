"""Why a photo is suggested, in words."""

from dataclasses import dataclass

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoView
from fullconv.curation.rarity import Rarity
from fullconv.metrics import percent

HIGH = 0.5  # rank from which a number is a reason


@dataclass(frozen=True)
class Standing:
    """A photo beside the other unlabelled ones, at the time of its choice.

    There are so many ``others``, and to ``represents`` of them it is nearer than any labelled or
    chosen photo. Ranks are the share of the others that have less, 0 to 1: of uncertainty, of
    rarity, and of the distance to the ``nearest`` labelled or chosen photo, None where there is
    none.
    """

    others: int
    represents: int
    uncertainty_rank: float
    rarity_rank: float
    distance_rank: float
    nearest: str | None


def reasons(
    view: PhotoView, standing: Standing, rarity: Rarity, classes: ClassSet
) -> tuple[str, ...]:
    """The reasons for a photo, at least one: where none is strong, the strongest."""
    if not standing.others:
        return ("the only photo to choose from",)
    ranked = [
        (standing.uncertainty_rank, _uncertain(view, standing.uncertainty_rank, classes)),
        (standing.rarity_rank, _rare(view, rarity, classes)),
        (standing.distance_rank, _new(standing)),
    ]
    strong = [text for rank, text in ranked if rank >= HIGH and text]
    if standing.represents:
        strong.insert(0, _typical(standing.represents))
    weak = [text for _, text in sorted(ranked, key=lambda pair: -pair[0]) if text]
    return tuple(strong or weak[:1])


def _typical(represents: int) -> str:
    photos = "photo" if represents == 1 else "photos"
    return f"typical: nearer to {represents} other {photos} than any labelled or chosen one"


def _uncertain(view: PhotoView, rank: float, classes: ClassSet) -> str:
    between = ""
    if view.confused is not None:
        first, second = (classes.outputs[0].classes.names[value] for value in view.confused)
        between = f", most between {first} and {second}"
    return f"uncertain: more than {_share(rank)}{between}"


def _rare(view: PhotoView, rarity: Rarity, classes: ClassSet) -> str:
    """The rare class of which the photo has most; no text where it has none."""
    value = rarity.seen_in(view.shares)
    if value is None:
        return ""
    predicted, usual = percent(float(view.shares[value])), percent(float(rarity.frequency[value]))
    return f"rare class: {predicted} % {classes.names[value]}, {usual} % of {rarity.counted}"


def _new(standing: Standing) -> str:
    if standing.nearest is None:
        return ""
    share, nearest = _share(standing.distance_rank), standing.nearest
    return f"new: farther from any labelled or chosen photo than {share}; nearest is {nearest}"


def _share(rank: float) -> str:
    """A rank in words: 'all others', '74 % of the others'."""
    return "all others" if rank >= 0.995 else f"{100 * rank:.0f} % of the others"
