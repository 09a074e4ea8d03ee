"""Why a photo is suggested, in words."""

from dataclasses import dataclass

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoView
from fullconv.curation.rarity import Rarity
from fullconv.errors import by_address
from fullconv.metrics import percent

HIGH = 0.5  # rank from which a number is a reason
KINDS = TYPICAL, UNCERTAIN, RARE_CLASS, NEW = "typical", "uncertain", "rare class", "new"


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


@dataclass(frozen=True)
class Reason:
    """A ``kind`` of KINDS, in a few characters for a table (``brief``), and as a sentence."""

    kind: str
    brief: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def reasons(
    view: PhotoView, standing: Standing, rarity: Rarity, classes: ClassSet
) -> tuple[Reason, ...]:
    """The reasons for a photo, at least one: where none is strong, the strongest."""
    if not standing.others:
        return (Reason("only choice", "", "there is no other photo"),)
    ranked = [
        (standing.uncertainty_rank, _uncertain(view, standing.uncertainty_rank, classes)),
        (standing.rarity_rank, _rare(view, rarity, classes)),
        (standing.distance_rank, _new(standing)),
    ]
    strong = [reason for rank, reason in ranked if rank >= HIGH and reason]
    if standing.represents:
        strong.insert(0, _typical(standing.represents))
    weak = [reason for _, reason in sorted(ranked, key=lambda pair: -pair[0]) if reason]
    return tuple(strong or weak[:1])


def _typical(represents: int) -> Reason:
    photos = "photo" if represents == 1 else "photos"
    text = f"nearer to {represents} other {photos} than any labelled or chosen one"
    return Reason(TYPICAL, f"{represents} {photos}", text)


def _uncertain(view: PhotoView, rank: float, classes: ClassSet) -> Reason:
    between = pair = ""
    if view.confused is not None:
        first, second = (classes.outputs[0].classes.names[value] for value in view.confused)
        between, pair = f", mostly between {first} and {second}", f" {first}/{second}"
    return Reason(UNCERTAIN, f"{100 * rank:.0f} %{pair}", f"more than {_share(rank)}{between}")


def _rare(view: PhotoView, rarity: Rarity, classes: ClassSet) -> Reason | None:
    """The rare class of which the photo has most; None where it has none."""
    value = rarity.seen_in(view.shares)
    if value is None:
        return None
    predicted, usual = percent(float(view.shares[value])), percent(float(rarity.frequency[value]))
    brief = f"{predicted} % {classes.names[value]}"
    return Reason(RARE_CLASS, brief, f"{brief}, {usual} % of {rarity.counted}")


def _new(standing: Standing) -> Reason | None:
    if standing.nearest is None:
        return None
    rank, nearest = standing.distance_rank, by_address(standing.nearest)
    text = f"farther from any labelled or chosen photo than {_share(rank)}; nearest is {nearest}"
    return Reason(NEW, f"{100 * rank:.0f} %", text)


def _share(rank: float) -> str:
    """A rank in words: 'all others', '74 % of the others'."""
    return "all others" if rank >= 0.995 else f"{100 * rank:.0f} % of the others"
