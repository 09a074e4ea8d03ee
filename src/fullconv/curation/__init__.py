"""What a trained net says of the data: labels to look at again, and photos to label next."""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.curation.label_errors import DoubtedMask, DoubtedRegion, LabelDoubts, label_doubts
    from fullconv.curation.photo_views import PhotoView, photo_view
    from fullconv.curation.suggestions import Suggestion, Suggestions, suggest

__all__ = [
    "DoubtedMask",
    "DoubtedRegion",
    "LabelDoubts",
    "PhotoView",
    "Suggestion",
    "Suggestions",
    "label_doubts",
    "photo_view",
    "suggest",
]

__getattr__ = lazy_names(
    __name__,
    {
        "label_errors": ("DoubtedMask", "DoubtedRegion", "LabelDoubts", "label_doubts"),
        "photo_views": ("PhotoView", "photo_view"),
        "suggestions": ("Suggestion", "Suggestions", "suggest"),
    },
)
